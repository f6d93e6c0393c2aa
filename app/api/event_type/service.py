"""The rules of event types."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from app import clock, ids
from app.api.event_type.models import (
    Duration,
    EventTypeIn,
    EventTypeOut,
    EventTypePatch,
    EventTypeUpdate,
    RetryScheduleInOut,
)
from app.api.paging import ListOut, Paging, list_out
from app.db.base import Window
from app.db.event_type.model import EventTypeRow
from app.db.event_type.table import EventTypesTable
from app.db.organization.table import OrganizationsTable
from app.errors import BadRequest, Conflict, NotFound, existing
from app.tokens import Principal

# In one answer.
_MOST_AT_ONCE: Final = 5000
_MOST_BYTES_AT_ONCE: Final = 4 * 2**20
_FIELDS: Final = ("description", "archived", "deprecated", "schemas", "feature_flags", "group_name")
# Set before a name in iterators. Names do not hold it, but may begin with the `-` of an iterator that walks back.
_MARK: Final = "~"


@dataclass(frozen=True, slots=True)
class Asked:
    """Which event types are listed, and what of them. An empty `search` is all."""

    search: str
    include_archived: bool
    with_content: bool


class EventTypeService:
    """Keeps the event types of organizations."""

    def __init__(self, session: AsyncSession) -> None:
        self._event_types = EventTypesTable(session)
        self._organizations = OrganizationsTable(session)

    async def page(self, caller: Principal, paging: Paging, asked: Asked) -> ListOut[EventTypeOut]:
        """The organization's event types, always by name, as Svix lists them; for a portal those that it may see."""
        page = await self._event_types.page_visible(
            caller.organization_id,
            _window(paging),
            archived=asked.include_archived,
            feature_flags=_flags_of(caller),
            search=asked.search.strip(),
        )
        return list_out(page.rows, page.done, _iterator, lambda row: _out(row, with_content=asked.with_content))

    async def everything(self, organization_id: str) -> list[EventTypeOut]:
        """All event types by name, archived ones too, with their schemas. BadRequest if they are too many."""
        if await self._event_types.count_bytes(organization_id, _MOST_BYTES_AT_ONCE) > _MOST_BYTES_AT_ONCE:
            raise BadRequest(
                f"The event types are more than {_MOST_BYTES_AT_ONCE >> 20} MiB: list them page by page instead, with"
                " GET /api/v1/event-type?with_content=true&include_archived=true."
            )
        rows = await self._event_types.some(organization_id, _MOST_AT_ONCE + 1)
        if len(rows) > _MOST_AT_ONCE:
            raise BadRequest(f"There are more than {_MOST_AT_ONCE} event types: list them page by page instead.")
        return [_out(row) for row in rows]

    async def put_many(self, organization_id: str, bodies: Sequence[EventTypeIn]) -> None:
        """Replace the event types of these names, or create them. Of several with one name the last one counts."""
        by_name = {body.name: body for body in bodies}
        rows = [{**await self._values(organization_id, name, body)} for name, body in by_name.items()]
        await self._event_types.upsert_many(rows, ("organization_id", "name"))

    async def get(self, caller: Principal, name: str) -> EventTypeOut:
        """The event type of that name, archived or not. NotFound, also for a portal whose flags do not unlock it."""
        return _out(existing(await self._event_types.find_visible(caller.organization_id, name, _flags_of(caller))))

    async def create(self, organization_id: str, body: EventTypeIn) -> EventTypeOut:
        """A new event type, or an archived one brought back. Conflict if there is one that is not archived."""
        row = await self._event_types.create(await self._values(organization_id, body.name, body))
        if row is None:
            raise Conflict("An event_type with this name already exists", code="event_type_exists")
        return _out(row)

    async def put(self, organization_id: str, name: str, body: EventTypeUpdate) -> tuple[EventTypeOut, bool]:
        """Replace the event type of that name, or create it; says whether it was created."""
        row = await self._event_types.find_to_change(organization_id, name)
        if row is None:
            # Or it is made by somebody else at this moment.
            row, created = await self._event_types.put(await self._values(organization_id, name, body))
            return _out(row), created
        for field in _FIELDS:
            setattr(row, field, getattr(body, field))
        row.updated_at = clock.now()
        return _out(row), False

    async def patch(self, organization_id: str, name: str, body: EventTypePatch) -> EventTypeOut:
        """Change those fields of an event type that the body holds."""
        row = await self._find_to_change(organization_id, name)
        changed = body.model_fields_set | ({"feature_flags"} if "feature_flag" in body.model_fields_set else set())
        for field in changed.intersection(_FIELDS):
            setattr(row, field, getattr(body, field))
        row.updated_at = clock.now()
        return _out(row)

    async def delete(self, organization_id: str, name: str, *, expunge: bool) -> None:
        """Archive an event type: who subscribed to it stays so, and nothing new can. With `expunge` it is gone."""
        if expunge:
            if not await self._event_types.expunge(organization_id, name):
                raise NotFound
            return
        row = await self._find_to_change(organization_id, name)
        if not row.archived:
            row.archived = True
            row.updated_at = clock.now()

    async def retry_schedule(self, organization_id: str, name: str) -> RetryScheduleInOut:
        """When messages of that event type are tried again, if it has a schedule of its own."""
        return _schedule_out(existing(await self._event_types.get(organization_id, name)))

    async def set_retry_schedule(self, organization_id: str, name: str, body: RetryScheduleInOut) -> RetryScheduleInOut:
        """From now on failures are retried by that schedule; what waits for its retry already keeps its time."""
        row = await self._find_to_change(organization_id, name)
        waits = body.retry_schedule
        row.retry_schedule = None if waits is None else [wait.seconds for wait in waits]
        row.updated_at = clock.now()
        return _schedule_out(row)

    async def _find_to_change(self, organization_id: str, name: str) -> EventTypeRow:
        row = await self._event_types.find_to_change(organization_id, name)
        if row is None:
            raise NotFound
        return row

    async def _values(self, organization_id: str, name: str, body: EventTypeUpdate) -> dict[str, object]:
        await self._organizations.ensure(organization_id)
        now = clock.now()
        return {
            "id": ids.new_id("evtype"),
            "organization_id": organization_id,
            "name": name,
            "created_at": now,
            "updated_at": now,
            **{field: getattr(body, field) for field in _FIELDS},
        }


def _flags_of(caller: Principal) -> Collection[str] | None:
    """The feature flags that unlock event types for a portal; None for an organization, which sees all."""
    return None if caller.application_id is None else caller.feature_flags


def _schedule_out(row: EventTypeRow) -> RetryScheduleInOut:
    waits = row.retry_schedule
    return RetryScheduleInOut(retry_schedule=None if waits is None else [Duration.of(wait) for wait in waits])


def _iterator(row: EventTypeRow) -> str:
    return f"{_MARK}{row.name}" if row.name.startswith("-") else row.name


def _window(paging: Paging) -> Window:
    window = paging.model_copy(update={"order": None}).window(ascending=True)
    cursor = window.cursor.removeprefix(_MARK) if window.cursor else None
    return Window(window.limit, cursor, window.ascending, window.backwards)


def _out(row: EventTypeRow, *, with_content: bool = True) -> EventTypeOut:
    return EventTypeOut(
        name=row.name,
        description=row.description,
        archived=row.archived,
        deprecated=row.deprecated,
        schemas=row.schemas if with_content else None,
        feature_flags=row.feature_flags,
        feature_flag=row.feature_flags[0] if row.feature_flags else None,
        group_name=row.group_name,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
