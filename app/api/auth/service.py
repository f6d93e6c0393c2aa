"""The rules of portal access."""

import base64
from datetime import timedelta
from typing import Final

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock, scopes, tokens
from app.api.application.models import ApplicationIn
from app.api.application.service import ApplicationService
from app.api.auth.models import ApplicationTokenExpireIn, AppPortalAccessIn, AppPortalAccessOut, AppPortalCapability
from app.db.api_token.table import RevocationsTable
from app.db.application.table import ApplicationsTable
from app.db.audit.trail import note
from app.errors import InsufficientAccess, NotFound, ValidationFailed, Violation, existing
from app.settings import Settings
from app.tokens import FOUR_WEEKS, Principal

_UID_LOC = ("body", "application", "uid")
# No token of a session, which only this server names, lives longer; with a day for clocks.
_LONGEST_SESSION: Final = timedelta(seconds=FOUR_WEEKS + 86400)
# Other tokens may come from a Svix server, or from whoever has the secret.
_LONGEST_TOKEN: Final = timedelta(days=36_525)


class AuthService:
    """Lets an organization give its customers access to their own application."""

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self._session = session
        self._rows = ApplicationsTable(session)
        self._revocations = RevocationsTable(session)
        self._applications = ApplicationService(session)
        self._settings = settings

    async def portal_access(
        self, organization_id: str, reference: str, body: AppPortalAccessIn, own_url: str
    ) -> AppPortalAccessOut:
        """A link and a token for the application, which is created if the body says how.

        `own_url` is where this server is reached, for the link if no other portal is set.
        """
        application_id = await self._application_id(organization_id, reference, body.application)
        settings, seconds = self._settings, body.expiry or FOUR_WEEKS
        capabilities = [AppPortalCapability.VIEW_BASE] if body.read_only else body.capabilities
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
        key = base64.b64encode(orjson.dumps({"appId": application_id, "token": token, "region": "self_hosted"}))
        # The fragment never leaves the browser, so that the token is in nobody's access log.
        base = (settings.app_portal_url or own_url).rstrip("/")
        return AppPortalAccessOut(url=f"{base}/login#key={key.decode()}", token=token)

    async def log_out(self, caller: Principal) -> None:
        """End the caller's own token, which must be a portal's. InsufficientAccess for others."""
        if caller.application_id is None:
            raise InsufficientAccess("Only an application's token can be logged out: expire API tokens by their id.")
        await self.revoke(caller)
        note(self._session, "portal_token", caller.token_id, {"revoked": {"after": True}})

    async def revoke(self, bearer: Principal) -> None:
        """Refuse a JWT from now on."""
        seconds = min(bearer.expires_at - clock.unix(), _LONGEST_TOKEN.total_seconds())
        forget_at = clock.now() + timedelta(seconds=seconds)
        await self._revocations.revoke(bearer.organization_id, f"jwt:{bearer.fingerprint}", None, 0, forget_at)

    async def expire_all(self, organization_id: str, reference: str, body: ApplicationTokenExpireIn) -> None:
        """End all tokens that were issued for an application so far, or those of some of its sessions."""
        application_id = existing(await self._rows.find(organization_id, reference)).id
        now, seconds = clock.now(), body.expiry or 0
        if body.session_ids:
            subjects = [f"{application_id}/{session_id}" for session_id in dict.fromkeys(body.session_ids)]
            forget_at = now + _LONGEST_SESSION
        else:
            subjects, forget_at = [application_id], now + _LONGEST_TOKEN
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
        if new.uid is None:
            raise ValidationFailed(Violation(_UID_LOC, "Application uid must be set", "application_uid_missing"))
        if new.uid != reference:
            text = "Application uid must be the same as the one in the path"
            raise ValidationFailed(Violation(_UID_LOC, text, "application_uid_mismatch"))
        application, _ = await self._applications.create(organization_id, new, get_if_exists=True)
        return application.id
