"""The rules of portal access."""

import base64
import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock, ids, scopes, tokens
from app.api.application.models import ApplicationIn
from app.api.application.service import ApplicationService, require_uid
from app.api.auth.models import (
    ApplicationTokenExpireIn,
    AppPortalAccessIn,
    AppPortalAccessOut,
    AppPortalCapability,
    OneTimeTokenIn,
    OneTimeTokenOut,
)
from app.db.api_token.table import ApiTokensTable, RevocationsTable
from app.db.application.table import ApplicationsTable
from app.db.audit.trail import note
from app.db.one_time_token.table import OneTimeToken, OneTimeTokensTable
from app.db.organization.settings import rules_of
from app.db.organization.table import OrganizationsTable
from app.errors import AuthenticationFailed, InsufficientAccess, NotFound, existing
from app.sealing import Sealer
from app.settings import Settings
from app.tokens import FOUR_WEEKS, Principal

_DASHBOARD_SECONDS: Final = 7 * 86_400
_REGION: Final = "self_hosted"
# No token of a session, which only this server names, lives longer; with a day for clocks.
_LONGEST_SESSION: Final = timedelta(seconds=FOUR_WEEKS + 86400)
# Other tokens may come from a Svix server, or from whoever has the secret.
_LONGEST_TOKEN: Final = timedelta(days=36_525)


