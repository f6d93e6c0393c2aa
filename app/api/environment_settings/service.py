"""The rules of environment settings: what was set is kept, and all else has its default."""

from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.api.environment_settings.models import (
    EnvironmentSettingsOut,
    SettingsInternalIn,
    SettingsInternalOut,
    SettingsInternalPatch,
)
from app.db.organization.model import OrganizationRow
from app.db.organization.table import OrganizationsTable

_RETRY_POLICY = "retry_policy"


class EnvironmentSettingsService:
    """Keeps the settings of organizations."""

    def __init__(self, session: AsyncSession) -> None:
        self._organizations = OrganizationsTable(session)

    async def get(self, organization_id: str) -> SettingsInternalOut:
        """All settings."""
        return _out(await self._organizations.get(organization_id))

    async def put(self, organization_id: str, body: SettingsInternalIn) -> SettingsInternalOut:
        """Set all settings; what the body leaves out has its default again."""
        row = await self._to_change(organization_id)
        row.settings = {}
        row.retry_schedule = None
        return _change(row, body)

    async def patch(self, organization_id: str, body: SettingsInternalPatch) -> SettingsInternalOut:
        """Set what the body holds."""
        return _change(await self._to_change(organization_id), body)

    async def of_portal(self, organization_id: str) -> EnvironmentSettingsOut:
        """What portals may know."""
        found = _out(await self._organizations.get(organization_id))
        known = found.model_dump(include=set(EnvironmentSettingsOut.model_fields))
        return EnvironmentSettingsOut(logo_url=found.custom_logo_url, **known)

    async def _to_change(self, organization_id: str) -> OrganizationRow:
        await self._organizations.ensure(organization_id)
        return await self._organizations.get_to_change(organization_id)


def stored_settings(row: OrganizationRow) -> dict[str, object]:
    """What was set of an organization's settings, by the names of the API."""
    kept = dict(row.settings)
    if row.retry_schedule is not None:
        kept["retryPolicy"] = [int(seconds) for seconds in row.retry_schedule]
    return kept


def _out(row: OrganizationRow | None) -> SettingsInternalOut:
    return SettingsInternalOut.model_validate({} if row is None else stored_settings(row))


def _change(row: OrganizationRow, body: SettingsInternalIn) -> SettingsInternalOut:
    # What the worker looks for has a column of its own.
    if _RETRY_POLICY in body.model_fields_set:
        waits = body.retry_policy
        row.retry_schedule = None if waits is None else [float(seconds) for seconds in waits]
    given = body.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={_RETRY_POLICY})
    row.settings = {**row.settings, **given}
    row.updated_at = clock.now()
    return _out(row)
