"""Signing in, on the wire."""

from typing import Annotated

from pydantic import Field

from app.api.fields import Dto, Text, Timestamp
from app.api.user.models import Password
from app.passwords import LONGEST

_TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJvcmdfMSJ9.c2lnbmF0dXJl"  # noqa: S105 - an example
_REDIRECT = "https://postrider.example.com/dashboard/sign-in/openid"


class PasswordSignInIn(Dto):
    """An email and a password."""

    email: Annotated[Text, Field(min_length=1, max_length=254)] = Field(examples=["ada@example.com"])
    password: Annotated[str, Field(min_length=1, max_length=LONGEST)] = Field(
        examples=["correct horse battery staple"], repr=False
    )


class InvitationAcceptIn(Dto):
    """What stands in an invitation, and the password that its user chooses."""

    invitation: Annotated[str, Field(min_length=1, max_length=256)] = Field(
        description="What stands in the link after its #.",
        examples=["inv_8f3kVvT0nq1wq0m2bXo4yXnqkC9S4mT7pUu5Yb2Jx1E"],
        repr=False,
    )
    password: Password


class SignedInOut(Dto):
    """A token of the user who signed in: it may do what the user may, and ends with the user's sessions."""

    token: str = Field(repr=False, examples=[_TOKEN])
    user_id: str = Field(examples=["usr_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    expires_at: Timestamp


class MethodsOut(Dto):
    """How one may sign in, beside with a password."""

    single_sign_on: bool = Field(description="Whether there is a provider of OpenID Connect.")


class OpenIdBeginIn(Dto):
    """Where the provider is to send the browser, which it must know."""

    redirect_uri: Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^https?://[^\s#]+$")] = Field(
        examples=[_REDIRECT]
    )
    next: Annotated[str, Field(max_length=2000)] = Field(
        default="", description="Given back when the sign-in is finished.", examples=["/dashboard/app"]
    )


class OpenIdBeginOut(Dto):
    """Where to send the browser, and what it must bring again."""

    url: str = Field(repr=False, examples=["https://login.example.com/authorize?client_id=postrider&state=1"])
    pending: str = Field(
        repr=False,
        description="Kept by the browser that begins, and by nobody else; good for ten minutes.",
        examples=["AbCdEf"],
    )


class OpenIdFinishIn(Dto):
    """What the provider answered, and what was kept."""

    code: Annotated[str, Field(min_length=1, max_length=4096)] = Field(examples=["SplxlOBeZQQYbYS6WxSbIA"], repr=False)
    state: Annotated[str, Field(min_length=1, max_length=256)] = Field(examples=["af0ifjsldkj"], repr=False)
    pending: Annotated[str, Field(min_length=1, max_length=8192)] = Field(examples=["AbCdEf"], repr=False)


class OpenIdFinishOut(SignedInOut):
    """The same, and what was given at the beginning."""

    next: str = Field(examples=["/dashboard/app"])
