"""Group commit: callers that arrive together share one statement, and each waits for its own batch's commit.

While a batch is on its way to the disk the next one gathers, so that a batch is as large as the load makes it, and a
lone caller waits for nobody. Where callers may not wait for ever (`Bounds`), those who would are sent away at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic, TypeVar

from loguru import logger

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

# How often those who wait are looked at while all lanes are busy, and for how long a rate is measured at least.
_TICK: Final = 0.25


class Overloaded(Exception):
    """More callers wait than can be served in time. Nothing was written for this one."""


class Late(Exception):
    """The commit took longer than this caller may wait. Whether it will be written is not known."""


@dataclass(frozen=True, slots=True)
class Bounds(Generic[ItemT]):
    """How long callers wait at most, and how many bytes they may hold meanwhile.

    `line_seconds` until a batch takes an item: as many may wait as were lately committed in that time. `seconds` until
    the caller is answered, whatever the commit does. An item is `weigh` bytes; those who wait may hold `waiting_bytes`,
    and a batch is full at `batch_bytes`.
    """

    line_seconds: float
    seconds: float
    weigh: Callable[[ItemT], int]
    waiting_bytes: int
    batch_bytes: int


_Done = Callable[[ResultT | Exception], None]
# Who is in line: the item, whom to tell, since when, and how many bytes. A tuple, because one is made for each message.
_Waiting = tuple[ItemT, _Done[ResultT], float, int]


class GroupCommit(Generic[ItemT, ResultT]):
    """Gathers items and writes them with `write`, which returns one result for each item, in order.

    An exception from `write` reaches every caller of that batch; one among its results, the caller of that item. At
    most `lanes` batches are under way at once, a batch holds at most `most` items, and at most `waiting` items wait.
    """

    def __init__(
        self,
        write: Callable[[Sequence[ItemT]], Awaitable[Sequence[ResultT | Exception]]],
        *,
        most: int = 500,
        lanes: int = 2,
        waiting: int = 20_000,
        gather: float = 0.0,
        bounds: Bounds[ItemT] | None = None,
    ) -> None:
        """`gather`: seconds that a batch waits for company, where nobody minds that it is committed a little later."""
        self._write = write
        self._most = most
        self._free_lanes = lanes
        self._waiting = waiting
        self._gather = gather
        self._bounds = bounds
        self._weigh = bounds.weigh if bounds else _weightless
        # How many may wait, and how many bytes more.
        self._room = waiting
        self._bytes_left = bounds.waiting_bytes if bounds else 0
        self._line: list[_Waiting[ItemT, ResultT]] = []
        self._scheduled = self._ticking = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._now = self._loop.time
        # Since when without a pause there was somebody in line after each commit, and how many were committed since.
        self._busy_since = self._now()
        self._committed = 0

    @property
    def is_full(self) -> bool:
        """Whether whoever comes now is sent away."""
        return len(self._line) >= self._room or self._bytes_left < 0

    async def put(self, item: ItemT) -> ResultT:
        """Write the item with the next batch; returns once it is committed.

        Raises Overloaded, Late, or what the batch or this item of it raised.
        """
        future: asyncio.Future[ResultT] = self._loop.create_future()
        self.submit(item, partial(_resolve, future))
        return await future

    def submit(self, item: ItemT, done: _Done[ResultT]) -> None:
        """As `put`, for callers without a task: `done` is called, and must not raise, once the item is committed.

        Raises Overloaded; then `done` is not called.
        """
        if len(self._line) >= self._room or self._bytes_left < 0:
            raise Overloaded
        weight = self._weigh(item)
        self._bytes_left -= weight
        self._line.append((item, done, self._now(), weight))
        if not self._scheduled and self._free_lanes:
            self._scheduled = True
            if self._gather:
                self._loop.call_later(self._gather, self._start)
            else:
                # At the end of this turn of the loop, so that everything that arrived in it goes together.
                self._loop.call_soon(self._start)

    def _start(self) -> None:
        self._scheduled = False
        if not self._line or not self._free_lanes:
            return
        batch = self._next_batch()
        self._free_lanes -= 1
        task = self._loop.create_task(self._run(batch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._bounds is not None and not self._free_lanes and not self._ticking:
            self._ticking = True
            self._loop.call_later(_TICK, self._tick)

    def _next_batch(self) -> list[_Waiting[ItemT, ResultT]]:
        batch = self._line[: self._most]
        if self._bounds is not None:
            total = 0
            for place, (_, _, _, weight) in enumerate(batch):
                if total + weight > self._bounds.batch_bytes and place:
                    del batch[place:]
                    break
                total += weight
            self._bytes_left += total
        del self._line[: len(batch)]
        return batch

    async def _run(self, batch: list[_Waiting[ItemT, ResultT]]) -> None:
        limit = None
        if self._bounds is not None:
            limit = self._loop.call_at(batch[0][2] + self._bounds.seconds, self._give_up, batch)
        items = [item for item, _, _, _ in batch]
        try:
            results: Sequence[ResultT | Exception]
            try:
                results = await self._write(items)
                if len(results) != len(items):
                    raise ValueError(f"{len(items)} items were written and {len(results)} results returned")
                self._measure(len(items))
            except Exception as error:
                results = [error] * len(items)
            if batch:
                for (_, done, _, _), result in zip(batch, results, strict=True):
                    _tell(done, result)
        finally:
            if limit is not None:
                limit.cancel()
            self._free_lanes += 1
            self._start()

    def _give_up(self, batch: list[_Waiting[ItemT, ResultT]]) -> None:
        """Answer the callers of a batch that is still being written. Its lane is taken until that has an end."""
        late, batch[:] = list(batch), []
        logger.warning("{} commits are late: their callers are told to come again", len(late))
        for _, done, _, _ in late:
            _tell(done, Late())

    def _measure(self, committed: int) -> None:
        """Let as many wait as are committed in the time that they may wait for."""
        now = self._now()
        self._committed += committed
        if not self._line:
            self._busy_since, self._committed = now, 0
        elif self._bounds is not None and (elapsed := now - self._busy_since) >= _TICK:
            in_time = int(self._committed / elapsed * self._bounds.line_seconds)
            self._room = min(max(in_time, self._most), self._waiting)
            self._busy_since, self._committed = now, 0

    def _tick(self) -> None:
        """Send away those who have waited too long for a batch to take them."""
        assert self._bounds is not None
        self._ticking = bool(self._line) or not self._free_lanes
        if self._ticking:
            self._loop.call_later(_TICK, self._tick)
        latest = self._now() - self._bounds.line_seconds
        late = 0
        for _, _, since, _ in self._line:
            if since > latest:
                break
            late += 1
        if not late:
            return
        expired, self._line = self._line[:late], self._line[late:]
        self._bytes_left += sum(weight for _, _, _, weight in expired)
        # Whatever the rate was, it is not that any more.
        self._room = min(self._most, self._waiting)
        for _, done, _, _ in expired:
            _tell(done, Overloaded())

    async def drain(self) -> None:
        """Wait until everything that was put is written (or failed)."""
        while self._tasks or self._line:
            if self._tasks:
                await asyncio.wait(self._tasks)
            else:
                await asyncio.sleep(0)


def _weightless(_item: object) -> int:
    return 0


def _tell(done: _Done[ResultT], result: ResultT | Exception) -> None:
    try:
        done(result)
    except Exception as error:
        # Our bug, and this caller's alone: the others of the batch must hear of theirs.
        logger.opt(exception=error).error("a caller could not take the result of its commit")


def _resolve(future: asyncio.Future[ResultT], result: ResultT | Exception) -> None:
    if future.done():
        return  # Its caller has left.
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
