"""A run: messages that are published while something breaks, and what became of each."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

import asyncpg
import httpx

from app.db.ledger.report import Wish, draw_up, ledger_connection
from tests import factories
from tests.faults.installation import Installation
from tests.receiver import Receiver, receiving

_PUBLISHERS: Final = 16
_MOST_WAITING: Final = 32
_MESSAGE: Final = {"eventType": "invoice.paid", "payload": {"id": "in_1"}}

_LEFT: Final = "SELECT count(*) FROM pending_deliveries WHERE application_id = $1"
_UNFINISHED: Final = """
SELECT count(*) FROM messages m LEFT JOIN deliveries d ON d.message_id = m.id
WHERE m.application_id = $1 AND d.state IS DISTINCT FROM 0
"""
# What was delivered has one attempt that succeeded, and says how many there were.
_INCONSISTENT: Final = """
WITH made AS (
    SELECT message_id, endpoint_id, count(*) AS made, count(*) FILTER (WHERE status = 0) AS succeeded
    FROM attempts WHERE application_id = $1 GROUP BY message_id, endpoint_id
)
SELECT d.message_id, d.attempts, a.made, a.succeeded
FROM deliveries d LEFT JOIN made a ON a.message_id = d.message_id AND a.endpoint_id = d.endpoint_id
WHERE d.application_id = $1 AND (a.made IS DISTINCT FROM d.attempts OR a.succeeded IS DISTINCT FROM 1)
"""


@dataclass
class Run:
    """One application with its endpoints, a receiver that counts, and publishers that remember what was accepted."""

    installation: Installation
    receiver: Receiver
    client: httpx.AsyncClient
    endpoints: int = 1
    application: str = ""
    acknowledged: set[str] = field(default_factory=set)
    # Seconds that each acknowledgement took.
    seconds: list[float] = field(default_factory=list)
    # What was answered, or raised, instead of an acknowledgement.
    refusals: Counter[str] = field(default_factory=Counter)
    # Seconds that each answer took that was a refusal, and how many of them did not say when to come again.
    refusal_seconds: list[float] = field(default_factory=list)
    without_retry_after: int = 0
    _wanted: int = 0
    # Numbers of the idempotency keys that were used; the next is how many there were.
    keys: Iterator[int] = field(default_factory=itertools.count)

    async def prepare(self) -> None:
        self.application = str((await factories.create_application(self.client))["id"])
        for number in range(self.endpoints):
            await factories.create_endpoint(self.client, self.application, f"{self.receiver.url}/{number}")

    async def limit(self, rate: int) -> None:
        """Have the endpoint sent so much a second from now on."""
        (endpoint,) = (await self.client.get(f"/app/{self.application}/endpoint")).json()["data"]
        path = f"/app/{self.application}/endpoint/{endpoint['id']}"
        (await self.client.patch(path, json={"throttleRate": rate})).raise_for_status()

    async def publish(self, count: int, seconds: float = 60.0) -> None:
        """Publish until so many more were acknowledged. TimeoutError if the API does not come back in time."""
        self._wanted = len(self.acknowledged) + count
        async with asyncio.timeout(seconds):
            await asyncio.gather(*(self._publish() for _ in range(_PUBLISHERS)))

    async def publish_steadily(self, rate: float, until: asyncio.Event) -> None:
        """Publish so many a second, each again with the same idempotency key until it is acknowledged.

        Fewer while many wait for that: this is not to find out what a flood does.
        """
        waiting = asyncio.Semaphore(_MOST_WAITING)

        async def publish_one(key: str) -> None:
            async with asyncio.timeout(300):
                while not await self.try_to_publish(key):
                    await asyncio.sleep(0.2)
            waiting.release()

        async with asyncio.TaskGroup() as group:
            while not until.is_set():
                await waiting.acquire()
                group.create_task(publish_one(f"{self.application} {next(self.keys)}"))
                await asyncio.sleep(1 / rate)

    async def _publish(self) -> None:
        while len(self.acknowledged) < self._wanted:
            if not await self.try_to_publish():
                await asyncio.sleep(0.05)

    async def try_to_publish(self, key: str | None = None) -> bool:
        """One request; whether it was acknowledged."""
        started_at = perf_counter()
        headers = {} if key is None else {"idempotency-key": key}
        try:
            answer = await self.client.post(f"/app/{self.application}/msg", json=_MESSAGE, headers=headers)
        except httpx.TransportError as error:
            self.refusals[type(error).__name__] += 1
            return False
        seconds = perf_counter() - started_at
        if answer.status_code == 202:
            self.acknowledged.add(answer.json()["id"])
            self.seconds.append(seconds)
            return True
        self.refusals[str(answer.status_code)] += 1
        self.refusal_seconds.append(seconds)
        self.without_retry_after += "retry-after" not in answer.headers
        return False

    async def until_acknowledged(self, count: int, seconds: float = 30.0) -> None:
        """The middle of the run: so many were acknowledged in all."""
        async with asyncio.timeout(seconds):
            while len(self.acknowledged) < count:
                await asyncio.sleep(0.005)

    @property
    def arrived(self) -> Counter[str]:
        """How often each message arrived."""
        return Counter(arrival.headers["webhook-id"] for arrival in self.receiver.arrivals)

    @property
    def lost(self) -> set[str]:
        """What was acknowledged and did not arrive at every endpoint."""
        came = Counter(message_id for _, message_id in self._arrivals)
        return {message_id for message_id in self.acknowledged if came[message_id] < self.endpoints}

    @property
    def duplicates(self) -> int:
        """How often something arrived at an endpoint that had arrived there before."""
        arrivals = self._arrivals
        return arrivals.total() - len(arrivals)

    @property
    def _arrivals(self) -> Counter[tuple[str, str]]:
        return Counter((arrival.path, arrival.headers["webhook-id"]) for arrival in self.receiver.arrivals)

    async def settle(self, seconds: float = 30.0) -> None:
        """Wait until nothing is left to do, and check that history says the same as the receiver."""
        connection = await asyncpg.connect(self.installation.dsn)
        try:
            deadline = perf_counter() + seconds
            while left := await connection.fetchval(_LEFT, self.application):
                assert perf_counter() < deadline, f"{left} are still to do\n{self.installation.last_words()}"
                await asyncio.sleep(0.05)
            assert self.lost == set(), "lost"
            assert await connection.fetchval(_UNFINISHED, self.application) == 0
            assert await connection.fetch(_INCONSISTENT, self.application) == []
        finally:
            await connection.close()
        await self.verify()

    async def verify(self) -> None:
        """What `postrider verify` says of the run's application: everything is accounted for."""
        async with ledger_connection(self.installation.dsn) as connection:
            ledger = await draw_up(connection, Wish(applications=[self.application]))
        assert ledger.total.is_even, ledger.findings
        assert ledger.total.messages >= len(self.acknowledged)


@asynccontextmanager
async def running(installation: Installation, endpoints: int = 1) -> AsyncIterator[Run]:
    """A run against an installation, with its own application and receiver."""
    headers = {"authorization": f"Bearer {installation.token}"}
    limits = httpx.Limits(max_connections=None)
    async with (
        receiving() as receiver,
        httpx.AsyncClient(
            base_url=installation.url, headers=headers, limits=limits, timeout=10, trust_env=False, verify=False
        ) as client,
    ):
        run = Run(installation, receiver, client, endpoints)
        await run.prepare()
        yield run
