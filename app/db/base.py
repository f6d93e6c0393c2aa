"""What every repository shares: one tenant's rows of one table, by key, by page, in and out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, Table, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel, select

from app.errors import Conflict


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a list: `limit` rows beyond `cursor` (exclusive), in key order.

    `ascending` is the order of the list; `backwards` asks for the rows before the cursor instead of after it.
    """

    limit: int = 50
    cursor: str | None = None
    ascending: bool = True
    backwards: bool = False


RowT = TypeVar("RowT", bound=SQLModel)


@dataclass(frozen=True, slots=True)
class Page(Generic[RowT]):
    """Rows in list order; `done` when nothing follows in the direction of reading.

    `reached` is the key at which it was read no further although the page was not full; None: it was.
    """

    rows: Sequence[RowT]
    done: bool
    reached: str | None = None


class BaseTable(Generic[RowT]):
    """Reads and writes one table through a session that somebody else commits.

    Every method takes the tenant first: the value of the `scope` column, to which each statement is limited.
    """

    row: ClassVar[type[SQLModel]]
    scope: ClassVar[str]
    key: ClassVar[str] = "id"
    # What a Conflict calls a row, and the index that refuses a uid which is taken; None where rows have no uid.
    noun: ClassVar[str] = "entity"
    unique_uid: ClassVar[str | None] = None

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    def _column(self, name: str) -> ColumnElement[Any]:
        column: ColumnElement[Any] = self._table.c[name]
        return column

    @property
    def _table(self) -> Table:
        table: Table = self.row.__table__  # type: ignore[attr-defined]  # SQLModel sets it, and does not declare it
        return table

    def _live(self, scope_id: str) -> Select[RowT]:
        """The tenant's rows that are not deleted."""
        statement: Select[RowT] = select(self.row).where(self._column(self.scope) == scope_id)  # type: ignore[assignment]
        if "deleted_at" in self._table.c:
            statement = statement.where(self._column("deleted_at").is_(None))
        return statement

    async def get(self, scope_id: str, key: str) -> RowT | None:
        """The row with that key, or None."""
        found = await self.session.execute(self._live(scope_id).where(self._column(self.key) == key))
        return found.scalar_one_or_none()

    async def find(self, scope_id: str, reference: str) -> RowT | None:
        """The row whose id, or else whose uid, is `reference`; or None. No uid has the form of an id."""
        found = await self.session.execute(self._live(scope_id).where(self._referred_by(reference)))
        return found.scalar_one_or_none()

    async def find_to_change(self, scope_id: str, reference: str) -> RowT | None:
        """What `find` finds, locked until the transaction ends, so that no change is lost."""
        statement = self._live(scope_id).where(self._referred_by(reference)).with_for_update()
        return (await self.session.execute(statement)).scalar_one_or_none()

    def _referred_by(self, reference: str) -> ColumnElement[bool]:
        if "uid" not in self._table.c:
            return self._column(self.key) == reference
        return (self._column("id") == reference) | (self._column("uid") == reference)

    async def page(self, scope_id: str, window: Window, *where: ColumnElement[bool]) -> Page[RowT]:
        """One page of the tenant's rows by keyset: the cost does not depend on how far into the list it is."""
        key = self._column(self.key)
        upwards = window.ascending != window.backwards
        statement = self._live(scope_id).where(*where)
        if window.cursor is not None:
            statement = statement.where(key > window.cursor if upwards else key < window.cursor)
        statement = statement.order_by(key.asc() if upwards else key.desc()).limit(window.limit + 1)
        rows = list((await self.session.execute(statement)).scalars())
        done = len(rows) <= window.limit
        rows = rows[: window.limit]
        return Page(rows[::-1] if window.backwards else rows, done)

    async def insert(self, row: RowT) -> RowT:
        """Insert one row now, so that a conflict shows here. Raises sqlalchemy.exc.IntegrityError."""
        self.session.add(row)
        await self.session.flush()
        return row

    async def save(self, row: RowT) -> None:
        """Write a new or changed row now. Conflict, with nothing of it written, if its uid is taken."""
        try:
            async with self.session.begin_nested():
                await self.insert(row)
        except IntegrityError as error:
            if self.unique_uid is None or self.unique_uid not in str(error.orig):
                raise
            article = "An" if self.noun[0] in "aeiou" else "A"
            raise Conflict(f"{article} {self.noun} with that id or uid already exists") from None

    async def upsert_many(self, rows: Sequence[Mapping[str, object]], conflict: Sequence[str]) -> int:
        """Insert rows, replacing those that agree in the `conflict` columns; returns how many were written."""
        if not rows:
            return 0
        statement = insert(self._table).values([dict(row) for row in rows])
        written = [name for name in rows[0] if name not in {*conflict, "id", "created_at"}]
        statement = statement.on_conflict_do_update(
            index_elements=list(conflict), set_={name: statement.excluded[name] for name in written}
        )
        result = await self.session.execute(statement.returning(self._column(self.key)))
        return len(result.all())

    async def soft_delete(self, scope_id: str, key: str, at: datetime) -> bool:
        """Mark a row as deleted; False if there is no such row."""
        result = await self.session.execute(
            update(self._table)
            .where(
                self._column(self.scope) == scope_id,
                self._column(self.key) == key,
                self._column("deleted_at").is_(None),
            )
            .values(deleted_at=at)
            .returning(self._column(self.key))
        )
        return result.first() is not None
