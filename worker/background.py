"""Background tasks are done here: bite by bite, a few at once, each task in its turn.

A handler does one bite in the transaction that also keeps how far the task came, so that it is done once or not at all:
it reads the task's cursor, does some 0.1 seconds of work from there on, and returns the next cursor. Handlers are
registered in HANDLERS; a task of a kind that this release does not know is left to one that does.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final

import asyncpg
from loguru import logger

from app.db.background_task.bites import (
    MOST_FAILURES,
    Progress,
    Task,
    TaskFailed,
    Unhurried,
    WantsForgotten,
    WantsPayloads,
    give_up,
    keep,
    note_failure,
    take,
)
from app.db.background_task.model import TaskKind
from app.payload_store.store import StoreAway
from worker import replays, usage
from worker.broadcast import broadcast_bite
from worker.environments import delete_environment
from worker.patience import DATABASE_ERRORS, PAUSE_SECONDS
from worker.purge import purge_content
from worker.stored_payloads import StoredPayloads

Handler = Callable[[asyncpg.Connection, Task], Awaitable[Progress | WantsPayloads | WantsForgotten]]

# One handler for each kind of task.
HANDLERS: Final[Mapping[TaskKind, Handler]] = {
    TaskKind.RECOVER: replays.recover,
    TaskKind.REPLAY: replays.replay_missing,
    TaskKind.BULK_REPLAY: replays.bulk_replay,
    TaskKind.CANCEL: replays.cancel,
    TaskKind.BROADCAST: broadcast_bite,
    TaskKind.PURGE_CONTENT: purge_content,
    TaskKind.APPLICATION_STATS: usage.aggregate_applications,
    TaskKind.EVENT_TYPE_AGGREGATE: usage.aggregate_event_types,
    TaskKind.SDK_GENERATE: usage.export_event_types,
    TaskKind.DELETE_ENVIRONMENT: delete_environment,
}

# Nobody could start these again, and what they leave undone nobody would see.
_NEVER_GIVEN_UP: Final = frozenset({TaskKind.DELETE_ENVIRONMENT})
# Bites at once in a process: what is delivered meanwhile needs the processor and the connections, too, of which one is
# left to it however few there are.
_AT_ONCE: Final = 2
# How often to look for tasks that nobody rang for, whose wait is over, or whose worker is gone.
_LOOK_SECONDS: Final = 1.0
_MOST_TRIES_WITH_PAYLOADS: Final = 3
_DATABASE_FAULT: Final = "The database refused, was away or took too long, several times: start the task again later."
_OUR_FAULT: Final = "An internal error has occurred, several times: see the worker's log, then start the task again."


class BackgroundWork:
    """Does background tasks in one worker process. Belongs to one event loop."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        stored_payloads: StoredPayloads,
        ring: Callable[[Iterable[int]], None],
        handlers: Mapping[TaskKind, Handler] = HANDLERS,
    ) -> None:
        self._pool = pool
        self._stored_payloads = stored_payloads
        self._ring_shards = ring
        self._handlers = handlers
        self._bell = asyncio.Event()
        self._stopping = False

    def ring(self) -> None:
        """There is a task to do."""
        self._bell.set()

    async def run(self) -> None:
        """Do tasks until `stop()`. Outlives whatever the database answers and whatever is wrong with a task."""
        async with asyncio.TaskGroup() as group:
            for _ in range(max(1, min(_AT_ONCE, self._pool.get_max_size() - 1))):
                group.create_task(self._run())

    def stop(self) -> None:
        """Begin no other bite; `run()` ends once those that are under way have."""
        self._stopping = True
        self._bell.set()

    async def _run(self) -> None:
        while not self._stopping:
            self._bell.clear()
            try:
                found = await self.bite()
            except DATABASE_ERRORS as error:
                logger.warning("background tasks wait for the database: {}: {}", type(error).__name__, error)
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            if not found and not self._stopping:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._bell.wait(), _LOOK_SECONDS)

    async def bite(self) -> bool:
        """Do one bite of the task whose turn it is; False if there is none. Raises what a lost database raises."""
        payloads: dict[str, bytes] = {}
        forgotten: set[str] = set()
        task: Task | None = None
        try:
            for _ in range(_MOST_TRIES_WITH_PAYLOADS):
                async with self._pool.acquire() as pooled, pooled.transaction():
                    connection = Unhurried(pooled)
                    task = await take(connection, self._handlers.keys())
                    if task is None:
                        return False
                    came = await self._handlers[task.kind](
                        connection, replace(task, payloads=payloads, forgotten=forgotten)
                    )
                    if isinstance(came, Progress):
                        due = await keep(connection, task, came)
                        break
                # Outside of the transaction, which may not wait for the store.
                if isinstance(came, WantsForgotten):
                    await self._stored_payloads.forget(came.message_ids)
                    forgotten.update(came.message_ids)
                    continue
                payloads |= {each.message_id: await self._stored_payloads.get(each) for each in came.payloads}
            else:
                return True  # Others were quicker, each time.
        except TaskFailed as failed:
            assert task is not None
            logger.warning("background task {} ({}) failed: {}", task.id, task.kind, failed)
            async with self._pool.acquire() as connection, connection.transaction():
                due = await give_up(connection, task.id, str(failed))
        except StoreAway as away:
            assert task is not None
            due = await self._after_failure(task, f"The payload store cannot be reached: {away}")
        except Exception as error:
            if task is None:
                raise
            is_ours = not isinstance(error, DATABASE_ERRORS)
            logger.opt(exception=error if is_ours else None).log(
                "ERROR" if is_ours else "WARNING", "a bite of {} ({}) failed: {!r}", task.id, task.kind, error
            )
            due = await self._after_failure(task, _OUR_FAULT if is_ours else _DATABASE_FAULT)
        else:
            if came.cursor is None:
                logger.info("background task {} ({}) has finished", task.id, task.kind)
            elif came.wait < _LOOK_SECONDS:
                asyncio.get_running_loop().call_later(came.wait, self._bell.set)
        self._ring_shards(due)
        return True

    async def _after_failure(self, task: Task, reason: str) -> Collection[int]:
        """Have the bite tried again later, or the task ended once that has not helped; where news of that are due."""
        async with self._pool.acquire() as connection, connection.transaction():
            failures = await note_failure(connection, task.id)
            if failures is None or failures < MOST_FAILURES:
                return ()
            goes_on = task.kind in _NEVER_GIVEN_UP
            text = "background task {} ({}) of {} has failed {} times in a row, and {}: {}"
            what = "is tried again" if goes_on else "is given up"
            logger.error(text, task.id, task.kind, task.organization_id, failures, what, reason)
            return () if goes_on else await give_up(connection, task.id, reason)
