"""Redis flushed, suspended and gone: it carries wake-ups only, so that nobody notices much."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from tests.faults.installation import Installation
from tests.faults.run import Run

pytestmark = pytest.mark.xdist_group("faults")


def slowest_but_one_percent(seconds: list[float]) -> float:
    return sorted(seconds)[len(seconds) * 99 // 100 - 1]


async def test_flushing_redis_again_and_again_loses_nothing(installation: Installation, run: Run) -> None:
    publishing = asyncio.create_task(run.publish(1200))
    async with Redis.from_url(installation.servers.valkey.dsn) as redis:
        for count in sorted(random.sample(range(100, 1100), 3)):
            await run.until_acknowledged(count)
            await redis.flushall()
    await publishing
    await run.settle()
    assert run.refusals == {}
    assert run.duplicates == 0


async def suspend(installation: Installation, meanwhile: Callable[[], Awaitable[None]]) -> None:
    installation.servers.valkey.process.send_signal(signal.SIGSTOP)
    try:
        await meanwhile()
    finally:
        installation.servers.valkey.process.send_signal(signal.SIGCONT)


async def take_away(installation: Installation, meanwhile: Callable[[], Awaitable[None]]) -> None:
    await asyncio.to_thread(installation.servers.valkey.stop)
    try:
        await meanwhile()
    finally:
        installation.servers.valkey.start()


@pytest.mark.alone  # It bounds a time.
@pytest.mark.parametrize("without_redis", [suspend, take_away])
async def test_while_redis_is_away_messages_are_accepted_as_fast_and_delivered(
    installation: Installation,
    run: Run,
    without_redis: Callable[[Installation, Callable[[], Awaitable[None]]], Awaitable[None]],
) -> None:
    await run.publish(100)

    async def publish_and_settle() -> None:
        for _ in range(3):
            await run.publish(150)
            await asyncio.sleep(0.5)
        await run.settle(10)

    await without_redis(installation, publish_and_settle)
    await run.publish(100)
    await run.settle()
    assert run.refusals == {}
    assert run.duplicates == 0
    assert slowest_but_one_percent(run.seconds) < 0.5
    assert installation.api.runs
    assert all(worker.runs for worker in installation.workers)
