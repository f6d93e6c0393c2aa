"""Event types that are known because an endpoint waits for them, before an event of them has arrived at a source."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app import ids
from app.db.application.model import ApplicationRow
from app.db.event_type.arrived import MOST
from app.db.event_type.table import EventTypesTable
from app.db.source.table import SourcesTable


class ExpectedType(NamedTuple):
    """An event type that is to be created."""

    name: str
    description: str
    group: str


Expect = Callable[[set[str], Sequence[str]], list[ExpectedType]]
_EXPECT: Final = text(
    f"""
    INSERT INTO event_types (id, organization_id, name, description, group_name, created_at, updated_at)
    SELECT new.id, :organization_id, new.name, new.description, new.group_name, now(), now()
    FROM unnest(CAST(:ids AS text[]), CAST(:names AS text[]), CAST(:descriptions AS text[]), CAST(:groups AS text[]))
        AS new (id, name, description, group_name)
    ORDER BY new.name
    LIMIT {MOST} - (
        SELECT count(*) FROM (SELECT FROM event_types WHERE organization_id = :organization_id LIMIT {MOST}) known
    )
    ON CONFLICT (organization_id, name) DO NOTHING
    """
)


async def unknown_names(session: AsyncSession, app: ApplicationRow, names: Sequence[str], expect: Expect) -> list[str]:
    """Those of the names that are no event types, or archived, after those that `expect` gives were created.

    It is asked about unknown ones only, and told the kinds of the sources that deliver to the application.
    """
    table = EventTypesTable(session)
    known = await table.existing_names(app.organization_id, names)
    unknown = [name for name in names if name not in known]
    if not unknown:
        return []
    kinds = await SourcesTable(session).providers_of_application(app.organization_id, app.id)
    if not (types := expect(kinds, unknown)):
        return unknown
    await _add(session, app.organization_id, types)
    known = await table.existing_names(app.organization_id, unknown)
    return [name for name in unknown if name not in known]


async def _add(session: AsyncSession, organization_id: str, types: Sequence[ExpectedType]) -> None:
    await session.execute(
        _EXPECT,
        {
            "organization_id": organization_id,
            "ids": [ids.new_id("evtype") for _ in types],
            "names": [each.name for each in types],
            "descriptions": [each.description for each in types],
            "groups": [each.group for each in types],
        },
    )
