"""Hop 5, the first half: read what is due in the shards that this process owns, and keep many sends in flight.

A shard is owned while it is drained, so that reading is claiming, and a row stays in the queue until its outcome is
recorded. A sliding window, not batches: whatever ends makes room for what is due next, and an endpoint that answers
slowly fills only its own lane.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Final

from loguru import logger

from app.db.pending_delivery.queue import Claimed, DeliveryQueue, Source
from app.db.shard.table import LEASE_SECONDS, ShardLeases
from app.doorbell import INTERVAL_SECONDS
from worker.in_flight import InFlight
from worker.patience import DATABASE_ERRORS, PAUSE_SECONDS
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
    """A shard that this process owns, by its own clock until `until`: that goes on while the process is stopped."""

    __slots__ = ("busy_at", "since", "until")

    def __init__(self, until: float) -> None:
        self.since = _BEGINNING
        self.until = until
        self.busy_at = monotonic()


class Drain:
    """Drains shards for one worker process. Belongs to one event loop."""

    def __init__(
        self, queue: DeliveryQueue, leases: ShardLeases, receivers: Receivers, sender: Sender, most_in_flight: int
    ) -> None:
        self._queue = queue
        self._leases = leases
        self._receivers = receivers
        self._sender = sender
        self._in_flight = InFlight(most_in_flight)
        self._rung: set[int] = set()
        self._bell = asyncio.Event()
        self._owned: dict[int, _Shard] = {}
        # Endpoints whose lane was full when the reading passed their rows, and their shards.
        self._behind: dict[str, int] = {}
        self._rewound_at = 0.0
        self._stopping = False
        self._ended = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def ring(self, shards: Iterable[int]) -> None:
        """Something is due, or soon will be, in these shards."""
        self._rung.update(shards)
        self._bell.set()

    async def renew(self) -> None:
        """Keep what is owned for another lease. What has passed to somebody else is not read any more."""
        held = dict(self._owned)
        until = monotonic() + LEASE_SECONDS
        kept = await self._leases.renew(held) if held else set()
        for number, shard in held.items():
            if self._owned.get(number) is not shard:
                continue  # It was given back meanwhile, and perhaps acquired anew.
            if number in kept:
                shard.until = until
            else:
                logger.warning("the lease of shard {} has passed to another worker", number)
                self._forget(number)

    async def run(self) -> None:
        """Drain until `stop()`. Outlives whatever the database answers; anything else is a bug, and ends it."""
        try:
            while not self._stopping:
                if not self._owned:
                    await self._bell.wait()
                try:
                    started_at = monotonic()
                    await self._acquire_rung()
                    found = await self._read()
                    await self._release_idle()
                except DATABASE_ERRORS as error:
                    logger.warning("draining waits for the database: {}: {}", type(error).__name__, error)
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
            await self._leases.release(list(self._owned))
        except DATABASE_ERRORS as error:
            logger.warning("shards stay leased for up to {} s: {}: {}", LEASE_SECONDS, type(error).__name__, error)

    async def _acquire_rung(self) -> None:
        self._bell.clear()
        rung = self._rung - self._owned.keys()
        for shard in self._rung & self._owned.keys():
            self._owned[shard].busy_at = monotonic()
        self._rung.clear()
        if rung and not self._stopping:
            until = monotonic() + LEASE_SECONDS
            try:
                acquired = await self._leases.acquire(rung)
            except DATABASE_ERRORS:
                self.ring(rung)
                raise
            for shard in acquired:
                self._owned[shard] = _Shard(until)

    async def _read(self) -> bool:
        """Start what is due and has room. True if anything was started."""
        if not self._stopping:
            await self._in_flight.wait_for_room()
        held = {number for number in self._owned if self._is_held(number)}
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
        kept = [row for row in due if self._is_held(row.shard) and not self._stopping]
        if len(kept) < len(due):
            started = {row.key for row in kept}
            self._return([row for row in due if row.key not in started])
        for row in kept:
            sending = self._deliver(row, payloads.get(row.message_id), receivers.get(row.endpoint_id))
            task = asyncio.create_task(sending)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return True

    async def _claim_of_shards(self, held: Collection[int], due: list[Claimed]) -> None:
        room = self._in_flight.room
        rewind = monotonic() - self._rewound_at > _REWIND_SECONDS
        if rewind:
            self._rewound_at = monotonic()
        sources = {
            number: Source(_BEGINNING if rewind else self._owned[number].since, room + self._in_flight.of_shard(number))
            for number in held
        }
        rows = await self._queue.due_of_shards(sources, list(self._behind))
        rows.sort(key=lambda row: row.next_attempt_at)
        for row in rows:
            shard = self._owned.get(row.shard)
            if shard is None:
                continue
            if room <= len(due):
                shard.since = min(shard.since, row.next_attempt_at)
            elif self._in_flight.is_new(row):
                if self._in_flight.of_endpoint(row.endpoint_id) >= self._in_flight.most_per_endpoint:
                    self._behind[row.endpoint_id] = row.shard
                else:
                    self._start(row, due)
                shard.since = max(shard.since, row.next_attempt_at - _OVERLAP)

    async def _claim_of_those_behind(self, due: list[Claimed]) -> None:
        """Endpoints that could not take all that was due: read on for those whose lane has emptied.

        From their beginning each time: what was passed is older than what became visible or was returned since.
        """
        lane = self._in_flight.most_per_endpoint
        sources = {
            endpoint_id: Source(_BEGINNING, lane)
            for endpoint_id, shard in self._behind.items()
            if self._in_flight.of_endpoint(endpoint_id) <= lane // 2 and self._is_held(shard)
        }
        if not sources or self._in_flight.room <= 0:
            return
        rows = await self._queue.due_of_endpoints(sources)
        rows.sort(key=lambda row: row.next_attempt_at)
        left = Counter(row.endpoint_id for row in rows)
        for row in rows:
            if row.shard not in self._owned or self._in_flight.room <= 0:
                left[row.endpoint_id] = lane  # Not all that was read is started.
            elif self._in_flight.is_new(row):
                self._start(row, due)
        for endpoint_id in sources:
            if left[endpoint_id] < lane:
                self._behind.pop(endpoint_id, None)

    def _is_held(self, number: int) -> bool:
        shard = self._owned.get(number)
        return shard is not None and shard.until > monotonic()

    def _start(self, row: Claimed, due: list[Claimed]) -> None:
        self._in_flight.start(row)
        self._owned[row.shard].busy_at = monotonic()
        due.append(row)

    def _finish(self, row: Claimed) -> None:
        self._in_flight.finish(row)
        if row.shard in self._owned:
            self._owned[row.shard].busy_at = monotonic()

    def _return(self, rows: Iterable[Claimed]) -> None:
        """Give claimed rows back to the queue, unsent; the next reading begins before them."""
        for row in rows:
            self._finish(row)
        self._rewound_at = 0.0

    async def _deliver(self, row: Claimed, payload: bytes | None, receiver: Receiver | None) -> None:
        try:
            await self._sender.deliver(row, payload, receiver)
        except Exception as error:
            logger.opt(exception=error).error("{} to {} could not be handled", row.message_id, row.endpoint_id)
            await self._postpone(row)
        finally:
            self._finish(row)

    async def _postpone(self, row: Claimed) -> None:
        """It may have been sent, and nothing says so: not again at once, and again, and again."""
        try:
            await self._queue.postpone(row)
        except DATABASE_ERRORS as error:
            logger.warning("{} could not be put off: {}: {}", row.message_id, type(error).__name__, error)
            await asyncio.sleep(1)

    async def _release_idle(self) -> None:
        """Give back the shards that have had nothing for a while; look once more afterwards, for a ring that missed."""
        now = monotonic()
        waiting = set(self._behind.values())
        idle = [
            number
            for number, shard in self._owned.items()
            if not self._in_flight.of_shard(number) and number not in waiting and now - shard.busy_at > _LINGER_SECONDS
        ]
        if idle:
            for number in idle:
                self._forget(number)
            try:
                await self._leases.release(idle)
                self.ring(await self._leases.due_without_owner() & set(idle))
            except DATABASE_ERRORS:
                self.ring(idle)  # They may be ours still: acquire them again, and see.
                raise

    def _forget(self, number: int) -> None:
        self._owned.pop(number, None)
        self._behind = {key: value for key, value in self._behind.items() if value != number}

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
