"""What the tables of history share: they are partitioned by id, hence by time, and are listed newest first.

A list is always read within a span of ids, so that Postgres opens only the partitions that hold it, however much
history there is. What no index knows is looked at row by row, and not for ever: a page ends after so many rows, also if
it is not full, and says how far it came.

A list is not a feed: what is committed late may have a lower id than what was listed before (app/db/message/feed.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, ScalarSelect, Select, and_, func, literal, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased, defer
from sqlalchemy.sql.base import ExecutableOption
from sqlmodel import SQLModel

from app.db.base import BaseTable, Page, Window

RowT = TypeVar("RowT", bound=SQLModel)
EXAMINED: Final = 10_000
"""Rows at which one page looks, at most."""


@dataclass(frozen=True, slots=True)
class Span:
    """The ids between `floor` and `ceiling`, both exclusive, and how many of them, in which order, a page holds.

    `upwards` reads from the floor on instead of from the ceiling; `ascending` is the order of the page itself.
    """

    floor: str
    ceiling: str
    limit: int
    upwards: bool = False
    ascending: bool = False

    @property
    def window(self) -> Window:
        """The same page for `BaseTable.page`, which gets the bounds as conditions."""
        return Window(self.limit, None, self.ascending, self.upwards != self.ascending)

    def beyond(self, key: str, limit: int) -> "Span":
        """What is left of the span when everything up to a key was read, and its first so many ids."""
        return replace(self, floor=key, limit=limit) if self.upwards else replace(self, ceiling=key, limit=limit)

    def holds(self, key: ColumnElement[str]) -> ColumnElement[bool]:
        """The condition that a row lies in the span."""
        return (key > self.floor) & (key < self.ceiling)


class Found(NamedTuple):
    """The keys of a page and of one row more, if there is one; how far was looked if that was not to the span's end."""

    keys: list[str]
    reached: str | None


def looking(
    rows: Select[Any],
    key: ColumnElement[str],
    span: Span,
    wanted: Sequence[ColumnElement[bool]],
    *shown: ColumnElement[Any],
    examined: int = EXAMINED,
) -> Select[Any]:
    """Looks at rows within a span of their keys, one after the other, until the page is full or so many are examined.

    `rows` are those of a range of an index, which has them in the order of the key. Gives those that are wanted, of the
    page and one more, as `key`, `is_wanted` and what is to be shown; and with `is_last` the last that was examined, if
    it ends there, wanted or not.
    """
    order = ascending if span.upwards else descending
    seen = (
        rows.with_only_columns(key.label("key"), and_(true(), *wanted).label("is_wanted"), *shown)
        .where(span.holds(key))
        .order_by(order(key))
        .limit(at_most(examined))
        .subquery("seen")
    )
    # As a window over what is read, so that reading ends with the page.
    place = func.row_number().over(order_by=order(seen.c.key))
    numbered = select(seen, place.label("place")).subquery("numbered")
    columns = [column for column in numbered.c if column.name != "place"]
    return (
        select(*columns, (numbered.c.place == examined).label("is_last"))
        .where(or_(numbered.c.is_wanted, numbered.c.place == examined))
        # Not by the place, of which Postgres does not know that it has the same order.
        .order_by(order(numbered.c.key))
        .limit(span.limit + 1)
    )


async def find_keys(
    session: AsyncSession,
    rows: Select[Any],
    key: ColumnElement[str],
    span: Span,
    wanted: Sequence[ColumnElement[bool]],
    examined: int = EXAMINED,
) -> Found:
    """Which of the rows are wanted, as `looking` says it."""
    found = (await session.execute(looking(rows, key, span, wanted, examined=examined))).all()
    keys = [row.key for row in found if row.is_wanted]
    is_cut = bool(found) and found[-1].is_last and len(keys) <= span.limit
    return Found(keys, found[-1].key if is_cut else None)


def at_most(rows: int) -> ScalarSelect[int]:
    """A limit whose number the planner does not see: it would read and sort all of what it thinks is shorter."""
    return select(literal(rows)).scalar_subquery()


def ascending(key: ColumnElement[str]) -> ColumnElement[str]:
    return key.asc()


def descending(key: ColumnElement[str]) -> ColumnElement[str]:
    return key.desc()


class HistoryTable(BaseTable[RowT]):
    """One application's rows of a table of history.

    `content` names the one column that is large and may be expunged. It is read only `with_content`; without, the
    attribute of the rows must not be touched. Nor may, ever, those of the columns that are `unread`.
    """

    scope = "application_id"
    content: ClassVar[str]
    unread: ClassVar[tuple[str, ...]] = ()

    def __init__(self, session: AsyncSession, *, with_content: bool = True) -> None:
        super().__init__(session)
        self._with_content = with_content

    def _live(self, scope_id: str) -> Select[RowT]:
        return super()._live(scope_id).options(*self._leaving_out(self.row))

    def _leaving_out(self, row: Any) -> list[ExecutableOption]:
        """Options of a statement that reads `row`, the table's or an alias of it."""
        names = self.unread if self._with_content else (*self.unread, self.content)
        return [defer(getattr(row, name), raiseload=True) for name in names]

    async def page_in(
        self,
        application_id: str,
        span: Span,
        indexed: Sequence[ColumnElement[bool]],
        wanted: Sequence[ColumnElement[bool]] = (),
        *,
        examined: int = EXAMINED,
    ) -> Page[RowT]:
        """One page of the application's rows within a span of ids.

        An index leads to what is `indexed`; of that each is looked at whether it is `wanted`, so many at most.
        """
        key, is_ours = self._column(self.key), self._column(self.scope) == application_id
        if not wanted:
            return await self.page(application_id, span.window, span.holds(key), *indexed)
        rows = select(key).where(is_ours, *indexed)
        found = looking(rows, key, span, wanted, examined=examined).subquery("found")
        # LIMIT keeps it a look-up by key for each row of the page, which opens one partition.
        of_key = select(self.row).where(key == found.c.key, is_ours).limit(1).lateral("row")
        row: Any = aliased(self.row, of_key)
        order = ascending if span.upwards else descending
        statement = select(row, found).join_from(found, row, found.c.is_wanted, isouter=True)
        statement = statement.order_by(order(found.c.key)).options(*self._leaving_out(row))
        read = (await self.session.execute(statement)).all()
        rows_found = [each[0] for each in read if each.is_wanted]
        is_full = len(rows_found) > span.limit
        reached = read[-1].key if read and read[-1].is_last and not is_full else None
        page = rows_found[: span.limit]
        page = page[::-1] if span.window.backwards else page
        return Page(page, not is_full and reached is None, reached)

    async def _page_of(self, application_id: str, span: Span, found: Found) -> Page[RowT]:
        """The page of rows that were found, with all that they hold."""
        keys, done = found.keys[: span.limit], len(found.keys) <= span.limit and found.reached is None
        if not keys:
            return Page([], done, found.reached)
        key = self._column(self.key)
        page = await self.page(application_id, span.window, span.holds(key), key.in_(keys))
        return Page(page.rows, done, found.reached)

    async def _replace_content(
        self, application_id: str, key: str, content: bytes | None, *where: ColumnElement[bool], **others: object
    ) -> bool:
        """Put something else in the place of a row's content, and of `others`; False if there is no such row."""
        statement = (
            update(self._table)
            .where(self._column(self.scope) == application_id, self._column(self.key) == key, *where)
            .values({self.content: content, **others})
            .returning(self._column(self.key))
        )
        return (await self.session.execute(statement)).first() is not None
