"""The rules of users: an administrator keeps them, and whatever is taken from one ends their sessions at once."""

import hashlib
import secrets
from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from app import clock, ids
from app.api.paging import ListOut, Paging, list_out
from app.api.user.models import InvitationOut, UserIn, UserOut, UserPatch
from app.db.api_token.table import RevocationsTable
from app.db.audit.trail import note
from app.db.organization.table import OrganizationsTable
from app.db.user.model import Role, UserRow
from app.db.user.table import UsersTable
from app.db.web_session.of_user import UserSessionsTable
from app.errors import BadRequest, NotFound, existing
from app.principal import Principal

SESSION_SECONDS: Final = 7 * 86400
"""How long the token of somebody who signed in is good."""
_INVITATION: Final = timedelta(days=7)
# The time in a token's id is exact to four milliseconds.
_TICK: Final = timedelta(milliseconds=5)
_OWN: Final = "You cannot take away your own role, or yourself: ask another administrator to do it."


class UserService:
    """Keeps an organization's users. `public_url` is where links lead to, without a slash at its end."""

    def __init__(self, session: AsyncSession, caller: Principal, public_url: str) -> None:
        self._session = session
        self._caller = caller
        self._organization_id = caller.organization_id
        self._public_url = public_url
        self._users = UsersTable(session)

    async def page(self, paging: Paging) -> ListOut[UserOut]:
        """The users, oldest first unless asked otherwise."""
        page = await self._users.page(self._organization_id, paging.window(ascending=True, ids_of="usr"))
        return list_out(page.rows, page.done, key=lambda row: row.id, item=user_out)

    async def get(self, user_id: str) -> UserOut:
        """One user. NotFound if there is none."""
        return user_out(existing(await self._users.get(self._organization_id, user_id)))

    async def create(self, body: UserIn) -> InvitationOut:
        """A new user, and the link with which they choose a password. Conflict if the email is taken."""
        await OrganizationsTable(self._session).ensure_live(self._organization_id)
        row = new_user(self._organization_id, body.email, body.role, body.name)
        await self._users.create(row)
        return await self._invite(row)

    async def invite(self, user_id: str) -> InvitationOut:
        """Another link for a user, in place of an earlier one. NotFound; BadRequest for one who is disabled."""
        row = existing(await self._users.find_to_change(self._organization_id, user_id))
        if row.disabled:
            raise BadRequest("This user is disabled, and could not sign in: enable them first.")
        return await self._invite(row)

    async def change(self, user_id: str, body: UserPatch) -> UserOut:
        """Rename, promote or disable a user. NotFound; BadRequest for what would lock the caller out."""
        row = existing(await self._users.find_to_change(self._organization_id, user_id))
        if "name" in body.model_fields_set:
            row.name = body.name
        role = row.role if body.role is None else body.role.value
        disabled = row.disabled if body.disabled is None else body.disabled
        if (role, disabled) != (row.role, row.disabled):
            self._require_other(row)
            row.role, row.disabled = role, disabled
            await end_sessions(self._session, row)
        row.updated_at = clock.now()
        await self._users.save(row)
        return user_out(row)

    async def set_password(self, user_id: str, hashed: bytes) -> None:
        """Another password, by somebody who may do anything; who knew the one before is signed out. NotFound."""
        row = existing(await self._users.find_to_change(self._organization_id, user_id))
        row.password, row.updated_at = hashed, clock.now()
        row.invitation = row.invitation_expires_at = None
        await self._users.save(row)
        await end_sessions(self._session, row)

    async def find_by_email(self, email: str) -> UserOut:
        """The user with that email. NotFound."""
        row = await self._users.find_by_email(self._organization_id, email.strip().lower())
        if row is None:
            raise NotFound("There is no user with that email: `postrider users list` shows those that there are.")
        return user_out(row)

    async def delete(self, user_id: str) -> None:
        """Delete a user, whose email is free then. NotFound; BadRequest for the caller."""
        row = existing(await self._users.find_to_change(self._organization_id, user_id))
        self._require_other(row)
        row.deleted_at = clock.now()
        row.password = row.invitation = row.invitation_expires_at = None
        await self._users.save(row)
        await end_sessions(self._session, row)

    async def _invite(self, row: UserRow) -> InvitationOut:
        text = f"inv_{secrets.token_urlsafe(32)}"
        row.invitation, row.invitation_expires_at = invitation_hash(text), clock.now() + _INVITATION
        row.updated_at = clock.now()
        await self._users.save(row)
        # The fragment never leaves the browser, so that the invitation is in nobody's access log.
        url = f"{self._public_url}/dashboard/invitation#{text}"
        return InvitationOut(user=user_out(row), url=url, expires_at=row.invitation_expires_at)

    def _require_other(self, row: UserRow) -> None:
        if row.id == self._caller.user_id:
            raise BadRequest(_OWN)


def new_user(organization_id: str, email: str, role: Role, name: str | None) -> UserRow:
    """A user who has no way to sign in yet."""
    now = clock.now()
    return UserRow(
        id=ids.new_id("usr"),
        organization_id=organization_id,
        email=email,
        name=name,
        role=role.value,
        created_at=now,
        updated_at=now,
    )


async def end_sessions(session: AsyncSession, row: UserRow, *, signs_in: bool = False) -> None:
    """Sign a user out everywhere, and refuse the tokens with which they did; but for one that is issued next."""
    now = clock.now()
    await UserSessionsTable(session, row.organization_id, row.id).end_all()
    # With a day for clocks.
    forget_at = now + timedelta(seconds=SESSION_SECONDS + 86_400)
    subject = f"{row.organization_id}/{row.id}"
    await RevocationsTable(session).revoke(row.organization_id, subject, now - _TICK if signs_in else now, 0, forget_at)
    note(session, "user", row.id, {"signed_out": {"after": True}})


def invitation_hash(text: str) -> bytes:
    """Of 256 random bits: what cannot be guessed needs no slow one."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def user_out(row: UserRow) -> UserOut:
    """A user as they are shown, without what is secret about them."""
    expires_at = row.invitation_expires_at
    return UserOut(
        id=row.id,
        email=row.email,
        name=row.name,
        role=Role(row.role),
        disabled=row.disabled,
        has_password=row.password is not None,
        single_sign_on=row.oidc_subject is not None,
        invited_until=expires_at if expires_at is not None and expires_at > clock.now() else None,
        created_at=row.created_at,
        updated_at=row.updated_at,
        last_signed_in_at=row.last_signed_in_at,
    )
