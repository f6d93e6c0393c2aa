"""The rules of catalogs: what an import changes, and what it leaves alone."""

import asyncio
from collections.abc import Sequence

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock, ids
from app.api.background_task.models import BackgroundTaskStarted
from app.api.catalog.export import newest_version
from app.api.catalog.models import (
    EventTypeFromOpenApi,
    EventTypeImportOpenApiIn,
    EventTypeImportOpenApiOut,
    EventTypeImportOpenApiOutData,
)
from app.api.catalog.openapi import Described, event_types_of
from app.api.catalog.text import read_document
from app.db.background_task.model import TaskKind
from app.db.background_task.table import BackgroundTasksTable
from app.db.event_type.model import EventTypeRow
from app.db.event_type.table import EventTypesTable
from app.db.organization.table import OrganizationsTable
from app.errors import BadRequest, Conflict, ValidationFailed, Violation

_FIRST_VERSION = "1"


class CatalogService:
    """Imports and exports all event types of an organization."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._event_types = EventTypesTable(session)
        self._organizations = OrganizationsTable(session)
        self._tasks = BackgroundTasksTable(session)

    async def import_openapi(self, organization_id: str, body: EventTypeImportOpenApiIn) -> EventTypeImportOpenApiOut:
        """Make event types as a document describes them; what it does not say of one stays as it is.

        BadRequest unless there is one document; ValidationFailed, with all reasons, if it cannot be imported.
        """
        # A large document takes some tenths of a second, in which others are served.
        described = await asyncio.to_thread(_described, body)
        if not body.dry_run:
            await self._organizations.ensure(organization_id)
        rows = await self._event_types.rows_to_change(
            organization_id, [each.name for each in described], and_current=body.replace_all
        )
        changed = _changes(organization_id, described, {row.name: row for row in rows})
        named = {each.name for each in described}
        archived = [row for row in rows if row.name not in named]
        data = EventTypeImportOpenApiOutData(modified=sorted(row.name for row in (*changed, *archived)))
        if body.dry_run:
            data.to_modify = [_after(row) for row in changed]
            self._session.expunge_all()
            return EventTypeImportOpenApiOut(data=data)
        for row in archived:
            row.archived = True
            row.updated_at = clock.now()
        await self._save(changed)
        return EventTypeImportOpenApiOut(data=data)

    async def export_openapi(self, organization_id: str) -> BackgroundTaskStarted:
        """Start the task that puts the document together."""
        await self._organizations.ensure(organization_id)
        return BackgroundTaskStarted.of(await self._tasks.start(organization_id, None, TaskKind.SDK_GENERATE, {}))

    async def _save(self, rows: Sequence[EventTypeRow]) -> None:
        self._session.add_all(rows)
        try:
            await self._session.flush()
        except IntegrityError:
            raise Conflict(
                "Somebody else created one of these event types at the same moment: import again.",
                code="event_type_exists",
            ) from None


def _described(body: EventTypeImportOpenApiIn) -> list[Described]:
    if (body.spec is None) == (body.spec_raw is None):
        raise BadRequest("Send the document either as `spec` or as `specRaw`.")
    if body.spec_raw is None:
        return event_types_of(body.spec, "spec")
    try:
        document = read_document(body.spec_raw)
    except ValueError as error:
        raise ValidationFailed(Violation(("body", "specRaw"), str(error))) from None
    return event_types_of(document, "specRaw")


def _changes(organization_id: str, described: Sequence[Described], rows: dict[str, EventTypeRow]) -> list[EventTypeRow]:
    """The rows that are new or changed by what is described."""
    changed = []
    for each in described:
        row = rows.get(each.name)
        if row is None:
            row = _new_row(organization_id, each.name)
            _describe(row, each)
            changed.append(row)
        elif _describe(row, each):
            row.updated_at = clock.now()
            changed.append(row)
    return changed


def _new_row(organization_id: str, name: str) -> EventTypeRow:
    now = clock.now()
    return EventTypeRow(
        id=ids.new_id("evtype"),
        organization_id=organization_id,
        name=name,
        description="",
        created_at=now,
        updated_at=now,
    )


def _describe(row: EventTypeRow, each: Described) -> bool:
    """Take over what is described; whether anything changed by it."""
    after: dict[str, object] = {"archived": False, "deprecated": each.deprecated}
    if each.description is not None:
        after["description"] = each.description
    if each.schema is not None:
        # Older versions stay.
        before = row.schemas or {}
        after["schemas"] = {**before, newest_version(before) if before else _FIRST_VERSION: each.schema}
    if each.group_name is not None:
        after["group_name"] = each.group_name
    if each.feature_flags is not None:
        after["feature_flags"] = each.feature_flags
    changed = {name: value for name, value in after.items() if getattr(row, name) != value}
    for name, value in changed.items():
        setattr(row, name, value)
    return bool(changed)


def _after(row: EventTypeRow) -> EventTypeFromOpenApi:
    return EventTypeFromOpenApi(
        name=row.name,
        description=row.description,
        schemas=row.schemas,
        deprecated=row.deprecated,
        group_name=row.group_name,
        feature_flags=row.feature_flags,
    )
