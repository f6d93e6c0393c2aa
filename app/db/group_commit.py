"""Group commit: callers that arrive together share one statement, and each waits for its own batch's commit.

While a batch is on its way to the disk the next one gathers, so that a batch is as large as the load makes it, and a
lone caller waits for nobody.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

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
        self._items: list[tuple[ItemT, asyncio.Future[ResultT]]] = []
        self._scheduled = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    async def put(self, item: ItemT) -> ResultT:
        """Write the item with the next batch; returns once it is committed.

        Raises Overloaded, or what the batch or this item of it raised.
        """
        if len(self._items) >= self._waiting:
            raise Overloaded
        future: asyncio.Future[ResultT] = self._loop.create_future()
        self._items.append((item, future))
        if not self._scheduled and self._free_lanes:
            self._scheduled = True
            if self._gather:
                self._loop.call_later(self._gather, self._start)
            else:
                # At the end of this turn of the loop, so that everything that arrived in it goes together.
                self._loop.call_soon(self._start)
        return await future

    def _start(self) -> None:
        self._scheduled = False
        if not self._items or not self._free_lanes:
            return
        batch, self._items = self._items[: self._most], self._items[self._most :]
        self._free_lanes -= 1
        task = self._loop.create_task(self._run(batch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, batch: list[tuple[ItemT, asyncio.Future[ResultT]]]) -> None:
        try:
            results = await self._write([item for item, _ in batch])
            for (_, future), result in zip(batch, results, strict=True):
                if future.done():
                    continue  # Its caller has left.
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(result)
        except Exception as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
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
