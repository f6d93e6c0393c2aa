"""Hop 5, the first half: read what is due in the shards that this process owns, and keep many sends in flight.

A shard is owned while it is drained, so that reading is claiming, and a row stays in the queue until its outcome is
recorded. A sliding window, not batches: whatever ends makes room for what is due next, and an endpoint that answers
slowly fills only its own lane.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Final

from loguru import logger

from app.db.pending_delivery.queue import Claimed, DeliveryQueue, Key, Source
from app.db.session import CONNECTION_ERRORS
from app.db.shard.table import ShardLeases
from app.doorbell import INTERVAL_SECONDS
from worker.receivers import Receiver, Receivers
from worker.sender import Sender

_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Rows become visible in another order than their times: re-read a little before the last one that was seen, and now
# and then everything, for a commit that took long.
_OVERLAP: Final = timedelta(milliseconds=30)
_REWIND_SECONDS: Final = 0.25
# A shard without work is kept for as long as the doorbell may hold back the next ring, and then some.
_LINGER_SECONDS: Final = 3 * INTERVAL_SECONDS
_SHORTEST_PAUSE: Final = 0.002
_LONGEST_PAUSE: Final = 0.02


class _Shard:
    """A shard that this process owns."""

    __slots__ = ("busy_at", "in_flight", "since")

    def __init__(self) -> None:
        self.since = _BEGINNING
        self.in_flight = 0
        self.busy_at = monotonic()


_Due = tuple[Claimed, _Shard]


class Drain:
    """Drains shards for one worker process. Belongs to one event loop."""

    def __init__(
        self, queue: DeliveryQueue, leases: ShardLeases, receivers: Receivers, sender: Sender, most_in_flight: int
    ) -> None:
        self._queue = queue
        self._leases = leases
        self._receivers = receivers
        self._sender = sender
        self._most = most_in_flight
        self._most_per_endpoint = max(1, most_in_flight // 4)
        self._rung: set[int] = set()
        self._bell = asyncio.Event()
        self._room = asyncio.Event()
        self._owned: dict[int, _Shard] = {}
        self._in_flight: dict[Key, Claimed] = {}
        # Ended since the current reading began: its snapshot may still show them as due.
        self._just_ended: set[Key] = set()
        self._lanes: Counter[str] = Counter()
        # Endpoints whose lane was full when the reading passed their rows: shard, and where to go on.
        self._behind: dict[str, tuple[int, datetime]] = {}
        self._rewound_at = 0.0
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()

    def ring(self, shards: Iterable[int]) -> None:
        """Something is due, or soon will be, in these shards."""
        self._rung.update(shards)
        self._bell.set()

    @property
    def owned(self) -> list[int]:
        return list(self._owned)

    def lost(self, shards: Iterable[int]) -> None:
        """The leases of these shards have passed to somebody else: read nothing more from them."""
        for shard in shards:
            self._forget(shard)

    async def run(self) -> None:
        """Drain until `stop()`. Outlives an unreachable database."""
        while not self._stopping:
            if not self._owned:
                await self._bell.wait()
            try:
                started_at = monotonic()
                await self._acquire_rung()
                found = await self._read()
                await self._release_idle()
            except CONNECTION_ERRORS as error:
                logger.warning("draining waits for the database: {}: {}", type(error).__name__, error)
                await asyncio.sleep(0.5)
            else:
                await self._pause(found, monotonic() - started_at)

    async def stop(self, grace_seconds: float) -> None:
        """Read nothing more, wait for what is in flight, and give the shards back."""
        self._stopping = True
        self._bell.set()
        self._room.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_seconds)
        for task in self._tasks:
            task.cancel()
        await self._leases.release(self.owned)

    async def _acquire_rung(self) -> None:
        self._bell.clear()
        rung = self._rung - self._owned.keys()
        for shard in self._rung & self._owned.keys():
            self._owned[shard].busy_at = monotonic()
        self._rung.clear()
        if rung:
            try:
                acquired = await self._leases.acquire(rung)
            except CONNECTION_ERRORS:
                self.ring(rung)
                raise
            for shard in acquired:
                self._owned[shard] = _Shard()

    async def _read(self) -> bool:
        """Start what is due and has room. True if anything was started."""
        if not self._owned or self._stopping:
            return False
        if len(self._in_flight) >= self._most:
            self._room.clear()
            await self._room.wait()
        self._just_ended.clear()
        due = await self._due_of_shards()
        due += await self._due_of_those_behind()
        if not due:
            return False
        try:
            payloads = await self._queue.payloads(list({row.message_id for row, _ in due}))
            receivers = await self._receivers.get({(row.endpoint_id, row.revision) for row, _ in due})
        except BaseException:
            # They were counted as in flight, and are not: let the next reading find them.
            for row, shard in due:
                self._finish(row, shard)
            self._rewound_at = 0.0
            raise
        for row, shard in due:
            sending = self._deliver(row, shard, payloads.get(row.message_id), receivers.get(row.endpoint_id))
            task = asyncio.create_task(sending)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return True

    async def _due_of_shards(self) -> list[_Due]:
        room = self._most - len(self._in_flight)
        rewind = monotonic() - self._rewound_at > _REWIND_SECONDS
        if rewind:
            self._rewound_at = monotonic()
        sources = {
            number: Source(_BEGINNING if rewind else shard.since, room + shard.in_flight)
            for number, shard in self._owned.items()
        }
        rows = await self._queue.due_of_shards(sources, list(self._behind))
        rows.sort(key=lambda row: row.next_attempt_at)
        due: list[_Due] = []
        for row in rows:
            shard = self._owned.get(row.shard)
            if shard is None:
                continue
            if room <= len(due):
                shard.since = min(shard.since, row.next_attempt_at)
            elif self._is_new(row):
                if self._lanes[row.endpoint_id] >= self._most_per_endpoint:
                    self._behind.setdefault(row.endpoint_id, (row.shard, row.next_attempt_at))
                else:
                    self._start(row, shard)
                    due.append((row, shard))
                shard.since = max(shard.since, row.next_attempt_at - _OVERLAP)
        return due

    async def _due_of_those_behind(self) -> list[_Due]:
        """Endpoints that could not take all that was due: read on for those whose lane has emptied."""
        rooms = {
            endpoint_id: self._most_per_endpoint - self._lanes[endpoint_id]
            for endpoint_id in self._behind
            if self._lanes[endpoint_id] <= self._most_per_endpoint // 2
        }
        left = self._most - len(self._in_flight)
        if not rooms or left <= 0:
            return []
        sources = {
            endpoint_id: Source(self._behind[endpoint_id][1], room + self._lanes[endpoint_id])
            for endpoint_id, room in rooms.items()
        }
        rows = await self._queue.due_of_endpoints(sources)
        rows.sort(key=lambda row: row.next_attempt_at)
        counts = Counter(row.endpoint_id for row in rows)
        due: list[_Due] = []
        for row in rows:
            shard = self._owned.get(row.shard)
            if shard is None or len(due) >= left:
                counts[row.endpoint_id] = -1
            elif self._is_new(row):
                self._start(row, shard)
                due.append((row, shard))
        for endpoint_id, source in sources.items():
            if 0 <= counts[endpoint_id] < source.room:
                self._behind.pop(endpoint_id, None)
        return due

    def _is_new(self, row: Claimed) -> bool:
        return row.key not in self._in_flight and row.key not in self._just_ended

    def _start(self, row: Claimed, shard: _Shard) -> None:
        self._in_flight[row.key] = row
        self._lanes[row.endpoint_id] += 1
        shard.in_flight += 1
        shard.busy_at = monotonic()

    def _finish(self, row: Claimed, shard: _Shard) -> None:
        del self._in_flight[row.key]
        self._just_ended.add(row.key)
        self._lanes[row.endpoint_id] -= 1
        if not self._lanes[row.endpoint_id]:
            del self._lanes[row.endpoint_id]
        shard.in_flight -= 1
        shard.busy_at = monotonic()
        if len(self._in_flight) <= self._most * 3 // 4:
            self._room.set()

    async def _deliver(self, row: Claimed, shard: _Shard, payload: bytes | None, receiver: Receiver | None) -> None:
        try:
            await self._sender.deliver(row, payload, receiver)
        except Exception as error:
            logger.opt(exception=error).error("{} to {} could not be handled", row.message_id, row.endpoint_id)
            await asyncio.sleep(1)  # It is still due and would be read again at once.
        finally:
            self._finish(row, shard)

    async def _release_idle(self) -> None:
        """Give back the shards that have had nothing for a while; look once more afterwards, for a ring that missed."""
        now = monotonic()
        waiting = {shard for shard, _ in self._behind.values()}
        idle = [
            number
            for number, shard in self._owned.items()
            if not shard.in_flight and number not in waiting and now - shard.busy_at > _LINGER_SECONDS
        ]
        if idle:
            for number in idle:
                self._forget(number)
            await self._leases.release(idle)
            self.ring(await self._leases.due_without_owner() & set(idle))

    def _forget(self, number: int) -> None:
        self._owned.pop(number, None)
        self._behind = {key: value for key, value in self._behind.items() if value[0] != number}

    async def _pause(self, found: bool, took: float) -> None:
        """Between two readings: short while messages come, longer where reading itself is slow (the cores are busy)."""
        if found or not self._owned:
            await asyncio.sleep(max(_SHORTEST_PAUSE, min(2 * took, _LONGEST_PAUSE)))
            return
        idle_for = monotonic() - max(shard.busy_at for shard in self._owned.values())
        pause = min(max(idle_for / 8, _SHORTEST_PAUSE), _LONGEST_PAUSE)
        try:
            async with asyncio.timeout(pause):
                await self._bell.wait()
        except TimeoutError:
            return
