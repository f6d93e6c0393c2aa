"""All the SQL about users, but for what is asked of all organizations before anybody has signed in (credentials.py)."""

from collections.abc import Collection
from typing import Final

from sqlmodel import col, select

from app.db.base import BaseTable
from app.db.user.model import UserRow
from app.errors import Conflict

_TAKEN: Final = "A user with that email already exists. Sign in as that one, or take another email."


class UsersTable(BaseTable[UserRow]):
    """The users of one organization."""

    row = UserRow
    scope = "organization_id"
    noun = "user"
    unique_uid = "users_email"

    async def create(self, row: UserRow) -> None:
        """Insert a user. Conflict if the email is another one's, of whichever organization."""
        try:
            await self.save(row)
        except Conflict:
            raise Conflict(_TAKEN) from None

    async def find_by_email(self, organization_id: str, email: str) -> UserRow | None:
        """The user with that email (in lower case), or None."""
        found = await self.session.execute(self._live(organization_id).where(col(UserRow.email) == email))
        return found.scalar_one_or_none()

    async def names(self, organization_id: str, user_ids: Collection[str]) -> dict[str, str]:
        """The emails of users by their ids, of deleted ones too."""
        if not user_ids:
            return {}
        statement = select(UserRow.id, UserRow.email).where(
            col(UserRow.organization_id) == organization_id, col(UserRow.id).in_(user_ids)
        )
        return {row.id: row.email for row in await self.session.execute(statement)}

    async def of_subject_of_any_organization(self, issuer: str, subject: str) -> UserRow | None:
        """The user as whom a provider of OpenID Connect knows somebody, locked; None if there is none."""
        statement = select(UserRow).where(
            col(UserRow.oidc_issuer) == issuer,
            col(UserRow.oidc_subject) == subject,
            col(UserRow.deleted_at).is_(None),
        )
        return (await self.session.execute(statement.with_for_update())).scalar_one_or_none()

    async def of_email_of_any_organization(self, email: str) -> UserRow | None:
        """The user with that email (in lower case), locked; None if there is none."""
        statement = select(UserRow).where(col(UserRow.email) == email, col(UserRow.deleted_at).is_(None))
        return (await self.session.execute(statement.with_for_update())).scalar_one_or_none()

    async def of_invitation_of_any_organization(self, hashed: bytes) -> UserRow | None:
        """The user whose invitation has that SHA-256, expired or not, locked; None if there is none."""
        statement = select(UserRow).where(col(UserRow.invitation) == hashed, col(UserRow.deleted_at).is_(None))
        return (await self.session.execute(statement.with_for_update())).scalar_one_or_none()
