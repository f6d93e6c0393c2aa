"""The worker's event loop: one for each process, in a thread, started and stopped by Celery as a bootstep.

Celery has no asyncio of its own; the loop runs beside its pool, so that deliveries go on while the broker is away.
"""

import asyncio
import os
import resource
import threading
from collections.abc import Coroutine, Iterable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

import backoff
import uvloop
from celery import bootsteps
from celery.platforms import EX_FAILURE
from celery.worker import state
from loguru import logger

from app import garbage
from app.db.endpoint_health.table import EndpointHealthTable
from app.db.partition.table import ensure_partitions
from app.db.pending_delivery.queue import DeliveryQueue
from app.db.preflight import NotMigrated, require_ready
from app.db.session import Database
from app.db.shard.table import ShardLeases
from app.delivery.breaker import BreakerPolicy
from app.delivery.guard import Guard
from app.outbound import outbound_client
from app.payload_store.store import PayloadStore, open_store
from app.sealing import Sealer
from app.settings import Settings, settings
from worker.background import BackgroundWork
from worker.drain import Drain
from worker.lanes import Lanes
from worker.patience import DATABASE_ERRORS
from worker.process import own_name
from worker.receivers import Receivers
from worker.sender import Sender
from worker.stored_payloads import StoredPayloads
from worker.sweep import sweep
from worker.throttles import Throttles
from worker.transformer import prepare

# With what follows it, less than the 24 seconds that `postrider up` leaves a worker, and Kubernetes' 30.
GRACE_SECONDS: Final = 20.0
# A cold shutdown: record what has ended, and let the rest be due again.
COLD_GRACE_SECONDS: Final = 1.0
_CLOSING_SECONDS: Final = 3.0
# A bite of a background task that takes longer is undone.
_BITE_SECONDS: Final = 1.0

ResultT = TypeVar("ResultT")


class Runtime:
    """What delivers in this process."""

    current: ClassVar["Runtime | None"] = None

    def __init__(self, process_settings: Settings) -> None:
        self.settings = process_settings
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._drain: Drain | None = None
        self._background: BackgroundWork | None = None
        self._stopped = False
        self._grace = GRACE_SECONDS
        self.database: Database | None = None
        self.payload_store: PayloadStore | None = None
        self._thread = threading.Thread(target=self._main, name="delivery", daemon=True)

    def start(self) -> None:
        # A connection is a file descriptor, and the usual limit of 1,024 is one for the programs of the eighties.
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        Runtime.current = self
        self._thread.start()

    def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """Let what is in flight end, and record it; returns when that is done or the grace period is over."""
        self._grace = grace_seconds
        self._stopped = True
        if self._loop is not None and self._stop is not None:
            with suppress(RuntimeError):  # The loop has ended by itself.
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(grace_seconds + _CLOSING_SECONDS)

    def ring(self, shards: Iterable[int]) -> None:
        """Something is due in these shards. From any thread; before the loop runs it is nothing, the sweep finds it."""
        if self._loop is not None and self._drain is not None:
            with suppress(RuntimeError):  # The loop has ended, and this process is about to.
                self._loop.call_soon_threadsafe(self._drain.ring, list(shards))

    def ring_for_tasks(self) -> None:
        """There is a background task to do. From any thread; before the loop runs it is nothing, the loop will look."""
        if self._loop is not None and self._background is not None:
            with suppress(RuntimeError):  # The loop has ended, and this process is about to.
                self._loop.call_soon_threadsafe(self._background.ring)

    def run(self, work: Coroutine[Any, Any, ResultT], timeout: float) -> ResultT:
        """Run a coroutine on the loop, from another thread. TimeoutError after so many seconds."""
        if self._loop is None:
            work.close()
            raise RuntimeError("the delivery loop is not running yet; the chore will run at its next time")
        future: Future[ResultT] = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise

    def _main(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve())
        except Exception as error:
            logger.opt(exception=error).critical("the delivery loop ended; ending the worker, so that it is restarted")
        if not self._stopped:
            # As SIGTERM does, but with a code that says that something was wrong.
            state.should_stop = EX_FAILURE

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        if self._stopped:
            return
        stopping = asyncio.create_task(self._stop.wait())
        database = Database(self.settings)
        opening = asyncio.create_task(_open(database, Sealer(self.settings.main_secrets)))
        try:
            await asyncio.wait({opening, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if opening.done() and not self._stopped:
                opening.result()
                self.database = database
                await self._deliver(database, stopping)
        finally:
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
            await database.close()

    async def _deliver(self, database: Database, stopping: asyncio.Task[bool]) -> None:
        with suppress(*DATABASE_ERRORS):  # Then the first delivery has it made.
            await prepare(database.pool)
        guard = Guard(self.settings.allowed_networks)
        self.payload_store = open_store(self.settings)
        most = self.settings.worker_max_tasks
        client = outbound_client(self.settings, guard)
        queue = DeliveryQueue(database.pool)
        leases = ShardLeases(database.pool, own_name())
        sealer = Sealer(self.settings.main_secrets)
        receivers = Receivers(database.pool, sealer, https_only=self.settings.endpoint_https_only)
        sender = Sender(database.pool, queue, client, self.settings)
        disable_after = self.settings.endpoint_failure_disable_after * 3600.0
        lanes = Lanes(
            EndpointHealthTable(database.pool),
            BreakerPolicy(disable_after=disable_after),
            ceiling=max(1, most // 2),
            throttles=Throttles(database.pool),
        )
        stored_payloads = StoredPayloads(self.payload_store)
        self._drain = Drain(queue, leases, receivers, lanes, sender, most, stored_payloads)
        self._background = BackgroundWork(database.pool, stored_payloads, self._drain.ring)
        health_file = os.environ.get("POSTRIDER_HEALTH_FILE")
        draining = asyncio.create_task(self._drain.run())
        sweeping = asyncio.create_task(sweep(self._drain, leases, Path(health_file) if health_file else None))
        working = asyncio.create_task(self._background.run())
        garbage.settle()
        logger.info("delivering")
        ended, _ = await asyncio.wait({draining, sweeping, working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        self._background.stop()
        await self._drain.stop(self._grace)
        await asyncio.wait({working}, timeout=_BITE_SECONDS)
        sweeping.cancel()
        working.cancel()
        await client.close()
        guard.close()
        for task in ended - {stopping}:
            task.result()  # Raises what ended it.


async def _open(database: Database, sealer: Sealer) -> None:
    """Connect, and see to the partitions, however long the database takes to be there and migrated.

    WrongMainSecret if the database's secrets cannot be opened.
    """
    errors = (*DATABASE_ERRORS, NotMigrated)
    waiting = backoff.on_exception(backoff.expo, errors, max_value=5, on_backoff=_log_wait)
    await waiting(database.open)()
    await waiting(require_ready)(database.pool, sealer)
    await waiting(ensure_partitions)(database.pool)


class DeliveryStep(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery is not typed
    """Starts the runtime once the pool is there (with processes: after they were forked), stops it before."""

    requires: ClassVar[set[str]] = {"celery.worker.components:Pool"}

    def __init__(self, worker: object, **kwargs: object) -> None:
        super().__init__(worker, **kwargs)
        self._runtime = Runtime(settings())

    def start(self, worker: object) -> None:
        self._runtime.start()

    def stop(self, worker: object) -> None:
        self._runtime.stop()

    def terminate(self, worker: object) -> None:
        """A cold shutdown (SIGQUIT, or a second Ctrl-C)."""
        self._runtime.stop(COLD_GRACE_SECONDS)


def _log_wait(details: Any) -> None:
    logger.warning("waiting for the database: {}", details["exception"])
