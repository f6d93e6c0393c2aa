"""Users on the wire."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from app.api.fields import Dto, Flag, Name, Timestamp
from app.db.user.model import Role
from app.passwords import LONGEST, SHORTEST

# What has exactly this form can be an address; whether mail arrives there is not asked.
_EMAIL: Final = re.compile(r"[^\s@\x00-\x1f\x7f]+@[^\s@\x00-\x1f\x7f]+")


def _lower(email: str) -> str:
    email = email.strip().lower()
    if not _EMAIL.fullmatch(email):
        raise ValueError("it must be an email address, like ada@example.com")
    return email


Email = Annotated[
    str,
    Field(
        min_length=3,
        max_length=254,
        description="By which the user signs in; upper and lower case are the same.",
        examples=["ada@example.com"],
        json_schema_extra={"pattern": r"^[^\s@]+@[^\s@]+$"},
    ),
    AfterValidator(_lower),
]
Password = Annotated[
    str,
    Field(
        min_length=SHORTEST,
        max_length=LONGEST,
        description="A password of at least 12 characters.",
        examples=["correct horse battery staple"],
        repr=False,
    ),
]


class UserIn(Dto):
    """A new user."""

    email: Email
    role: Role
    name: Name | None = Field(default=None, description="For people.", examples=["Ada Lovelace"])


class UserPatch(Dto):
    """What is to be changed of a user."""

    name: Name | None = Field(default=None, examples=["Ada Lovelace"])
    role: Role | None = Field(default=None, description="Another one ends the user's sessions.")
    disabled: Flag | None = Field(default=None, description="A disabled user cannot sign in, and is signed out.")


class UserOut(Dto):
    """A user."""

    id: str = Field(examples=["usr_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    email: str = Field(examples=["ada@example.com"])
    name: str | None = Field(default=None, examples=["Ada Lovelace"])
    role: Role
    disabled: bool
    has_password: bool = Field(description="Whether the user has chosen a password.")
    single_sign_on: bool = Field(description="Whether the user came from the provider of OpenID Connect.")
    invited_until: Timestamp | None = Field(default=None, description="How long the user's invitation is good.")
    created_at: Timestamp
    updated_at: Timestamp
    last_signed_in_at: Timestamp | None = None


class InvitationOut(Dto):
    """A link with which a user chooses a password, once. It is shown this once."""

    user: UserOut
    url: str = Field(
        repr=False,
        description="For that user only.",
        examples=["https://postrider.example.com/dashboard/invitation#inv_8f3kVvT0nq1wq0m2bXo4yXnqkC9S4mT7pUu5Yb2Jx1E"],
    )
    expires_at: Timestamp
