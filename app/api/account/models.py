"""A user's own account on the wire."""

from typing import Annotated

from pydantic import Field

from app.api.fields import Dto, Timestamp
from app.api.user.models import Password, UserOut
from app.passwords import LONGEST


class PasswordChangeIn(Dto):
    """A new password, and proof that it is the user who wants it."""

    current_password: Annotated[str, Field(min_length=1, max_length=LONGEST)] = Field(
        description="The one so far.", examples=["correct horse battery staple"], repr=False
    )
    new_password: Password


class SessionOut(Dto):
    """A browser in which the user is signed in."""

    id: str = Field(examples=["key_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    created_at: Timestamp
    seen_at: Timestamp = Field(description="When it was used last, to a minute.")
    expires_at: Timestamp = Field(description="When it ends, however much it is used.")


class AccountOut(Dto):
    """The user who signed in."""

    user: UserOut
    sessions: list[SessionOut]
