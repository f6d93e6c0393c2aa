"""The rules of environments."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock, ids
from app.api.environment.models import (
    EnvironmentIn,
    EnvironmentModelIn,
    EnvironmentModelOut,
    EnvironmentModelUpdate,
    EnvironmentOut,
)
from app.api.environment_settings.models import SettingsInternalPatch
from app.api.environment_settings.service import EnvironmentSettingsService, stored_settings
from app.api.event_type.service import EventTypeService
from app.api.paging import ListOut, Paging, list_out
from app.db.api_token.table import ApiTokensTable, RevocationsTable
from app.db.background_task.model import TaskKind
from app.db.background_task.table import BackgroundTasksTable
from app.db.organization.environments import EnvironmentsTable
from app.db.organization.model import EnvironmentType, OrganizationRow
from app.db.organization.table import OrganizationsTable
from app.errors import BadRequest, ValidationFailed, Violation, existing

_MANAGER: Final = ids.MANAGEMENT_ORGANIZATION_ID
# No token lives longer (app/claims.py takes whatever the secret signed).
_FOR_EVER: Final = timedelta(days=36_525)


class EnvironmentService:
    """Manages all organizations of an installation."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._environments = EnvironmentsTable(session)

    async def page(self, paging: Paging) -> ListOut[EnvironmentModelOut]:
        """All environments, oldest first unless asked otherwise."""
        page = await self._environments.page(_MANAGER, paging.window(ascending=True, ids_of="org"))
        return list_out(page.rows, page.done, key=lambda row: row.id, item=_out)

    async def get(self, environment_id: str) -> EnvironmentModelOut:
        """One environment. NotFound if there is none, or it was deleted."""
        return _out(existing(await self._environments.get(_MANAGER, environment_id)))

    async def create(self, body: EnvironmentModelIn) -> EnvironmentModelOut:
        """A new environment, which has nothing in it, and no token."""
        now = clock.now()
        row = OrganizationRow(id=ids.new_id("org"), name=body.name, kind=body.type, created_at=now, updated_at=now)
        return _out(await self._environments.insert(row))

    async def rename(self, environment_id: str, body: EnvironmentModelUpdate) -> EnvironmentModelOut:
        """Another name for an environment. NotFound."""
        row = existing(await self._environments.find_to_change(_MANAGER, environment_id))
        row.name, row.updated_at = body.name, clock.now()
        return _out(row)

    async def delete(self, environment_id: str) -> None:
        """End all tokens of an environment now, and delete all its applications in the background. NotFound.

        BadRequest for the one that tokens without a name are for.
        """
        if environment_id == ids.DEFAULT_ORGANIZATION_ID:
            raise BadRequest("The default environment cannot be deleted: delete its applications instead.")
        row = existing(await self._environments.find_to_change(_MANAGER, environment_id))
        row.deleted_at = now = clock.now()
        await ApiTokensTable(self._session).expire_all(row.id)
        await RevocationsTable(self._session).revoke(row.id, row.id, None, 0, now + _FOR_EVER)
        await BackgroundTasksTable(self._session).start(row.id, None, TaskKind.DELETE_ENVIRONMENT, {})


class EnvironmentCopyService:
    """What an organization consists of, to be taken elsewhere, and what was taken from elsewhere."""

    def __init__(self, session: AsyncSession) -> None:
        self._organizations = OrganizationsTable(session)
        self._event_types = EventTypeService(session)
        self._settings = EnvironmentSettingsService(session)

    async def export(self, organization_id: str) -> EnvironmentOut:
        """All event types, archived ones too, and all settings that were set. BadRequest if they are too many."""
        row = await self._organizations.get(organization_id)
        return EnvironmentOut(
            created_at=clock.now(),
            event_types=await self._event_types.everything(organization_id),
            settings={} if row is None else stored_settings(row),
            connectors=[],
        )

    async def take_in(self, organization_id: str, body: EnvironmentIn) -> None:
        """Add and replace what the body holds; all of it, or nothing if any of it is not valid."""
        if body.settings is not None:
            await self._settings.patch(organization_id, _settings(body.settings))
        if body.event_types:
            await self._event_types.put_many(organization_id, body.event_types)


def _settings(given: Mapping[str, object]) -> SettingsInternalPatch:
    try:
        return SettingsInternalPatch.model_validate(given)
    except ValidationError as error:
        raise ValidationFailed(
            *(
                Violation(("body", "settings", *map(str, failure["loc"])), failure["msg"].removeprefix("Value error, "))
                for failure in error.errors(include_url=False, include_input=False)[:100]
            )
        ) from None


def _out(row: OrganizationRow) -> EnvironmentModelOut:
    return EnvironmentModelOut(
        id=row.id,
        name=row.name or row.id,
        type=EnvironmentType(row.kind or EnvironmentType.PRODUCTION),
        created_at=row.created_at,
        updated_at=row.updated_at or row.created_at,
    )
