"""Portal access on the wire."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from app.api.application.models import ApplicationIn
from app.api.fields import Dto, EventTypeName, Flag, whole

SessionId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9@_-]+$")]
_LONGEST_GRACE = 3 * 86400


class AppPortalCapability(StrEnum):
    """What a portal's token may do (app/scopes.py)."""

    VIEW_BASE = "ViewBase"
    VIEW_ENDPOINT_SECRET = "ViewEndpointSecret"  # noqa: S105 - a name of the API
    MANAGE_ENDPOINT_SECRET = "ManageEndpointSecret"  # noqa: S105 - likewise
    MANAGE_TRANSFORMATIONS = "ManageTransformations"
    CREATE_ATTEMPTS = "CreateAttempts"
    MANAGE_ENDPOINT = "ManageEndpoint"


class AppPortalAccessIn(Dto):
    """Who gets access to what."""

    feature_flags: Annotated[list[EventTypeName], Field(max_length=100)] = Field(
        default_factory=list,
        description="Unlocks the event types that have one of these flags.",
    )
    application: ApplicationIn | None = Field(
        default=None, description="Created if there is no application of the uid in the path; its uid must be the same."
    )
    capabilities: Annotated[list[AppPortalCapability], Field(min_length=1, max_length=20)] | None = Field(
        default=None,
        description="What the token may do; everything that a portal may if it is left out.",
    )
    read_only: Flag | None = Field(default=None, description="The same as the capability `ViewBase` alone.")
    expiry: Annotated[int, Field(strict=True, ge=3600, le=28 * 86400), whole] | None = Field(
        default=None,
        description="For how many seconds the token is good; 28 days if it is left out.",
        examples=[604_800],
    )
    session_id: SessionId | None = Field(
        default=None, description="A name for this session, by which it can be expired apart from others."
    )


class AppPortalAccessOut(Dto):
    """A link that logs in whoever follows it first, within ten minutes; and the token that is got by that."""

    url: str = Field(repr=False, examples=["https://portal.example.com/login#key=eyJhcHBJZCI6ImFwcF8xIn0="])
    token: str = Field(repr=False, examples=["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhcHBfMSJ9.c2lnbmF0dXJl"])


class ApplicationTokenExpireIn(Dto):
    """Which tokens of an application end when."""

    expiry: Annotated[int, Field(strict=True, ge=0, le=_LONGEST_GRACE), whole] | None = Field(
        default=None, description="In how many seconds they end; now if it is left out.", examples=[3600]
    )
    session_ids: Annotated[list[SessionId], Field(max_length=1000)] = Field(
        default_factory=list,
        description="Only the tokens of these sessions; all if there are none.",
        examples=[["session_8"]],
    )


class OneTimeTokenIn(Dto):
    """What stands in a link to the portal."""

    one_time_token: Annotated[str, Field(min_length=1, max_length=256)] = Field(
        description="The `oneTimeToken` in the link's fragment, which is base64 of a JSON object.",
        examples=["ott_8f3kVvT0nq1wq0m2bXo4yXnqkC9S4mT7pUu5Yb2Jx1E"],
        repr=False,
    )


class OneTimeTokenOut(Dto):
    """The portal's token, and what it may do."""

    token: str = Field(repr=False, examples=["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhcHBfMSJ9.c2lnbmF0dXJl"])
    capabilities: list[str] = Field(examples=[["ViewBase", "ViewEndpointSecret"]])


class WhoamiOut(Dto):
    """Whom a token stands for."""

    env_id: str
    app_id: str | None = None
    permission_source: Literal["SvixJwt", "RegionalAuthToken"] = Field(
        description="What kind of token it is: a JWT, or an API token."
    )
    session_id: str | None = None
