"""A run: messages that are published while something breaks, and what became of each."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

import asyncpg
import httpx

from tests import factories
from tests.faults.installation import Installation
from tests.receiver import Receiver, receiving

_PUBLISHERS: Final = 16

_UNFINISHED: Final = """
SELECT count(*) FROM messages m LEFT JOIN deliveries d ON d.message_id = m.id
WHERE m.application_id = $1 AND d.state IS DISTINCT FROM 0
"""
_INCONSISTENT: Final = """
SELECT d.message_id, d.attempts, (SELECT count(*) FROM attempts a WHERE a.message_id = d.message_id) AS recorded
FROM deliveries d
WHERE d.application_id = $1
  AND d.attempts <> (SELECT count(*) FROM attempts a WHERE a.message_id = d.message_id AND a.status = 0)
"""


@dataclass
class Run:
    """One application with one endpoint, a receiver that counts, and publishers that remember what was acknowledged."""

    installation: Installation
    receiver: Receiver
    client: httpx.AsyncClient
    application: str = ""
    acknowledged: set[str] = field(default_factory=set)
    # Seconds that each acknowledgement took.
    seconds: list[float] = field(default_factory=list)
    # What was answered, or raised, instead of an acknowledgement.
    refusals: Counter[str] = field(default_factory=Counter)
    _wanted: int = 0

    async def prepare(self) -> None:
        self.application = str((await factories.create_application(self.client))["id"])
        await factories.create_endpoint(self.client, self.application, self.receiver.url)

    async def limit(self, rate: int) -> None:
        """Have the endpoint sent so much a second from now on."""
        (endpoint,) = (await self.client.get(f"/app/{self.application}/endpoint")).json()["data"]
        path = f"/app/{self.application}/endpoint/{endpoint['id']}"
        (await self.client.patch(path, json={"throttleRate": rate})).raise_for_status()

    async def publish(self, count: int) -> None:
        """Publish until so many more were acknowledged. TimeoutError if the API does not come back."""
        self._wanted = len(self.acknowledged) + count
        async with asyncio.timeout(60):
            await asyncio.gather(*(self._publish() for _ in range(_PUBLISHERS)))

    async def _publish(self) -> None:
        while len(self.acknowledged) < self._wanted:
            started_at = perf_counter()
            try:
                answer = await self.client.post(
                    f"/app/{self.application}/msg", json={"eventType": "invoice.paid", "payload": {"id": "in_1"}}
                )
            except httpx.TransportError as error:
                self.refusals[type(error).__name__] += 1
                await asyncio.sleep(0.05)
                continue
            if answer.status_code == 202:
                self.acknowledged.add(answer.json()["id"])
                self.seconds.append(perf_counter() - started_at)
            else:
                self.refusals[str(answer.status_code)] += 1
                await asyncio.sleep(0.05)

    async def until_acknowledged(self, count: int) -> None:
        """The middle of the run: so many were acknowledged in all."""
        async with asyncio.timeout(30):
            while len(self.acknowledged) < count:
                await asyncio.sleep(0.005)

    @property
    def arrived(self) -> Counter[str]:
        """How often each message arrived."""
        return Counter(arrival.headers["webhook-id"] for arrival in self.receiver.arrivals)

    @property
    def duplicates(self) -> int:
        arrived = self.arrived
        return arrived.total() - len(arrived)

    async def settle(self, seconds: float = 30.0) -> None:
        """Wait until nothing is left to do, and check that history says the same as the receiver."""
        connection = await asyncpg.connect(self.installation.dsn)
        try:
            deadline = perf_counter() + seconds
            while left := await connection.fetchval("SELECT count(*) FROM pending_deliveries"):
                assert perf_counter() < deadline, f"{left} are still to do\n{self.installation.last_words()}"
                await asyncio.sleep(0.05)
            assert self.acknowledged - self.arrived.keys() == set(), "lost"
            assert await connection.fetchval(_UNFINISHED, self.application) == 0
            assert await connection.fetch(_INCONSISTENT, self.application) == []
        finally:
            await connection.close()


@asynccontextmanager
async def running(installation: Installation) -> AsyncIterator[Run]:
    """A run against an installation, with its own application and receiver."""
    headers = {"authorization": f"Bearer {installation.token}"}
    limits = httpx.Limits(max_connections=_PUBLISHERS)
    async with (
        receiving() as receiver,
        httpx.AsyncClient(
            base_url=installation.url, headers=headers, limits=limits, timeout=10, trust_env=False
        ) as client,
    ):
        run = Run(installation, receiver, client)
        await run.prepare()
        yield run
