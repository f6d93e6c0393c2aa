"""Hop 5, the first half: keep many sends in flight of what is due in the shards that this process owns.

A shard is owned while it is drained, so that reading is claiming, and a row stays in the queue until its outcome is
recorded. A sliding window, not batches: whatever ends makes room for what is due next.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Final

from loguru import logger

from app import ids
from app.db.pending_delivery.queue import Claimed, DeliveryQueue, Payload, WithParams, WithReceived
from app.db.shard.table import LEASE_SECONDS, ShardLeases
from app.doorbell import QUIET_SECONDS
from app.payload_store.store import StoreAway
from app.payload_store.stored import StoredPayload
from app.transformation.pool import Busy
from worker.holdings import Holdings
from worker.in_flight import InFlight
from worker.lanes import Lanes
from worker.patience import DATABASE_ERRORS, PAUSE_SECONDS
from worker.reader import MOST_STARTS, Reader
from worker.receivers import Receiver, Receivers
from worker.sender import Sender
from worker.sharing import Sharing
from worker.stored_payloads import StoredPayloads
from worker.substitute import how_of

# A shard without work is kept for as long as the doorbell holds back its next ring, and then some.
_LINGER_SECONDS: Final = 1.5 * QUIET_SECONDS
_SHORTEST_PAUSE: Final = 0.001
_MANY: Final = 8
_LONGEST_PAUSE: Final = 0.02
# Until a payload that could not be read is tried again.
_AWAY_SECONDS: Final = 10.0
# Until a delivery is tried again that found too many before it that wait for their transformation.
_BUSY_SECONDS: Final = 1.0
# Where nothing is rung for: retries, and what a lost ring was for.
_LONGEST_IDLE_PAUSE: Final = 0.25


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
        stored_payloads: StoredPayloads,
    ) -> None:
        self._queue = queue
        self._receivers = receivers
        self._lanes = lanes
        self._sender = sender
        self._stored_payloads = stored_payloads
        self._holdings = Holdings(leases)
        self._in_flight = InFlight(most_in_flight)
        self.sharing = Sharing(leases, self._holdings, self._in_flight, queue, self._let_go, sender)
        self._bell = asyncio.Event()
        # Also set when one of a line has ended: then only that line is read.
        self._wake = asyncio.Event()
        self._reader = Reader(queue, self._holdings, self._in_flight, lanes)
        self._stopping = False
        self._ended = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def ring(self, shards: Iterable[int]) -> None:
        """Something is due, or soon will be, in these shards."""
        self._holdings.ring(shards)
        if self._holdings.is_rung:
            self._bell.set()
            self._wake.set()

    async def renew(self) -> None:
        """Keep what is owned for another lease, and what was learned of endpoints in the database."""
        await self._lanes.keep(self._reader.behind)
        await self._sender.suspects.clear()
        self._forget(await self._holdings.renew())

    async def look_around(self) -> None:
        """Find out what is used that most do without: throttles, retry schedules, the log of attempts.

        What cannot be found out stays as it was. Not part of renewing: a lock on any of these must not cost the leases.
        """
        for look in (self._look_for_throttles, self._queue.look_for_subscribers, self._sender.schedules.look):
            try:
                await look()
            except DATABASE_ERRORS as error:
                logger.warning("what is used is not known anew: {}: {}", type(error).__name__, error)

    async def _look_for_throttles(self) -> None:
        self._queue.throttled = await self._lanes.throttles.exist()

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
                    await self._pause(found, monotonic() - started_at)
                except DATABASE_ERRORS as error:
                    logger.warning("draining waits for the database: {}: {}", type(error).__name__, error)
                    self._bell.set()
                    await asyncio.sleep(PAUSE_SECONDS)
        finally:
            self._ended.set()

    async def stop(self, grace_seconds: float) -> None:
        """Read nothing more, wait for what is in flight, and give the shards back. Needs `run()` to have been called.

        What does not end within the grace period stays due: somebody else will send it again.
        """
        self._stopping = True
        self._bell.set()
        self._in_flight.stop_waiting()
        leaving = asyncio.create_task(self.sharing.leave())
        try:
            async with asyncio.timeout(grace_seconds):
                # First, because a reading that is under way may still start something.
                await self._ended.wait()
                while self._tasks:
                    await asyncio.wait(self._tasks)
                await leaving
        except TimeoutError:
            logger.warning("{} deliveries did not end in time and stay due", len(self._tasks))
        unfinished = self._in_flight.rows()
        for task in (leaving, *self._tasks):
            task.cancel()
        await asyncio.gather(leaving, *self._tasks, return_exceptions=True)
        try:
            await self.sharing.take_back(unfinished)
            await self._lanes.keep(self._reader.behind)
            await self._holdings.release_all()
        except DATABASE_ERRORS as error:
            logger.warning("shards stay leased for up to {} s: {}: {}", LEASE_SECONDS, type(error).__name__, error)

    async def _read(self) -> int:
        """Start what is due and has room; how many that were."""
        if not self._stopping:
            await self._in_flight.wait_for_room()
        held = self._holdings.held()
        if not held or self._stopping:
            return 0
        return await self._begin(partial(self._reader.claim, held))

    async def _begin(self, claim: Callable[[list[Claimed]], Awaitable[None]]) -> int:
        """Start what `claim` counts as in flight; how many that were."""
        due: list[Claimed] = []
        try:
            await claim(due)
            if not due:
                return 0
            payloads: dict[str, Payload] = {row.message_id: row.payload for row in due if row.payload is not None}
            if missing := {row.message_id for row in due} - payloads.keys():
                payloads |= await self._queue.payloads(list(missing))
            receivers = await self._receivers.get({(row.endpoint_id, row.revision) for row in due})
            if watched := [row for row in due if self._holdings.is_watched(row.shard)]:
                await self._sender.suspects.watch(watched)
        except BaseException:
            # They were counted as in flight, and are not: let the next reading find them.
            self._reader.give_back(due)
            raise
        # A lease may have run out while the payloads were fetched, if this process was stopped meanwhile.
        kept = [row for row in due if self._holdings.is_held(row.shard) and not self._stopping]
        if len(kept) < len(due):
            started = {row.key for row in kept}
            self._reader.give_back([row for row in due if row.key not in started])
        for row in kept:
            payload = payloads.get(row.message_id)
            self._in_flight.weigh(row, len(payload) if isinstance(payload, bytes) else payload.size if payload else 0)
            task = asyncio.create_task(self._deliver(row, payload, receivers.get(row.endpoint_id)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return len(kept)

    async def _deliver(self, row: Claimed, payload: Payload, receiver: Receiver | None) -> None:
        lane, sending = self._lanes.of(row.endpoint_id), True
        try:
            if row.canceled or payload is None or receiver is None:
                await self._sender.cancel(row)
                return
            how = None
            if isinstance(payload, WithParams | WithReceived):
                how, payload = how_of(payload), payload.payload
            if isinstance(payload, StoredPayload):
                payload = await self._stored_payloads.get(payload)
            attempt_id = ids.new_id("atmpt")
            if self._sender.suspects.is_one(row):
                made = await self._sender.send_suspect(row, payload, receiver, how)
            else:
                made = await self._sender.send(row, payload, receiver, how)
            if made is None:
                await self._sender.put_aside(row, attempt_id, receiver.url)
                return
            url, outcome = made
            if outcome is None:
                await self._sender.cancel(row)
                return
            # Its lane has room again, while the outcome waits for its commit.
            change, sending = lane.answer(outcome), False
            if change is not None:
                self.ring(await self._sender.heed(row, change, lane.failing_since, outcome))
            if due := await self._sender.record(row, attempt_id, url, outcome):
                self.ring(due)
        except Busy:
            await self._sender.postpone(row, _BUSY_SECONDS)
        except StoreAway:
            # Not the receiver's failure: it is not counted as one.
            await self._sender.postpone(row, _AWAY_SECONDS)
        except Exception as error:
            logger.opt(exception=error).error("{} to {} could not be handled", row.message_id, row.endpoint_id)
            await self._sender.postpone(row)
        finally:
            if sending:
                lane.answer(None)
            lane.finish()
            self._sender.suspects.end(row)
            self._in_flight.finish(row)
            self._holdings.touch(row.shard)
            if row.line is not None or row.endpoint_id in self._reader.behind:
                self._wake.set()

    async def _release_idle(self) -> None:
        """Give back the shards that have had nothing for a while."""
        waiting = {place.shard for place in self._reader.behind.values()}
        idle = [
            number
            for number in self._holdings.idle_for(_LINGER_SECONDS)
            if not self._in_flight.of_shard(number) and number not in waiting
        ]
        if idle:
            await self._let_go(idle)
            await self._holdings.release(idle)
            if self._holdings.is_rung:
                self._bell.set()

    async def _let_go(self, shards: Collection[int]) -> None:
        await self._lanes.keep(self._reader.behind)
        self._forget(shards)

    def _forget(self, shards: Collection[int]) -> None:
        """These are another process's from now on, and what it learns of their endpoints is not known here."""
        if shards:
            self._reader.forget(shards)
            self._lanes.forget(shards)

    async def _pause(self, found: int, took: float) -> None:
        """Between two readings: short while few messages come; where many do, so long that the next are many too."""
        if found or not self._holdings:
            gathers = _MANY <= found < MOST_STARTS
            pause = max(min(2 * took, _LONGEST_PAUSE), _SHORTEST_PAUSE) if gathers else _SHORTEST_PAUSE
        else:
            idle_for = monotonic() - self._holdings.last_busy_at()
            room_in = self._reader.look_again()
            # Within the bell's quiet time what comes is not rung for.
            is_quiet = idle_for < QUIET_SECONDS
            longest = _LONGEST_PAUSE if is_quiet or room_in <= 0 else min(room_in, _LONGEST_IDLE_PAUSE)
            pause = max(min(idle_for / 8, longest), _SHORTEST_PAUSE)
        if (found or not self._holdings) and not self._in_flight.has_lines and not self._in_flight.turns:
            await asyncio.sleep(pause)
            return
        until = monotonic() + pause
        while not self._stopping:
            self._wake.clear()
            if turns := self._in_flight.take_turns():
                await self._begin(partial(self._reader.claim_next, turns))
            left = until - monotonic()
            if left <= 0 or (not found and self._bell.is_set()):
                break
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), left)
                if not found and self._reader.look_again() <= 0:
                    break