class AuthService:
    """Lets an organization give its customers access to their own application."""

    def __init__(self, session: AsyncSession, settings: Settings, sealer: Sealer) -> None:
        self._session = session
        self._rows = ApplicationsTable(session)
        self._revocations = RevocationsTable(session)
        self._applications = ApplicationService(session)
        self._settings = settings
        self._sealer = sealer
        self._one_time = OneTimeTokensTable(session)

    async def portal_access(
        self, organization_id: str, reference: str, body: AppPortalAccessIn, own_url: str
    ) -> AppPortalAccessOut:
        """A link and a token for the application, which is created if the body says how.

        `own_url` is where this server is reached, for the link if no other portal is set.
        """
        application_id = await self._application_id(organization_id, reference, body.application)
        settings, seconds = self._settings, body.expiry or FOUR_WEEKS
        read_only = body.read_only or (await rules_of(self._session, organization_id)).read_only_portals
        capabilities = [AppPortalCapability.VIEW_BASE] if read_only else body.capabilities
        allowed = None if capabilities is None else scopes.of_portal(capabilities)
        assert settings.jwt_secret is not None  # create_app() refuses to start without
        token = tokens.issue_portal(
            settings.jwt_secret.get_secret_value(),
            settings.jwt_algorithm,
            organization_id,
            application_id,
            body.feature_flags,
            seconds=seconds,
            allowed=allowed,
            session_id=body.session_id,
        )
        given = {"seconds": seconds, "session_id": body.session_id, "scopes": allowed}
        note(self._session, "application", application_id, {"portal_access": {"after": given}})
        named = [capability.value for capability in capabilities or AppPortalCapability]
        one_time = await self._for_once(organization_id, application_id, token, named)
        key = base64.b64encode(orjson.dumps({"appId": application_id, "oneTimeToken": one_time, "region": _REGION}))
        # The fragment never leaves the browser, so that the token is in nobody's access log.
        base = (settings.app_portal_url or own_url).rstrip("/")
        return AppPortalAccessOut(url=f"{base}/login#key={key.decode()}", token=token)

    async def dashboard_access(self, organization_id: str, session_id: str, own_url: str) -> str:
        """A link that signs whoever follows it first in to the dashboard, with all that the organization may do."""
        await OrganizationsTable(self._session).ensure_live(organization_id)
        assert self._settings.jwt_secret is not None
        token = tokens.issue_session(
            self._settings.jwt_secret.get_secret_value(),
            self._settings.jwt_algorithm,
            organization_id,
            session_id,
            None,
            seconds=_DASHBOARD_SECONDS,
        )
        note(self._session, "organization", organization_id, {"dashboard_access": {"after": {"session": session_id}}})
        one_time = await self._for_once(organization_id, None, token, [])
        return f"{own_url.rstrip('/')}/dashboard/sign-in#key={one_time}"

    async def exchange(self, body: OneTimeTokenIn) -> tuple[Principal, OneTimeTokenOut]:
        """The portal's token for what stood in its link, and whom that stands for.

        AuthenticationFailed if it was exchanged before, has expired, or is none.
        """
        found = await self._one_time.take_of_any_organization(_hash(body.one_time_token))
        if found is None:
            raise AuthenticationFailed("This link was used before, or it has expired. Ask for a new one.")
        entity = "organization" if found.application_id is None else "application"
        key = found.application_id or found.organization_id
        note(self._session, entity, key, {"one_time_token": {"after": "exchanged"}})
        token = self._sealer.open(found.sealed, found.id).decode()
        bearer = Principal(found.organization_id, found.application_id, clock.unix(), token_id=found.id)
        return bearer, OneTimeTokenOut(token=token, capabilities=list(found.capabilities))

    async def _for_once(
        self, organization_id: str, application_id: str | None, token: str, named: Sequence[str]
    ) -> str:
        """A one-time token that is exchanged for another one."""
        text, row_id = f"ott_{secrets.token_urlsafe(32)}", ids.new_id("key")
        sealed = self._sealer.seal(token.encode(), row_id)
        await self._one_time.insert(OneTimeToken(row_id, organization_id, application_id, sealed, named), _hash(text))
        return text

    async def log_out(self, caller: Principal) -> None:
        """End the caller's own token, which must be a portal's. InsufficientAccess for others."""
        if caller.application_id is None:
            raise InsufficientAccess("Only an application's token can be logged out: expire API tokens by their id.")
        await revoke(self._session, caller)
        note(self._session, "portal_token", caller.token_id, {"revoked": {"after": True}})

    async def expire_all(self, organization_id: str, reference: str, body: ApplicationTokenExpireIn) -> None:
        """End all tokens that were issued for an application so far, whoever has them, or those of some sessions."""
        application_id = existing(await self._rows.find(organization_id, reference)).id
        now, seconds = clock.now(), body.expiry or 0
        if body.session_ids:
            subjects = [f"{application_id}/{session_id}" for session_id in dict.fromkeys(body.session_ids)]
            forget_at = now + _LONGEST_SESSION
        else:
            subjects, forget_at = [application_id], now + _LONGEST_TOKEN
            # Who had a portal may have made some.
            await ApiTokensTable(self._session).expire_of_application(organization_id, application_id, seconds)
        for subject in subjects:
            await self._revocations.revoke(organization_id, subject, now, seconds, forget_at)
        told = {"seconds": seconds, "session_ids": body.session_ids or None}
        note(self._session, "application", application_id, {"portal_tokens_expired": {"after": told}})

    async def _application_id(self, organization_id: str, reference: str, new: ApplicationIn | None) -> str:
        row = await self._rows.find(organization_id, reference)
        if row is not None:
            return row.id
        if new is None:
            raise NotFound
        require_uid(new, reference)
        application, _ = await self._applications.create(organization_id, new, get_if_exists=True)
        return application.id


async def revoke(session: AsyncSession, bearer: Principal) -> None:
    """Refuse a JWT from now on."""
    seconds = min(bearer.expires_at - clock.unix(), _LONGEST_TOKEN.total_seconds())
    forget_at = clock.now() + timedelta(seconds=seconds)
    subject = f"jwt:{bearer.fingerprint}"
    await RevocationsTable(session).revoke(bearer.organization_id, subject, None, 0, forget_at)


def _hash(one_time_token: str) -> bytes:
    """Of 256 random bits: what cannot be guessed needs no slow one."""
    return hashlib.sha256(one_time_token.encode("utf-8", "surrogatepass")).digest()
