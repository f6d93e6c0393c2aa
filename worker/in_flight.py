"""What one worker process is sending at this moment: how much in all, and of each shard."""

import asyncio
from collections import Counter
from collections.abc import Collection
from typing import Final

from app.db.pending_delivery.lines import Line
from app.db.pending_delivery.queue import Claimed, Key

# Payloads in flight are held in memory: so many bytes, and what comes until their size is known.
_MOST_BYTES: Final = 64 * 2**20
_LEARN: Final = 0.05


class InFlight:
    """The claimed deliveries that have not ended. At most `most` of them."""

    def __init__(self, most: int) -> None:
        self.most = most
        # With the bytes of their payloads, once those are in memory.
        self._rows: dict[Key, tuple[Claimed, int]] = {}
        self._bytes = 0
        self._usual_size = 1024.0
        # Ended since the current reading began: its snapshot may still show them as due.
        self._just_ended: set[Key] = set()
        self._of_shard: Counter[int] = Counter()
        # Lines of which one is in flight, and those whose turn it is because it has ended.
        self._lines: set[Line] = set()
        self.turns: set[Line] = set()
        self._room = asyncio.Event()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def room(self) -> int:
        """How many may start, by their number and by the bytes that they will probably have."""
        by_size = int((_MOST_BYTES - self._bytes) / self._usual_size)
        return min(self.most - len(self._rows), by_size if self._rows else max(by_size, 1))

    def of_shard(self, shard: int) -> int:
        """Also what was started before the shard was lost and acquired again."""
        return self._of_shard[shard]

    def rows(self) -> list[Claimed]:
        return [row for row, _ in self._rows.values()]

    def rows_of(self, shards: Collection[int]) -> list[Claimed]:
        """What is in flight of some shards."""
        return [row for row, _ in self._rows.values() if row.shard in shards]

    async def wait_for_room(self) -> None:
        """Returns at once if there is any; else when there is a good deal, or after `stop_waiting()`."""
        if self.room <= 0:
            self._room.clear()
            await self._room.wait()

    def stop_waiting(self) -> None:
        self._room.set()

    def begin_reading(self) -> None:
        """What is read from now on can tell what ended before."""
        self._just_ended.clear()

    def is_new(self, row: Claimed) -> bool:
        """Whether a row that was read is due, as far as this process knows."""
        if row.key in self._rows or row.key in self._just_ended:
            return False
        # Another of its line became visible before it, and is in flight. What is only to be canceled waits for nobody.
        return row.canceled or row.line not in self._lines

    @property
    def has_lines(self) -> bool:
        """Whether anything in flight has others that wait for it."""
        return bool(self._lines)

    def take_turns(self) -> set[Line]:
        """The lines of which something has ended since this was asked last."""
        turns, self.turns = self.turns, set()
        return turns

    def start(self, row: Claimed) -> None:
        self._rows[row.key] = row, 0
        self._of_shard[row.shard] += 1
        if row.line is not None and not row.canceled:
            self._lines.add(row.line)

    def weigh(self, row: Claimed, size: int) -> None:
        """Its payload is in memory now."""
        self._rows[row.key] = row, size
        self._bytes += size
        self._usual_size += (max(size, 1) - self._usual_size) * _LEARN

    def finish(self, row: Claimed) -> None:
        self._bytes -= self._rows.pop(row.key)[1]
        self._just_ended.add(row.key)
        self._of_shard[row.shard] -= 1
        if row.line is not None and not row.canceled:
            self._lines.discard(row.line)
            self.turns.add(row.line)
        if len(self._rows) <= self.most * 3 // 4 and self.room > 0:
            self._room.set()
