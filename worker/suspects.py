"""Finding the one delivery that ends the process which sends it, without keeping books while all is well.

A worker that takes over what another one left without giving it back watches for a minute: it notes what it is about to
send (app/db/pending_delivery/suspects.py). What was noted and did not end was in flight when a process died; it is sent
alone from then on. What has been begun three times and did not end is put aside.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from app.db.pending_delivery.queue import Claimed, Key
from app.db.pending_delivery.suspects import SuspectsTable

MOST_BEGUN: Final = 3


class Suspects:
    """What one worker process watches."""

    def __init__(self, table: SuspectsTable) -> None:
        self._table = table
        self._alone = asyncio.Lock()
        # Noted before this process noted them, and what was noted and has ended since.
        self._known: set[Key] = set()
        self._noted: set[Key] = set()
        self._ended: set[Key] = set()

    async def watch(self, rows: Sequence[Claimed]) -> None:
        """They are about to be sent, from shards whose last owner died."""
        keys = [row.key for row in rows]
        # Those that this process noted itself are known to have ended, or to be under way.
        self._known |= await self._table.note(keys) - self._noted - self._ended
        self._noted.update(keys)

    def is_one(self, row: Claimed) -> bool:
        """Whether it was in flight, under watch, when a process died."""
        return bool(self._known) and row.key in self._known

    @asynccontextmanager
    async def alone(self, row: Claimed) -> AsyncIterator[int]:
        """Around the sending of a suspect: how often that was begun before. One at a time."""
        async with self._alone:
            yield await self._table.begin(row.key)

    def end(self, row: Claimed) -> None:
        """Whatever came of it, this process goes on."""
        if self._noted and row.key in self._noted:
            self._noted.discard(row.key)
            self._known.discard(row.key)
            self._ended.add(row.key)

    async def clear(self) -> None:
        """Take what has ended out of the notes."""
        if self._ended:
            ended, self._ended = self._ended, set()
            try:
                await self._table.clear(list(ended))
            except BaseException:
                self._ended |= ended
                raise
