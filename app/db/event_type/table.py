"""All the SQL about event types."""

from collections.abc import Collection

from sqlalchemy import select

from app.db.base import BaseTable
from app.db.event_type.model import EventTypeRow


class EventTypesTable(BaseTable[EventTypeRow]):
    """The event types of one organization."""

    row = EventTypeRow
    scope = "organization_id"
    key = "name"

    async def existing_names(self, organization_id: str, names: Collection[str]) -> set[str]:
        """Those of the names that are event types and not archived."""
        name = self._column("name")
        found = await self.session.execute(
            select(name).where(
                self._column("organization_id") == organization_id,
                name.in_(names),
                self._column("archived").is_(False),
            )
        )
        return set(found.scalars())
