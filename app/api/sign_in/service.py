"""The rules of signing in."""

from datetime import timedelta
from typing import Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock, ids, scopes, tokens
from app.api.sign_in.gate import Gate
from app.api.sign_in.id_token import Identity
from app.api.sign_in.models import (
    InvitationAcceptIn,
    OpenIdBeginIn,
    OpenIdBeginOut,
    OpenIdFinishIn,
    OpenIdFinishOut,
    PasswordSignInIn,
    SignedInOut,
)
from app.api.sign_in.openid import OpenId
from app.api.user.service import SESSION_SECONDS, end_sessions, invitation_hash, new_user
from app.claims import Algorithm
from app.db.organization.table import OrganizationsTable
from app.db.user.credentials import is_invited
from app.db.user.model import UserRow
from app.db.user.table import UsersTable
from app.errors import AuthenticationFailed, NotFound
from app.settings import Settings

_NO_INVITATION: Final = "This invitation was used before, or it has expired. Ask an administrator for a new one."
_DISABLED: Final = "This user is disabled. Ask an administrator."


class Issuer:
    """Makes the tokens of those who signed in."""

    def __init__(self, settings: Settings) -> None:
        assert settings.jwt_secret is not None  # create_app() refuses to start without
        self._secret = settings.jwt_secret.get_secret_value()
        self._algorithm: Algorithm = settings.jwt_algorithm

    def signed_in(self, row: UserRow) -> SignedInOut:
        """A token with the scopes of the user's role."""
        token = tokens.issue_session(
            self._secret,
            self._algorithm,
            row.organization_id,
            row.id,
            scopes.ROLES[row.role],
            seconds=SESSION_SECONDS,
        )
        expires_at = clock.now() + timedelta(seconds=SESSION_SECONDS)
        return SignedInOut(token=token, user_id=row.id, expires_at=expires_at)


class SignInService:
    """Signs users in. Whatever takes long, or is asked of others, is done before the session's transaction begins."""

    def __init__(self, session: AsyncSession, pool: asyncpg.Pool, gate: Gate, issuer: Issuer) -> None:
        self._session = session
        self._pool = pool
        self._gate = gate
        self._issuer = issuer
        self._users = UsersTable(session)

    async def with_password(self, body: PasswordSignInIn, address: str | None) -> tuple[UserRow, SignedInOut]:
        """The user whose password it is, and their token. Raises what the gate raises."""
        found = await self._gate.admit(body.email.strip().lower(), body.password, address)
        assert found.password is not None
        outdated = self._gate.passwords.is_outdated(found.password)
        hashed = await self._gate.passwords.hash(body.password) if outdated else found.password
        row = await self._users.find_to_change(found.organization_id, found.user_id)
        # Meanwhile they may have been deleted or disabled, or have another password.
        if row is None or row.disabled or row.password != found.password:
            raise AuthenticationFailed(_DISABLED)
        row.password = hashed
        return await self._sign_in(row)

    async def with_invitation(self, body: InvitationAcceptIn) -> tuple[UserRow, SignedInOut]:
        """The invited user, who has that password from now on, and their token. AuthenticationFailed."""
        invitation = invitation_hash(body.invitation)
        if not await is_invited(self._pool, invitation):
            raise AuthenticationFailed(_NO_INVITATION)
        hashed = await self._gate.passwords.hash(body.password)
        row = await self._users.of_invitation_of_any_organization(invitation)
        if row is None or row.disabled:
            raise AuthenticationFailed(_NO_INVITATION)
        row.password, row.updated_at = hashed, clock.now()
        row.invitation = row.invitation_expires_at = None
        if row.last_signed_in_at is not None:
            await end_sessions(self._session, row, signs_in=True)
        return await self._sign_in(row)

    async def finish_openid(self, provider: OpenId | None, body: OpenIdFinishIn) -> tuple[UserRow, OpenIdFinishOut]:
        """The user as whom the provider knows somebody, made if there was none, with the role that the provider says.

        AuthenticationFailed, with the reason, if what came is not from the provider, or for nobody who may sign in.
        """
        identity, wanted = await _required(provider).finish(body.code, body.state, body.pending)
        row = await self._users.of_subject_of_any_organization(identity.issuer, identity.subject)
        if row is None:
            row = await self._joined(identity)
        if row.disabled:
            raise AuthenticationFailed(_DISABLED)
        if row.role != identity.role:
            row.role, row.updated_at = identity.role.value, clock.now()
            await end_sessions(self._session, row, signs_in=True)
        row.name = identity.name or row.name
        row, signed_in = await self._sign_in(row)
        return row, OpenIdFinishOut(token=signed_in.token, user_id=row.id, expires_at=signed_in.expires_at, next=wanted)

    async def _joined(self, identity: Identity) -> UserRow:
        """The user with the email that the provider has verified, who is the provider's from now on; or a new one."""
        row = await self._users.of_email_of_any_organization(identity.email)
        if row is not None and row.oidc_subject is not None:
            raise AuthenticationFailed(
                "Another account of the provider has this email. Ask an administrator to delete the user who had it."
            )
        if row is None:
            await OrganizationsTable(self._session).ensure_live(ids.DEFAULT_ORGANIZATION_ID)
            row = new_user(ids.DEFAULT_ORGANIZATION_ID, identity.email, identity.role, identity.name)
        elif row.password is not None or row.invitation is not None:
            # Nobody has shown that they got mail there: whoever had the invitation first may have chosen the password.
            row.password = row.invitation = row.invitation_expires_at = None
            await end_sessions(self._session, row, signs_in=True)
        row.oidc_issuer, row.oidc_subject = identity.issuer, identity.subject
        await self._users.create(row)
        return row

    async def _sign_in(self, row: UserRow) -> tuple[UserRow, SignedInOut]:
        row.last_signed_in_at = clock.now()
        await self._users.save(row)
        return row, self._issuer.signed_in(row)


async def begin_openid(provider: OpenId | None, body: OpenIdBeginIn) -> OpenIdBeginOut:
    """Where to send the browser. NotFound if there is no provider, Unavailable if it does not answer."""
    url, pending = await _required(provider).begin(body.redirect_uri, body.next)
    return OpenIdBeginOut(url=url, pending=pending)


def _required(provider: OpenId | None) -> OpenId:
    if provider is None:
        raise NotFound("There is no single sign-on here: operators set POSTRIDER_OIDC_ISSUER.")
    return provider
