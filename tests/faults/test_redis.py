"""Redis flushed, suspended, gone, silent, full: it carries wake-ups only, so that nobody notices much."""

import asyncio
import random
from time import perf_counter

import pytest
from redis.asyncio import Redis

from tests import factories
from tests.faults.installation import Installation
from tests.faults.redis_states import STATES, State, full, gone, read_only, silent, suspended, until_heard
from tests.faults.run import Run, running
from tests.reliability import measured

pytestmark = pytest.mark.xdist_group("faults")

# Until wake-ups are heard again, in a test; 10 are promised.
_HEARD_SECONDS = 10
# Messages a second, where publishing is to be no effort.
_RATE = 100


def slowest_but_one_percent(seconds: list[float]) -> float:
    return sorted(seconds)[len(seconds) * 99 // 100 - 1]


@pytest.mark.alone  # Nobody is refused, that is, nobody waits for a second.
async def test_flushing_redis_again_and_again_loses_nothing(installation: Installation, run: Run) -> None:
    publishing = asyncio.create_task(run.publish(600))
    async with Redis.from_url(installation.servers.valkey.dsn) as redis:
        for count in sorted(random.sample(range(50, 550), 3)):
            await run.until_acknowledged(count)
            await redis.flushall()
    await publishing
    await run.settle()
    assert run.refusals == {}
    assert run.duplicates == 0


@pytest.mark.alone  # It bounds a time.
@pytest.mark.parametrize("state", [suspended, gone])
async def test_while_redis_is_away_messages_are_accepted_as_fast_and_delivered(
    installation: Installation, run: Run, state: State
) -> None:
    await run.publish(100)
    async with state(installation):
        for _ in range(3):
            await run.publish(150)
            await asyncio.sleep(0.5)
        await run.settle(10)
    await run.publish(100)
    await run.settle()
    assert run.refusals == {}
    assert run.duplicates == 0
    assert slowest_but_one_percent(run.seconds) < 0.5
    assert installation.api.runs
    assert all(worker.runs for worker in installation.workers)


@pytest.mark.parametrize("state", [pytest.param(full, marks=pytest.mark.chaos), read_only])
async def test_what_a_redis_that_refuses_cannot_carry_is_found_without_it(
    installation: Installation, run: Run, state: State
) -> None:
    (worker,) = installation.workers
    async with state(installation):
        await run.publish(200)
        await run.settle(10)
    await run.publish(50)
    await until_heard(installation, _HEARD_SECONDS)
    await run.settle(10)
    assert run.refusals == {}
    assert run.duplicates == 0
    assert worker.runs


@pytest.mark.chaos
async def test_the_api_and_a_worker_start_while_redis_is_a_black_hole(installation: Installation) -> None:
    installation.stop()
    async with silent(installation):
        await asyncio.to_thread(installation.ensure, 1)
        async with running(installation) as run:
            await run.publish(100)
            await run.settle(10)
    assert run.refusals == {}


async def paced(run: Run, seconds: float) -> list[float]:
    """Publish at a steady rate that is no effort; the seconds that each acknowledgement took."""
    took: list[float] = []

    async def publish() -> None:
        began = perf_counter()
        run.acknowledged.add((await factories.publish(run.client, run.application))["id"])
        took.append(perf_counter() - began)

    async with asyncio.TaskGroup() as publishing:
        for _ in range(round(seconds * _RATE)):
            publishing.create_task(publish())
            await asyncio.sleep(1 / _RATE)
    return took


@pytest.mark.chaos
@pytest.mark.parametrize("state", STATES)
async def test_whatever_is_the_matter_with_redis_for_a_while(
    installation: Installation, run: Run, state: State
) -> None:
    processes = [installation.api, *installation.workers]
    await paced(run, 2)
    before = slowest_but_one_percent(await paced(run, 5))
    occupied = [process.memory for process in processes]
    async with state(installation):
        # The longer it is away, the longer would be the pauses between two tries to reach it.
        during = slowest_but_one_percent(await paced(run, 30 if state is gone else 8))
        await run.settle(10)
    await run.publish(20)
    heard = await until_heard(installation, 60)
    await paced(run, 2)
    await run.settle()
    grown = max(process.memory - then for process, then in zip(processes, occupied, strict=True))
    name = f"Redis {state.__name__.replace('_', ' ')}"
    told = f"{run.duplicates} twice of {len(run.acknowledged)}"
    measured(3, f"{name}: nothing is lost, nothing sent twice", "0 twice", told, holds=run.duplicates == 0)
    holds = heard <= _HEARD_SECONDS
    measured(3, f"{name}: wake-ups are heard again", f"{_HEARD_SECONDS} s", f"{heard:.1f} s", holds=holds)
    limit, value = f"2 x {before * 1000:.1f} + 10 ms", f"{during * 1000:.1f} ms"
    measured(37, f"{name}: publishing is as fast (p99)", limit, value, holds=during <= 2 * before + 0.01)
    measured(3, f"{name}: no process grows", "30 MiB", f"{grown:.1f} MiB", holds=grown <= 30)
    assert all(process.runs for process in processes)
