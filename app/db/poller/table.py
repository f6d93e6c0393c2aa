"""All the SQL about pollers and their readers; what they read is app/db/message/feed.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.db.base import BaseTable
from app.db.poller.model import PollerReaderRow, PollerRow
from app.errors import NotFound

MOST_READERS: Final = 1000
"""Of one poller: whoever polls names them."""

# By the database's clock, as what compares with it.
_LEASE: Final = text("""
UPDATE poller_readers
SET position = :position, committed = :committed, leased = :leased,
    leased_until = clock_timestamp() + :seconds * interval '1 second'
WHERE poller_id = :poller_id AND name = :name AND by_offset
""")
# Not as SQLAlchemy's statement, which would be an entry in the audit log for each page that is read.
_ACKNOWLEDGE: Final = text("""
UPDATE poller_readers SET committed = :committed, leased = :leased
WHERE poller_id = :poller_id AND name = :name AND by_offset
""")
# What refuses the reader of a poller that was deleted after we had found it.
_OF_A_POLLER: Final = "poller_readers_poller_id_fkey"
_IS_LEASED: Final = text("SELECT CAST(:until AS timestamptz) > clock_timestamp()")


class PollersTable(BaseTable[PollerRow]):
    """The pollers of one application."""

    row = PollerRow
    scope = "application_id"
    noun = "poller"
    unique_uid = "pollers_application_uid"

    async def delete(self, poller: PollerRow) -> None:
        """Delete a poller with its readers."""
        await self.session.execute(delete(PollerRow).where(col(PollerRow.id) == poller.id))


@dataclass(frozen=True, slots=True)
class Lease:
    """What a reader was handed: messages with the offsets that follow `committed`, and the position behind them."""

    position: str | None
    committed: int
    message_ids: list[str]


class PollerReadersTable:
    """The readers of one poller, which is the tenant's: whoever has its row may read them."""

    def __init__(self, session: AsyncSession, poller: PollerRow) -> None:
        self._session = session
        self._poller = poller

    async def find_to_change(self, name: str, *, by_offset: bool) -> PollerReaderRow | None:
        """The reader of that name, locked until the transaction ends; None if nobody has polled by that name."""
        statement = select(PollerReaderRow).where(
            col(PollerReaderRow.poller_id) == self._poller.id,
            col(PollerReaderRow.name) == name,
            col(PollerReaderRow.by_offset) == by_offset,
        )
        return (await self._session.execute(statement.with_for_update())).scalar_one_or_none()

    async def count(self) -> int:
        """How many there are."""
        statement = select(func.count()).where(col(PollerReaderRow.poller_id) == self._poller.id)
        return (await self._session.execute(statement)).scalar_one()

    async def begin(self, name: str, position: str | None, *, by_offset: bool) -> None:
        """Make a reader at a position in the feed, unless there is one of that name. Raises what `place` raises."""
        await self._put(self._insert(name, position, by_offset).on_conflict_do_nothing())

    async def place(self, name: str, position: str) -> None:
        """Put a reader by iterators at a position in the feed, a new one too. NotFound if its poller is deleted now."""
        statement = self._insert(name, position, by_offset=False)
        key = ["poller_id", "name", "by_offset"]
        await self._put(statement.on_conflict_do_update(index_elements=key, set_={"position": position}))

    async def _put(self, statement: Insert) -> None:
        try:
            await self._session.execute(statement)
        except IntegrityError as error:
            if _OF_A_POLLER not in str(error.orig):
                raise
            raise NotFound from None

    def _insert(self, name: str, position: str | None, by_offset: bool) -> Insert:
        return insert(PollerReaderRow).values(
            poller_id=self._poller.id,
            name=name,
            by_offset=by_offset,
            application_id=self._poller.application_id,
            position=position,
        )

    async def acknowledge(self, name: str, committed: int, leased: Sequence[str]) -> None:
        """A reader by offset has dealt with what it was handed, but for what is still leased."""
        values = {"poller_id": self._poller.id, "name": name, "committed": committed, "leased": list(leased)}
        await self._session.execute(_ACKNOWLEDGE, values)

    async def lease(self, name: str, lease: Lease, seconds: float) -> None:
        """Keep what a reader by offset was handed, for so many seconds from now."""
        values = {
            "poller_id": self._poller.id,
            "name": name,
            "position": lease.position,
            "committed": lease.committed,
            "leased": lease.message_ids,
            "seconds": seconds,
        }
        await self._session.execute(_LEASE, values)

    async def is_leased(self, reader: PollerReaderRow) -> bool:
        """Whether what it was handed is still somebody's, by the database's clock."""
        leased: bool = (await self._session.execute(_IS_LEASED, {"until": reader.leased_until})).scalar_one()
        return leased
