"""All the SQL about event types."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from sqlalchemy import Boolean, ColumnElement, Integer, delete, literal_column, or_, select, type_coerce
from sqlalchemy.dialects.postgresql import Insert, insert

from app.db.base import BaseTable, Page, Window
from app.db.event_type.model import EventTypeRow

_BYTES: Final = literal_column(
    "octet_length(name) + octet_length(to_json(description)::text) + coalesce(octet_length(schemas::text), 0)"
    " + coalesce(octet_length(to_json(feature_flags)::text), 0)",
    Integer,
)
_KEPT: Final = frozenset({"id", "organization_id", "name", "created_at"})


class EventTypesTable(BaseTable[EventTypeRow]):
    """The event types of one organization, by name."""

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

    async def rows_to_change(
        self, organization_id: str, names: Collection[str], *, and_current: bool
    ) -> list[EventTypeRow]:
        """The event types of these names, and with `and_current` all that are not archived; locked, by name."""
        name, archived = self._column("name"), self._column("archived")
        wanted = name.in_(names) | archived.is_(False) if and_current else name.in_(names)
        statement = self._live(organization_id).where(wanted).order_by(name).with_for_update()
        return list((await self.session.execute(statement)).scalars())

    async def some(self, organization_id: str, most: int) -> Sequence[EventTypeRow]:
        """The first so many by name, archived ones too."""
        statement = self._live(organization_id).order_by(self._column("name")).limit(most)
        return (await self.session.execute(statement)).scalars().all()

    async def count_bytes(self, organization_id: str, most: int) -> int:
        """How many bytes the event types are as texts, archived ones too; above `most` no more is read."""
        sizes = select(_BYTES).where(self._column("organization_id") == organization_id)
        rows, total = await self.session.stream_scalars(sizes), 0
        try:
            async for size in rows:
                total += size
                if total > most:
                    break
        finally:
            await rows.close()
        return total

    async def page_visible(
        self,
        organization_id: str,
        window: Window,
        *,
        archived: bool,
        feature_flags: Collection[str] | None,
        search: str,
    ) -> Page[EventTypeRow]:
        """One page: with the archived ones if asked, only what these flags unlock unless they are None, and only those
        in whose name, description or group the text stands, in whatever case.
        """
        where: list[ColumnElement[bool]] = [] if archived else [self._column("archived").is_(False)]
        if search:
            texts = (self._column(name) for name in ("name", "description", "group_name"))
            where.append(or_(*(text.icontains(search, autoescape=True) for text in texts)))
        return await self.page(organization_id, window, *where, *self._unlocked(feature_flags))

    async def find_visible(
        self, organization_id: str, name: str, feature_flags: Collection[str] | None
    ) -> EventTypeRow | None:
        """The one of that name, archived or not, if these flags unlock it or are None."""
        mine = self._live(organization_id).where(self._column("name") == name, *self._unlocked(feature_flags))
        return (await self.session.execute(mine)).scalars().one_or_none()

    def _unlocked(self, feature_flags: Collection[str] | None) -> list[ColumnElement[bool]]:
        if feature_flags is None:
            return []
        flags = self._column("feature_flags")
        return [flags.is_(None) | flags.overlap(list(feature_flags))]

    async def create(self, values: Mapping[str, object]) -> EventTypeRow | None:
        """Insert a row, or replace the archived one of that name; None if there is one that is not archived.

        One statement, so that of two that create the same name at once one gets None.
        """
        statement = self._replacing(values, only_archived=True).returning(EventTypeRow)
        return (await self.session.scalars(statement)).one_or_none()

    async def put(self, values: Mapping[str, object]) -> tuple[EventTypeRow, bool]:
        """Insert a row, or replace the one of that name, archived or not; says whether it was inserted."""
        # A row version that an INSERT made has no deleting transaction.
        inserted = type_coerce(literal_column("(xmax = 0)"), Boolean)
        statement = self._replacing(values, only_archived=False).returning(EventTypeRow, inserted)
        row, created = (await self.session.execute(statement)).one()
        return row, created

    async def expunge(self, organization_id: str, name: str) -> bool:
        """Delete the row; False if there is none."""
        condition = (self._column("organization_id") == organization_id) & (self._column("name") == name)
        deleted = await self.session.execute(delete(self._table).where(condition).returning(self._column("name")))
        return deleted.first() is not None

    def _replacing(self, values: Mapping[str, object], *, only_archived: bool) -> Insert:
        statement = insert(EventTypeRow).values(dict(values))
        return statement.on_conflict_do_update(
            index_elements=["organization_id", "name"],
            set_={name: statement.excluded[name] for name in values if name not in _KEPT},
            where=self._column("archived").is_(True) if only_archived else None,
        )
