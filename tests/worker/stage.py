"""A drain in the test's own loop, on a database of its own, with the real queue, leases and HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

import httpx
from fastapi import FastAPI

from app import ids
from app.db.endpoint_health.table import EndpointHealthTable
from app.db.pending_delivery.queue import DeliveryQueue
from app.db.session import Database
from app.db.shard.model import SHARDS
from app.db.shard.table import ShardLeases
from app.delivery.breaker import BreakerPolicy
from app.delivery.client import DeliveryClient
from app.delivery.guard import Guard
from app.delivery.resolver import Resolver
from app.payload_store.store import open_store
from app.sealing import Sealer
from app.settings import Settings
from tests import factories
from tests.receiver import Answer, Arrival, Receiver
from worker.drain import Drain
from worker.lanes import Lanes
from worker.receivers import Receivers
from worker.sender import Sender
from worker.stored_payloads import StoredPayloads
from worker.sweep import sweep
from worker.throttles import Throttles

_PUBLISH = """
WITH stored AS (
    INSERT INTO messages (id, application_id, event_type, payload)
    SELECT i.id, $2, 'invoice.paid', '{}' FROM unnest($1::text[]) AS i(id)
)
INSERT INTO pending_deliveries (message_id, endpoint_id, application_id, shard)
SELECT i.id, e.id, $2, e.shard FROM unnest($1::text[]) AS i(id), endpoints e WHERE e.id = $3
"""


@dataclass
class Stage:
    """One application; messages go straight into its endpoints' queues, so that a test says what is due, and when."""

    settings: Settings
    app: FastAPI
    client: httpx.AsyncClient
    database: Database
    application: str = ""

    async def endpoint(self, url: str, **fields: int | str | None) -> str:
        return str((await factories.create_endpoint(self.client, self.application, url, **fields))["id"])

    async def publish(self, endpoint_id: str, count: int = 1) -> list[str]:
        """Have so many messages due for an endpoint, without a ring; their ids."""
        made = [ids.new_id("msg") for _ in range(count)]
        await self.database.pool.execute(_PUBLISH, made, self.application, endpoint_id)
        return made

    async def pending(self) -> int:
        waiting: int = await self.database.pool.fetchval("SELECT count(*) FROM pending_deliveries")
        return waiting

    async def states(self) -> dict[str, tuple[int, int]]:
        """State and number of attempts of each delivery in history, by message."""
        rows = await self.database.pool.fetch("SELECT message_id, state, attempts FROM deliveries")
        return {row["message_id"]: (row["state"], row["attempts"]) for row in rows}

    async def owners(self) -> set[str]:
        rows = await self.database.pool.fetch("SELECT owner FROM shards WHERE owner IS NOT NULL")
        return {row["owner"] for row in rows}

    @asynccontextmanager
    async def draining(
        self,
        *,
        most: int = 40,
        queue: DeliveryQueue | None = None,
        sweeping: bool = True,
        ceiling: int | None = None,
        policy: BreakerPolicy | None = None,
        name: str = "the drain of the test",
        resolver: Resolver | None = None,
    ) -> AsyncIterator[Drain]:
        """A drain, rung for everything, until the end of the block; the sweep may be left to the test."""
        guard = Guard(self.settings.allowed_networks, resolver)
        client = DeliveryClient(guard)
        pool = self.database.pool
        queue = queue or DeliveryQueue(pool)
        leases = ShardLeases(pool, name)
        sender = Sender(pool, queue, client, self.settings)
        lanes = Lanes(
            EndpointHealthTable(pool), policy or BreakerPolicy(), ceiling or max(1, most // 4), Throttles(pool)
        )
        payloads = StoredPayloads(open_store(self.settings))
        sealer = Sealer(self.settings.main_secrets)
        receivers = Receivers(pool, sealer, https_only=self.settings.endpoint_https_only)
        drain = Drain(queue, leases, receivers, lanes, sender, most, payloads)
        tasks = [asyncio.create_task(drain.run())]
        if sweeping:
            tasks.append(asyncio.create_task(sweep(drain, leases, None)))
        drain.ring(range(SHARDS))
        try:
            yield drain
        finally:
            await drain.stop(10)
            for task in tasks[1:]:
                task.cancel()
            await asyncio.gather(tasks[0])
            await client.close()
            guard.close()


@asynccontextmanager
async def staged(settings: Settings, token: str) -> AsyncIterator[Stage]:
    """The API and a database connection, and an application."""
    database = Database(settings)
    await database.open()
    async with factories.running(settings) as app, factories.client_of(app, token) as client:
        stage = Stage(settings, app, client, database)
        stage.application = str((await factories.create_application(client))["id"])
        yield stage
    await database.close()


@dataclass
class Clocked:
    """Answers after so many seconds, and keeps when each request came."""

    seconds: float
    times: list[float] = field(default_factory=list)

    def __call__(self, _arrival: Arrival) -> Answer:
        self.times.append(monotonic())
        return Answer(after=self.seconds)

    def never_more_than(self, most: int) -> bool:
        """Whether each request came when the one `most` places before it had been answered."""
        # A timer of the loop may be early by a little.
        pairs = zip(self.times, self.times[most:], strict=False)
        return all(later - earlier > self.seconds - 0.02 for earlier, later in pairs)


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """TimeoutError if it never holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


async def until_done(stage: Stage, seconds: float = 20.0) -> None:
    """Wait until nothing is pending. TimeoutError if something always is."""
    async with asyncio.timeout(seconds):
        while await stage.pending():
            await asyncio.sleep(0.01)


def sent(receiver: Receiver) -> list[str]:
    """The messages that arrived, in order."""
    return [arrival.headers["webhook-id"] for arrival in receiver.arrivals]
