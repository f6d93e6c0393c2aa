"""API tokens on the wire, as in the Svix API."""

from typing import Annotated

from pydantic import Field

from app.api.fields import Dto, Name, Timestamp, whole

_LONGEST = 10 * 365 * 86_400
Scopes = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=256)]],
    Field(
        min_length=1,
        max_length=100,
        description="What it may do: `read`, `publish`, an operation of this document, or a prefix of some with `.*`.",
    ),
]


class ApiTokenIn(Dto):
    """A new token."""

    name: Name = Field(description="A name for people.", examples=["Deployment"])
    scopes: Scopes | None = Field(
        default=None, description="Everything if it is left out.", examples=[["read", "publish"]]
    )
    expiry: Annotated[int, Field(strict=True, ge=1, le=_LONGEST), whole] | None = Field(
        default=None,
        description="In how many seconds it ends by itself; never if it is left out. Not in the Svix API.",
        examples=[7_776_000],
    )


class ApiTokenUpdate(Dto):
    """A token's new name."""

    name: Name = Field(description="A name for people.", examples=["Deployment"])


class ApiTokenPatch(Dto):
    """What is to be changed of a token."""

    name: Name | None = Field(default=None, examples=["Deployment"])
    scopes: Scopes | None = Field(default=None, examples=[["read", "publish"]])


class ApiTokenExpireIn(Dto):
    """When a token ends."""

    expiry: Annotated[int, Field(strict=True, ge=0, le=259_200), whole] = Field(
        default=0, description="In how many seconds it ends, unless it ends before."
    )


class ApiTokenCensoredOut(Dto):
    """A token, of which only the last characters are known."""

    id: str = Field(examples=["key_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    censored_token: str = Field(examples=["sk_***_a1B2"])
    name: str | None = Field(examples=["Deployment"])
    scopes: list[str] | None = Field(default=None, examples=[["read", "publish"]])
    created_at: Timestamp
    expires_at: Timestamp | None = None


class ApiTokenOut(Dto):
    """A token, shown once: only its hash is kept."""

    id: str = Field(examples=["key_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    token: str = Field(repr=False, examples=["sk_5Mz7vWbq3Yt0cRkLxN8uHd2a"])
    name: str | None = Field(examples=["Deployment"])
    scopes: list[str] | None = Field(default=None, examples=[["read", "publish"]])
    created_at: Timestamp
    expires_at: Timestamp | None = None
