"""Order holds while workers and the API are killed at any moment, and while shards change hands."""

import asyncio
import random
from collections import Counter
from typing import Final

import asyncpg
import httpx
import orjson
import pytest

from tests.faults.installation import Installation
from tests.faults.run import Run
from tests.receiver import Answer, Arrival

pytestmark = pytest.mark.xdist_group("faults")

_LINES: Final = 16
_MESSAGES: Final = 12
_FAILING: Final = 0.15


class Lines:
    """Publishes for some lines at once, one after the other in each, and keeps what arrives."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._rng = random.Random(20)
        self.arrived: list[tuple[int, int]] = []
        self.failed = 0
        self.acknowledged: Counter[int] = Counter()
        run.receiver.answer = self._answer

    def _answer(self, arrival: Arrival) -> Answer:
        body = orjson.loads(arrival.body)
        came = (body["line"], body["number"])
        fails = came not in self.arrived and self._rng.random() < _FAILING
        self.arrived.append(came)
        self.failed += fails
        return Answer(500 if fails else 204, after=self._rng.uniform(0, 0.03))

    async def begin(self) -> None:
        """Order the endpoint of the run by line."""
        (endpoint,) = (await self._run.client.get(f"/app/{self._run.application}/endpoint")).json()["data"]
        path = f"/app/{self._run.application}/endpoint/{endpoint['id']}"
        (await self._run.client.patch(path, json={"orderedBy": "/line"})).raise_for_status()

    async def publish(self) -> None:
        async with asyncio.timeout(40):
            await asyncio.gather(*map(self._publish_line, range(_LINES)))

    async def _publish_line(self, line: int) -> None:
        while (number := self.acknowledged[line]) < _MESSAGES:
            body = {"eventType": "invoice.paid", "payload": {"line": line, "number": number}}
            try:
                answer = await self._run.client.post(f"/app/{self._run.application}/msg", json=body)
                acknowledged = answer.status_code == 202
            except httpx.TransportError:
                acknowledged = False
            if acknowledged:
                self.acknowledged[line] += 1
            # What was not acknowledged is posted again: it may be there twice, and its number then arrives twice.
            await asyncio.sleep(0.01 if acknowledged else 0.05)

    async def until_arrived(self, count: int) -> None:
        async with asyncio.timeout(40):
            while len(self.arrived) < count:
                await asyncio.sleep(0.005)

    async def settle(self) -> None:
        """Wait until nothing is left to do."""
        connection = await asyncpg.connect(self._run.installation.dsn)
        try:
            async with asyncio.timeout(40):
                while await connection.fetchval("SELECT count(*) FROM pending_deliveries"):
                    await asyncio.sleep(0.05)
        finally:
            await connection.close()

    def check(self) -> None:
        """Everything came, and nothing, also not when it was sent again, after something that was behind it."""
        for line in range(_LINES):
            numbers = [number for one, number in self.arrived if one == line]
            assert numbers == sorted(numbers)
            assert set(numbers) == set(range(_MESSAGES))
        assert self.failed, "nothing failed, so that nothing was put to the test"


async def test_order_holds_while_workers_and_the_api_are_killed(installation: Installation, run: Run) -> None:
    installation.ensure(workers=2)
    lines = Lines(run)
    await lines.begin()
    publishing = asyncio.create_task(lines.publish())
    for count in (30, 80):
        await lines.until_arrived(count)
        for worker in installation.workers:
            worker.kill()
        installation.start_worker()
        if count == 80:
            installation.api.kill()
            installation.start_api()
    await publishing
    await lines.settle()
    lines.check()


async def test_order_holds_when_a_shard_passes_from_one_living_worker_to_another(
    installation: Installation, run: Run
) -> None:
    installation.ensure(workers=2)
    lines = Lines(run)
    await lines.begin()
    publishing = asyncio.create_task(lines.publish())
    for count in (40, 110):
        await lines.until_arrived(count)
        # The owner gives its shards back; who was there before takes them, and has company at once.
        owner = installation.workers[0]
        ending = asyncio.create_task(asyncio.to_thread(owner.end))
        installation.start_worker()
        assert await ending == 0
    await publishing
    await lines.settle()
    lines.check()
