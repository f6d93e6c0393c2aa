"""Hop 5, the first half: read what is due in the shards that this process owns, and keep many sends in flight.

A shard is owned while it is drained, so that reading is claiming, and a row stays in the queue until its outcome is
recorded. A sliding window, not batches: whatever ends makes room for what is due next. What one endpoint may take of it
its lane says; an endpoint whose lane is full is read on for by itself, once there is room, and not with its shard.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from time import monotonic
from typing import Final

from loguru import logger

from app import ids
from app.db.pending_delivery.queue import Claimed, DeliveryQueue, Source
from app.db.shard.table import LEASE_SECONDS, ShardLeases
from app.doorbell import INTERVAL_SECONDS
from worker.holdings import BEGINNING, Holdings
from worker.in_flight import InFlight
from worker.lanes import Lanes
from worker.patience import DATABASE_ERRORS, PAUSE_SECONDS
from worker.receivers import Receiver, Receivers
from worker.sender import Sender

# Rows become visible in another order than their times. So each reading begins a little before the last row that was
# seen, now and then one begins some seconds before it, for a commit that took long, and rarely one begins at the start.
_OVERLAP: Final = timedelta(milliseconds=30)
_GLANCE_BACK: Final = timedelta(seconds=10)
_GLANCE_SECONDS: Final = 0.25
_REWIND_SECONDS: Final = 10.0
_REREAD_SECONDS: Final = 0.25
# A shard without work is kept for as long as the doorbell may hold back the next ring, and then some.
_LINGER_SECONDS: Final = 3 * INTERVAL_SECONDS
_SHORTEST_PAUSE: Final = 0.002
_LONGEST_PAUSE: Final = 0.02


class Drain:
    """Drains shards for one worker process. Belongs to one event loop."""

    def __init__(
        self,
        queue: DeliveryQueue,
        leases: ShardLeases,
        receivers: Receivers,
        lanes: Lanes,
        sender: Sender,
        most_in_flight: int,
    ) -> None:
        self._queue = queue
        self._receivers = receivers
        self._lanes = lanes
        self._sender = sender
        self._holdings = Holdings(leases)
        self._in_flight = InFlight(most_in_flight)
        self._bell = asyncio.Event()
        # Endpoints whose lane was full when the reading passed their rows: their shards, and how far they were read.
        self._behind: dict[str, int] = {}
        self._read_up_to: dict[str, datetime] = {}
        self._glanced_at = 0.0
        self._rewound_at = 0.0
        self._reread_at = 0.0
        self._stopping = False
        self._ended = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def ring(self, shards: Iterable[int]) -> None:
        """Something is due, or soon will be, in these shards."""
        self._holdings.ring(shards)
        if self._holdings.is_rung:
            self._bell.set()

    async def renew(self) -> None:
        """Keep what is owned for another lease, and what was learned of endpoints in the database."""
        await self._lanes.keep(self._behind)
        self._forget(await self._holdings.renew())

    async def run(self) -> None:
        """Drain until `stop()`. Outlives whatever the database answers; anything else is a bug, and ends it."""
        try:
            while not self._stopping:
                if not self._holdings:
                    await self._bell.wait()
                try:
                    started_at = monotonic()
                    self._bell.clear()
                    if not self._stopping:
                        await self._holdings.acquire_rung()
                    found = await self._read()
                    await self._release_idle()
                except DATABASE_ERRORS as error:
                    logger.warning("draining waits for the database: {}: {}", type(error).__name__, error)
                    self._bell.set()
                    await asyncio.sleep(PAUSE_SECONDS)
                else:
                    await self._pause(found, monotonic() - started_at)
        finally:
            self._ended.set()

    async def stop(self, grace_seconds: float) -> None:
        """Read nothing more, wait for what is in flight, and give the shards back. Needs `run()` to have been called.

        What does not end within the grace period stays due: somebody else will send it again.
        """
        self._stopping = True
        self._bell.set()
        self._in_flight.stop_waiting()
        try:
            async with asyncio.timeout(grace_seconds):
                # First, because a reading that is under way may still start something.
                await self._ended.wait()
                while self._tasks:
                    await asyncio.wait(self._tasks)
        except TimeoutError:
            logger.warning("{} deliveries did not end in time and stay due", len(self._tasks))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self._lanes.keep(self._behind)
            await self._holdings.release_all()
        except DATABASE_ERRORS as error:
            logger.warning("shards stay leased for up to {} s: {}: {}", LEASE_SECONDS, type(error).__name__, error)

    async def _read(self) -> bool:
        """Start what is due and has room. True if anything was started."""
        if not self._stopping:
            await self._in_flight.wait_for_room()
        held = self._holdings.held()
        if not held or self._stopping:
            return False
        self._in_flight.begin_reading()
        due: list[Claimed] = []
        try:
            await self._claim_of_shards(held, due)
            await self._claim_of_those_behind(due)
            if not due:
                return False
            payloads = await self._queue.payloads(list({row.message_id for row in due}))
            receivers = await self._receivers.get({(row.endpoint_id, row.revision) for row in due})
        except BaseException:
            # They were counted as in flight, and are not: let the next reading find them.
            self._return(due)
            raise
        # A lease may have run out while the payloads were fetched, if this process was stopped meanwhile.
        kept = [row for row in due if self._holdings.is_held(row.shard) and not self._stopping]
        if len(kept) < len(due):
            started = {row.key for row in kept}
            self._return([row for row in due if row.key not in started])
        for row in kept:
            payload = payloads.get(row.message_id)
            self._in_flight.weigh(row, len(payload or b""))
            task = asyncio.create_task(self._deliver(row, payload, receivers.get(row.endpoint_id)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return True

    async def _claim_of_shards(self, held: Collection[int], due: list[Claimed]) -> None:
        room, now = self._in_flight.room, monotonic()
        rewinds = now - self._rewound_at > _REWIND_SECONDS
        glances = rewinds or now - self._glanced_at > _GLANCE_SECONDS
        if rewinds:
            self._rewound_at = now
        if glances:
            self._glanced_at = now
        sources = {}
        for number in held:
            holding = self._holdings.of(number)
            since = BEGINNING if holding is None or rewinds else holding.since
            if glances and since > BEGINNING + _GLANCE_BACK:
                since -= _GLANCE_BACK
            sources[number] = Source(since, room + self._in_flight.of_shard(number))
        rows = await self._queue.due_of_shards(sources, list(self._behind))
        await self._lanes.open(rows)
        rows.sort(key=lambda row: row.next_attempt_at)
        for row in rows:
            holding = self._holdings.of(row.shard)
            if holding is None:
                continue
            if room <= len(due):
                holding.since = min(holding.since, row.next_attempt_at)
            elif self._in_flight.is_new(row):
                if not self._start(row, due):
                    self._behind[row.endpoint_id] = row.shard
                    self._read_up_to.setdefault(row.endpoint_id, row.next_attempt_at)
                holding.since = max(holding.since, row.next_attempt_at - _OVERLAP)

    async def _claim_of_those_behind(self, due: list[Claimed]) -> None:
        """Endpoints that could not take all that was due: read on for those whose lane has a good deal of room again.

        Now and then from their beginning, for what became visible late or was returned.
        """
        now = monotonic()
        rereads = now - self._reread_at > _REREAD_SECONDS
        sources: dict[str, Source] = {}
        for endpoint_id, shard in self._behind.items():
            lane = self._lanes.of(endpoint_id)
            if (room := lane.room()) > lane.in_flight // 8 and self._holdings.is_held(shard):
                since = BEGINNING if rereads else self._read_up_to[endpoint_id] - _OVERLAP
                sources[endpoint_id] = Source(since, lane.claimed + room)
        if not sources or self._in_flight.room <= 0:
            return
        if rereads:
            self._reread_at = now
        rows = await self._queue.due_of_endpoints(sources)
        await self._lanes.open(rows)
        rows.sort(key=lambda row: row.next_attempt_at)
        left = Counter(row.endpoint_id for row in rows)
        for row in rows:
            if not self._in_flight.is_new(row):
                continue
            endpoint_id = row.endpoint_id
            if self._holdings.of(row.shard) is None or self._in_flight.room <= 0 or not self._start(row, due):
                left[endpoint_id] = sources[endpoint_id].room  # Not all that was read is started.
            else:
                self._read_up_to[endpoint_id] = max(self._read_up_to[endpoint_id], row.next_attempt_at)
        for endpoint_id, source in sources.items():
            if left[endpoint_id] < source.room:
                self._behind.pop(endpoint_id, None)
                self._read_up_to.pop(endpoint_id, None)

    def _start(self, row: Claimed, due: list[Claimed]) -> bool:
        """Count a row as in flight, if its endpoint's lane has room. What is only to be canceled needs none."""
        lane = self._lanes.of(row.endpoint_id)
        lane.heed(row)
        if not row.canceled and lane.room() <= 0:
            return False
        lane.start()
        self._in_flight.start(row)
        self._holdings.touch(row.shard)
        due.append(row)
        return True

    def _return(self, rows: Iterable[Claimed]) -> None:
        """Give claimed rows back to the queue, unsent; the next reading begins before them."""
        for row in rows:
            lane = self._lanes.of(row.endpoint_id)
            lane.answer(None)
            lane.finish()
            self._in_flight.finish(row)
        self._rewound_at = self._reread_at = 0.0

    async def _deliver(self, row: Claimed, payload: bytes | None, receiver: Receiver | None) -> None:
        lane, sending = self._lanes.of(row.endpoint_id), True
        try:
            if row.canceled or payload is None or receiver is None:
                await self._sender.cancel(row)
                return
            attempt_id = ids.new_id("atmpt")
            outcome = await self._sender.send(row, payload, receiver)
            # Its lane has room again, while the outcome waits for its commit.
            change, sending = lane.answer(outcome), False
            if change is not None:
                await self._sender.heed(row.endpoint_id, change)
            await self._sender.record(row, attempt_id, receiver.url, outcome)
        except Exception as error:
            logger.opt(exception=error).error("{} to {} could not be handled", row.message_id, row.endpoint_id)
            await self._sender.postpone(row)
        finally:
            if sending:
                lane.answer(None)
            lane.finish()
            self._in_flight.finish(row)
            self._holdings.touch(row.shard)

    async def _release_idle(self) -> None:
        """Give back the shards that have had nothing for a while."""
        waiting = set(self._behind.values())
        idle = [
            number
            for number in self._holdings.idle_for(_LINGER_SECONDS)
            if not self._in_flight.of_shard(number) and number not in waiting
        ]
        if idle:
            await self._lanes.keep(self._behind)
            self._forget(idle)
            await self._holdings.release(idle)
            if self._holdings.is_rung:
                self._bell.set()

    def _forget(self, shards: Collection[int]) -> None:
        """These are another process's from now on, and what it learns of their endpoints is not known here."""
        if shards:
            for endpoint_id in [key for key, shard in self._behind.items() if shard in shards]:
                del self._behind[endpoint_id], self._read_up_to[endpoint_id]
            self._lanes.forget(shards)

    async def _pause(self, found: bool, took: float) -> None:
        """Between two readings: short while messages come, longer where reading itself is slow (the cores are busy)."""
        if found or not self._holdings:
            await asyncio.sleep(max(_SHORTEST_PAUSE, min(2 * took, _LONGEST_PAUSE)))
            return
        idle_for = monotonic() - self._holdings.last_busy_at()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._bell.wait(), min(max(idle_for / 8, _SHORTEST_PAUSE), _LONGEST_PAUSE))
