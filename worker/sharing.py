"""Sharing shards among the workers that live: who has too many gives some away, who has too few takes what is offered.

A shard is given away when nothing of it is in flight. It is not read any more from then on that it is to go; what is
still in flight a second later is put off in the queue, so that nobody sends it again while this process awaits the
answer, and records it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from time import monotonic
from typing import Final

from loguru import logger

from app.db.pending_delivery.queue import Claimed, DeliveryQueue
from app.db.shard.table import ShardLeases
from worker.holdings import Holdings
from worker.in_flight import InFlight
from worker.patience import DATABASE_ERRORS
from worker.process import is_certainly_dead
from worker.sender import Sender
from worker.share import share_of

_QUIET_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.01
# Longer than the longest attempt, for its record.
_RECORD_SECONDS: Final = 15.0


class Sharing:
    """One worker process among the others. `let_go` stores and forgets what it learned about shards, before they go."""

    def __init__(
        self,
        leases: ShardLeases,
        holdings: Holdings,
        in_flight: InFlight,
        queue: DeliveryQueue,
        let_go: Callable[[Collection[int]], Awaitable[None]],
        sender: Sender,
    ) -> None:
        self._leases = leases
        self._holdings = holdings
        self._in_flight = in_flight
        self._queue = queue
        self._let_go = let_go
        self._sender = sender
        self._giving: asyncio.Task[None] | None = None
        self._is_leaving = False

    async def balance(self) -> int:
        """Say that this process lives, end the leases of dead ones, and begin to give away what is too much.

        How many shards this process may take of what is offered.
        """
        if self._is_leaving:
            return 0
        if self._giving is not None and self._giving.done():
            self._giving.result()  # Raises what is our bug.
        census = await self._leases.beat(len(self._in_flight))
        if dead := [name for name in census.others if is_certainly_dead(name)]:
            logger.warning("taking over from {} that died", ", ".join(name.split(":")[1] for name in dead))
            await self._leases.bury(dead)
        share = share_of(self._leases.owner, census, self._holdings.leaving)
        if share.give and not self._is_giving and not self._is_leaving:
            mine = [number for number in self._holdings.held() if number in census.busy]
            mine.sort(key=self._in_flight.of_shard)
            logger.info("giving {} of {} shards to other workers", share.give, len(mine))
            self._giving = asyncio.create_task(self._give(mine[: share.give], offer=True))
        return share.take

    async def take_offered(self, most: int) -> set[int]:
        """Acquire at most so many shards of what others offer; those that there were."""
        return set() if self._is_leaving or self._is_giving else await self._holdings.take_offered(most)

    async def leave(self) -> None:
        """This process is about to end: give everything back, as soon as it can be."""
        self._is_leaving = True
        try:
            await self._leases.leave()
        except DATABASE_ERRORS as error:
            logger.warning("others learn in a few seconds that this worker ends: {}", error)
        await self._give(self._holdings.owned(), offer=False)
        if self._giving is not None:
            await self._giving

    @property
    def _is_giving(self) -> bool:
        return self._giving is not None and not self._giving.done()

    async def take_back(self, rows: Sequence[Claimed]) -> None:
        """They were in flight and did not end: they are due again, also if they were put off."""
        if rows:
            await self._queue.put_off(rows, 0.0)

    async def _give(self, shards: Collection[int], *, offer: bool) -> None:
        leaving = set(shards)
        self._holdings.stop_reading(leaving)
        put_off_at = monotonic() + _QUIET_SECONDS
        while leaving := leaving & self._holdings.leaving:
            try:
                gone = {number for number in leaving if not self._in_flight.of_shard(number)}
                if monotonic() >= put_off_at:
                    seconds = self._sender.longest_attempt + _RECORD_SECONDS
                    await self._queue.put_off(self._in_flight.rows_of(leaving), seconds)
                    gone = leaving
                if gone:
                    await self._let_go(gone)
                    await self._holdings.give(gone, offer=offer)
            except DATABASE_ERRORS as error:
                logger.warning("giving shards away waits for the database: {}: {}", type(error).__name__, error)
            await asyncio.sleep(_LOOK_SECONDS)
