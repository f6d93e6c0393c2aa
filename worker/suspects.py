"""Finding the one delivery that ends the process which sends it, without keeping books while all is well.

A worker that takes over what another one left without giving it back watches for a minute: it notes what it is about
to send (app/db/pending_delivery/suspects.py). What was noted and did not end was in flight when a process died: at
first it is one of many, which are sent a few at a time, and those that were among the few at the next death are sent
alone. What has been begun three times and did not end is put aside.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from app.db.pending_delivery.queue import Claimed, Key
from app.db.pending_delivery.suspects import SuspectsTable

MOST_BEGUN: Final = 3
# Of those that were in flight at one death only: all but one of them are innocent, and they may be slow.
_AT_ONCE: Final = 32


class Suspects:
    """What one worker process watches."""

    def __init__(self, table: SuspectsTable) -> None:
        self._table = table
        self._places = asyncio.Semaphore(_AT_ONCE)
        # Whoever wants all places takes them before anybody else who does.
        self._turn = asyncio.Lock()
        # Noted before this process noted them, with how often they were begun; and what was noted and has ended since.
        self._known: dict[Key, int] = {}
        self._noted: set[Key] = set()
        self._ended: set[Key] = set()

    async def watch(self, rows: Sequence[Claimed]) -> None:
        """They are about to be sent, from shards whose last owner died."""
        keys = [row.key for row in rows]
        # Those that this process noted itself are known to have ended, or to be under way.
        before = await self._table.note(keys)
        self._known |= {key: begun for key, begun in before.items() if key not in self._noted | self._ended}
        self._noted.update(keys)

    def is_one(self, row: Claimed) -> bool:
        """Whether it was in flight, under watch, when a process died."""
        return bool(self._known) and row.key in self._known

    @asynccontextmanager
    async def in_turn(self, row: Claimed) -> AsyncIterator[int]:
        """Around the sending of a suspect: how often that was begun before. Alone, if it was at more than one death."""
        places = 0
        try:
            async with self._turn:
                for _ in range(_AT_ONCE if self._known.get(row.key, 1) > 1 else 1):
                    await self._places.acquire()
                    places += 1
            yield await self._table.begin(row.key)
        finally:
            for _ in range(places):
                self._places.release()

    def end(self, row: Claimed) -> None:
        """Whatever came of it, this process goes on."""
        if self._noted and row.key in self._noted:
            self._noted.discard(row.key)
            self._known.pop(row.key, None)
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
