"""The rules of a user's own account."""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.api.account.models import AccountOut, PasswordChangeIn, SessionOut
from app.api.sign_in.gate import Gate
from app.api.sign_in.models import SignedInOut
from app.api.sign_in.service import Issuer
from app.api.user.service import end_sessions, user_out
from app.db.audit.trail import note
from app.db.user.table import UsersTable
from app.db.web_session.of_user import UserSessionsTable
from app.errors import AuthenticationFailed, NotFound, ValidationFailed, Violation, existing
from app.principal import Principal

_MOST_SESSIONS: Final = 100


class AccountService:
    """What users do with their own account. NotFound for callers who are none."""

    def __init__(self, session: AsyncSession, caller: Principal) -> None:
        if caller.user_id is None:
            raise NotFound("Only users have an account: sign in as one, with a password or by single sign-on.")
        self._session = session
        self._organization_id = caller.organization_id
        self._user_id = caller.user_id
        self._users = UsersTable(session)
        self._sessions = UserSessionsTable(session, caller.organization_id, caller.user_id)

    async def get(self) -> AccountOut:
        """The user, and where they are signed in. NotFound if they were deleted meanwhile."""
        row = existing(await self._users.get(self._organization_id, self._user_id))
        found = await self._sessions.newest(_MOST_SESSIONS)
        sessions = [
            SessionOut(id=one.id, created_at=one.created_at, seen_at=one.seen_at, expires_at=one.expires_at)
            for one in found
        ]
        return AccountOut(user=user_out(row), sessions=sessions)

    async def end_session(self, session_id: str) -> None:
        """Sign out of one browser. NotFound if it was not signed in."""
        if not await self._sessions.end(session_id):
            raise NotFound
        note(self._session, "web_session", session_id, {"signed_out": {"after": True}})

    async def change_password(
        self, body: PasswordChangeIn, gate: Gate, issuer: Issuer, address: str | None
    ) -> SignedInOut:
        """Sign out everywhere, and in anew. ValidationFailed if the password so far is not right."""
        email = existing(await gate.email_of(self._organization_id, self._user_id))
        try:
            await gate.admit(email, body.current_password, address)
        except AuthenticationFailed:
            # Who came by single sign-on has none, and gets none: the provider says whether they may still sign in.
            wrong = Violation(("body", "currentPassword"), "This is not your password so far.")
            raise ValidationFailed(wrong) from None
        hashed = await gate.passwords.hash(body.new_password)
        row = existing(await self._users.find_to_change(self._organization_id, self._user_id))
        row.password, row.updated_at = hashed, clock.now()
        row.invitation = row.invitation_expires_at = None
        await self._users.save(row)
        await end_sessions(self._session, row, signs_in=True)
        return issuer.signed_in(row)
