"""What the tables of history share: they are partitioned by id, hence by time, and are listed newest first.

A list is always read within a span of ids, so that Postgres opens only the partitions that hold it, however much
history there is.
"""

from dataclasses import dataclass
from typing import ClassVar, TypeVar

from sqlalchemy import ColumnElement, Select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer
from sqlmodel import SQLModel

from app.db.base import BaseTable, Page, Window

RowT = TypeVar("RowT", bound=SQLModel)


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

    def holds(self, key: ColumnElement[str]) -> ColumnElement[bool]:
        """The condition that a row lies in the span."""
        return (key > self.floor) & (key < self.ceiling)


class HistoryTable(BaseTable[RowT]):
    """One application's rows of a table of history.

    `content` names the one column that is large and may be expunged. It is read only `with_content`; without, the
    attribute of the rows must not be touched.
    """

    scope = "application_id"
    content: ClassVar[str]

    def __init__(self, session: AsyncSession, *, with_content: bool = True) -> None:
        super().__init__(session)
        self._with_content = with_content

    def _live(self, scope_id: str) -> Select[RowT]:
        statement = super()._live(scope_id)
        if self._with_content:
            return statement
        return statement.options(defer(getattr(self.row, self.content), raiseload=True))

    async def page_in(self, application_id: str, span: Span, *where: ColumnElement[bool]) -> Page[RowT]:
        """One page of the application's rows within a span of ids."""
        return await self.page(application_id, span.window, span.holds(self._column(self.key)), *where)

    async def _replace_content(
        self, application_id: str, key: str, content: bytes | None, *where: ColumnElement[bool]
    ) -> bool:
        """Put something else in the place of a row's content; False if there is no such row."""
        statement = (
            update(self._table)
            .where(self._column(self.scope) == application_id, self._column(self.key) == key, *where)
            .values({self.content: content})
            .returning(self._column(self.key))
        )
        return (await self.session.execute(statement)).first() is not None
