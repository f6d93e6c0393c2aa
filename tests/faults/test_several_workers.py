"""Workers that come and go, killed or ended, while an endpoint has a limit and a backlog."""

import asyncio
from time import monotonic

import asyncpg
import pytest

from tests.faults.installation import Installation, Process
from tests.faults.run import Run
from tests.receiver import Answer, Arrival

pytestmark = pytest.mark.xdist_group("faults")

RATE = 40


async def owner_of_all(installation: Installation) -> Process:
    """The worker that drains the one shard with work. TimeoutError if nobody does."""
    connection = await asyncpg.connect(installation.dsn)
    try:
        async with asyncio.timeout(10):
            while True:
                owner = await connection.fetchval("SELECT owner FROM shards WHERE leased_until > now()")
                for worker in installation.workers:
                    if owner and int(owner.split(":")[1]) == worker.popen.pid:
                        return worker
                await asyncio.sleep(0.02)
    finally:
        await connection.close()


@pytest.mark.alone  # It measures times.
async def test_a_rate_limit_holds_with_retries_while_its_workers_are_killed_and_ended(
    installation: Installation, run: Run
) -> None:
    times: list[float] = []

    def answer(_arrival: Arrival) -> Answer:
        times.append(monotonic())
        return Answer(status=500 if len(times) % 5 == 0 else 204)

    async def until_arrived(count: int) -> None:
        async with asyncio.timeout(20):
            while len(times) < count:
                await asyncio.sleep(0.01)

    run.receiver.answer = answer
    await run.limit(RATE)
    installation.ensure(workers=2)
    await run.publish(150)
    await until_arrived(40)
    (await owner_of_all(installation)).kill()
    installation.start_worker()
    await until_arrived(100)
    assert await asyncio.to_thread((await owner_of_all(installation)).end) == 0
    async with asyncio.timeout(20):
        while run.acknowledged - run.arrived.keys() or len(times) < 180:
            await asyncio.sleep(0.02)
    for places in range(1, len(times)):
        # Less 0.02 s that a send may be early, and what two may differ by in their way to the receiver.
        shortest = min(later - earlier for earlier, later in zip(times, times[places:], strict=False))
        assert shortest > places / RATE - 0.12, f"{places + 1} requests in {shortest} s"
