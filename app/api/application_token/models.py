"""What is asked for when a token of an application is made; the answer is that of every API token."""

from typing import Annotated, Final

from pydantic import Field

from app.api.fields import Dto, Name, whole

_YEAR: Final = 31_536_000
_DAY: Final = 86_400
_LONGEST: Final = 10 * _YEAR


class CreateTokenIn(Dto):
    """A token that publishes to one application."""

    name: Name = Field(description="What the token is called in lists.", examples=["The shop"])
    expiry: Annotated[int, Field(strict=True, ge=0, le=_LONGEST), whole] | None = Field(
        default=None, description="In how many seconds it ends; only when it is expired if left out.", examples=[3600]
    )


class RotatePollerTokenIn(Dto):
    """A token that takes the place of the poller's earlier ones."""

    expiry: Annotated[int, Field(strict=True, ge=1, le=_YEAR), whole] | None = Field(
        default=None, description="In how many seconds it ends; only when it is rotated if left out.", examples=[_YEAR]
    )
    old_token_expiry: Annotated[int, Field(strict=True, ge=0, le=_DAY), whole] = Field(
        default=300, description="In how many seconds the earlier ones end.", examples=[300]
    )
