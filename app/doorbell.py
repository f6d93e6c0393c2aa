"""The queue producer: tells the workers that there is something to do. Postgres is the truth; this is only a bell.

A ring may be lost, doubled or late without harm, because workers look for due shards by themselves every second. So
it never blocks and never fails: rings are collected, and a thread of their own sends at most one task in each
interval, with a short timeout, and logs once when the broker goes away.
"""

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

from celery import Celery
from kombu.messaging import Producer
from loguru import logger

INTERVAL_SECONDS = 0.1
# A shard is not rung for again for so long. The drain that a ring starts goes on looking at least half as long again
# (worker/drain.py), so that what comes meanwhile is found without another ring; if the ring was lost, by the sweep.
QUIET_SECONDS = 1.0
# By then a worker that runs has found it by itself.
EXPIRES_SECONDS = 60
# So many tasks that nobody fetched say that nobody listens: more would only fill Redis.
MOST_UNHEARD = 100


class Doorbell:
    """Rings for shards through one Celery application. Belongs to one event loop."""

    def __init__(self, celery: Celery) -> None:
        self._celery = celery
        self._waiting: set[int] = set()
        self._tasks_wait = False
        self._rung_at: dict[int, float] = {}
        self._task: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="doorbell")
        self._reachable = self._heard = True
        self._counted_at = -QUIET_SECONDS
        # Loads what sending needs. At the first ring it would take the interpreter from the event loop for 0.1 s.
        _ = celery.amqp.producer_pool

    def ring(self, shards: Iterable[int]) -> None:
        """Ask the workers to drain these shards; returns at once."""
        now = monotonic()
        for shard in shards:
            if now - self._rung_at.get(shard, -QUIET_SECONDS) >= QUIET_SECONDS:
                self._rung_at[shard] = now
                self._waiting.add(shard)
        self._begin()

    def ring_for_tasks(self) -> None:
        """Ask the workers to look for background tasks; returns at once. They look each second, too."""
        self._tasks_wait = True
        self._begin()

    def _begin(self) -> None:
        if (self._waiting or self._tasks_wait) and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._send())

    async def _send(self) -> None:
        try:
            while self._waiting or self._tasks_wait:
                await self._send_waiting()
                await asyncio.sleep(INTERVAL_SECONDS)
        finally:
            self._task = None

    async def _send_waiting(self) -> None:
        shards, self._waiting = sorted(self._waiting), set()
        rings: list[tuple[str, tuple[list[int], ...]]] = [("postrider.drain", (shards,))] if shards else []
        if self._tasks_wait:
            self._tasks_wait = False
            rings.append(("postrider.run_background_tasks", ()))
        await asyncio.get_running_loop().run_in_executor(self._thread, self._send_each, rings)

    def _send_each(self, rings: list[tuple[str, tuple[list[int], ...]]]) -> None:
        try:
            with self._celery.producer_or_acquire() as producer:
                for name, arguments in rings if self._listens(producer) else ():
                    self._celery.send_task(
                        name,
                        arguments,
                        producer=producer,
                        ignore_result=True,
                        retry=False,
                        expires=EXPIRES_SECONDS,
                    )
        except Exception as error:  # Whatever it is, the message is stored, and that is what counts.
            if self._reachable:
                logger.warning("no task could be sent; workers find what is due by themselves: {!r}", error)
            self._reachable = False
        else:
            self._reachable = True

    def _listens(self, producer: Producer) -> bool:
        """Whether somebody fetches what is sent, as of a moment ago."""
        now = monotonic()
        if now - self._counted_at >= QUIET_SECONDS:
            self._counted_at = now
            queue = self._celery.conf.task_default_queue
            waiting: int = producer.channel.queue_declare(queue).message_count
            if waiting >= MOST_UNHEARD and self._heard:
                logger.warning("{} wake-ups wait in Redis and nobody fetches them: does a worker run?", waiting)
            self._heard = waiting < MOST_UNHEARD
        return self._heard

    async def close(self) -> None:
        """Send what waits, unless the broker was unreachable just now, and end the thread."""
        if self._task is not None:
            self._task.cancel()
        if (self._waiting or self._tasks_wait) and self._reachable:
            await self._send_waiting()
        await asyncio.get_running_loop().run_in_executor(None, self._thread.shutdown)
