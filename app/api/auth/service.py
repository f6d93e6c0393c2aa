"""The rules of portal access."""

import base64

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from app import tokens
from app.api.application.models import ApplicationIn
from app.api.application.service import ApplicationService
from app.api.auth.models import AppPortalAccessIn, AppPortalAccessOut
from app.db.application.table import ApplicationsTable
from app.errors import NotFound, ValidationFailed, Violation
from app.settings import Settings

_UID_LOC = ("body", "application", "uid")


class AuthService:
    """Lets an organization give its customers access to their own application."""

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self._rows = ApplicationsTable(session)
        self._applications = ApplicationService(session)
        self._settings = settings

    async def portal_access(
        self, organization_id: str, reference: str, body: AppPortalAccessIn, own_url: str
    ) -> AppPortalAccessOut:
        """A link and a token for the application, which is created if the body says how.

        `own_url` is where this server is reached, for the link if no other portal is set.
        """
        application_id = await self._application_id(organization_id, reference, body.application)
        settings = self._settings
        assert settings.jwt_secret is not None  # create_app() refuses to start without
        token = tokens.issue_portal(
            settings.jwt_secret.get_secret_value(),
            settings.jwt_algorithm,
            organization_id,
            application_id,
            body.feature_flags,
        )
        key = base64.b64encode(orjson.dumps({"appId": application_id, "token": token, "region": "self_hosted"}))
        # The fragment never leaves the browser, so that the token is in nobody's access log.
        base = (settings.app_portal_url or own_url).rstrip("/")
        return AppPortalAccessOut(url=f"{base}/login#key={key.decode()}", token=token)

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
