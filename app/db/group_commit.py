"""Group commit: callers that arrive together share one statement, and each waits for its own batch's commit.

While a batch is on its way to the disk the next one gathers, so that a batch is as large as the load makes it, and a
lone caller waits for nobody.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

from loguru import logger

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class Overloaded(Exception):
    """More callers wait than the group commit is willing to hold."""


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
    ) -> None:
        """`gather`: seconds that a batch waits for company, where nobody minds that it is committed a little later."""
        self._write = write
        self._most = most
        self._free_lanes = lanes
        self._waiting = waiting
        self._gather = gather
        self._items: list[tuple[ItemT, Callable[[ResultT | Exception], None]]] = []
        self._scheduled = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    async def put(self, item: ItemT) -> ResultT:
        """Write the item with the next batch; returns once it is committed.

        Raises Overloaded, or what the batch or this item of it raised.
        """
        future: asyncio.Future[ResultT] = self._loop.create_future()
        self.submit(item, partial(_resolve, future))
        return await future

    def submit(self, item: ItemT, done: Callable[[ResultT | Exception], None]) -> None:
        """As `put`, for callers without a task: `done` is called, and must not raise, once the item is committed.

        Raises Overloaded; then `done` is not called.
        """
        if len(self._items) >= self._waiting:
            raise Overloaded
        self._items.append((item, done))
        if not self._scheduled and self._free_lanes:
            self._scheduled = True
            if self._gather:
                self._loop.call_later(self._gather, self._start)
            else:
                # At the end of this turn of the loop, so that everything that arrived in it goes together.
                self._loop.call_soon(self._start)

    def _start(self) -> None:
        self._scheduled = False
        if not self._items or not self._free_lanes:
            return
        batch, self._items = self._items[: self._most], self._items[self._most :]
        self._free_lanes -= 1
        task = self._loop.create_task(self._run(batch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, batch: list[tuple[ItemT, Callable[[ResultT | Exception], None]]]) -> None:
        try:
            results: Sequence[ResultT | Exception]
            try:
                results = await self._write([item for item, _ in batch])
                if len(results) != len(batch):
                    raise ValueError(f"{len(batch)} items were written and {len(results)} results returned")
            except Exception as error:
                results = [error] * len(batch)
            for (_, done), result in zip(batch, results, strict=True):
                try:
                    done(result)
                except Exception as error:
                    # Our bug, and this caller's alone: the others of the batch must hear of theirs.
                    logger.opt(exception=error).error("a caller could not take the result of its commit")
        finally:
            self._free_lanes += 1
            self._start()

    async def drain(self) -> None:
        """Wait until everything that was put is written (or failed)."""
        while self._tasks or self._items:
            if self._tasks:
                await asyncio.wait(self._tasks)
            else:
                await asyncio.sleep(0)


def _resolve(future: asyncio.Future[ResultT], result: ResultT | Exception) -> None:
    if future.done():
        return  # Its caller has left.
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
