"""The doorbell: rings are few, however many messages there are, and never in the way of one."""

import asyncio
import json
import socket
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from time import perf_counter

import pytest
from celery import Celery
from loguru import logger
from redis.asyncio import Redis

import app.doorbell
from app import ids
from app.broker import celery_app
from app.cli.embedded import EmbeddedValkey
from app.doorbell import EXPIRES_SECONDS, INTERVAL_SECONDS, MOST_UNHEARD, QUIET_SECONDS, Doorbell
from app.settings import Settings


@pytest.fixture
def queue(settings: Settings) -> Settings:
    """Settings with a queue that no other test uses."""
    return settings.model_copy(update={"queue_prefix": ids.new_id("qtask")})


def impatient(queue: Settings, dsn: str) -> Celery:
    """A Celery application that gives up on an unreachable broker as soon as it may, so that tests are quick."""
    celery = celery_app(queue.model_copy(update={"redis_dsn": dsn}))
    celery.conf.broker_transport_options |= {"socket_timeout": 0.3, "max_retries": 0}
    return celery


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator[Redis]:
    assert settings.redis_dsn is not None
    async with Redis.from_url(settings.redis_dsn) as opened:
        yield opened


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    """What is logged at WARNING and above."""
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), level="WARNING", format="{message}")
    yield lines
    logger.remove(sink)


async def rung(redis: Redis, queue: Settings) -> list[list[int]]:
    """The shards of each task that was sent, oldest first."""
    sent = await redis.lrange(f"{queue.queue_prefix}:{queue.queue_prefix}", 0, -1)
    tasks = [json.loads(task) for task in reversed(sent)]
    assert {task["headers"]["task"] for task in tasks} <= {"postrider.drain"}
    assert all(task["headers"]["expires"] for task in tasks), f"none outlives {EXPIRES_SECONDS} seconds"
    return [json.loads(b64decode(task["body"]))[0][0] for task in tasks]


async def test_rings_for_background_tasks_are_one_task_beside_those_for_shards(queue: Settings, redis: Redis) -> None:
    doorbell = Doorbell(celery_app(queue))
    doorbell.ring({7})
    for _ in range(100):
        doorbell.ring_for_tasks()
    await asyncio.sleep(2 * INTERVAL_SECONDS)
    doorbell.ring_for_tasks()
    await doorbell.close()
    sent = await redis.lrange(f"{queue.queue_prefix}:{queue.queue_prefix}", 0, -1)
    names = [json.loads(task)["headers"]["task"] for task in reversed(sent)]
    assert names == ["postrider.drain", "postrider.run_background_tasks", "postrider.run_background_tasks"]


async def test_a_thousand_rings_become_a_few_tasks_that_name_every_shard(queue: Settings, redis: Redis) -> None:
    doorbell = Doorbell(celery_app(queue))
    started = perf_counter()
    for number in range(1000):
        doorbell.ring({number % 64})
        if number % 100 == 0:
            await asyncio.sleep(0.01)
    await asyncio.sleep(3 * INTERVAL_SECONDS)
    await doorbell.close()
    tasks = await rung(redis, queue)
    assert 1 <= len(tasks) <= 2 + (perf_counter() - started) / INTERVAL_SECONDS
    assert len(tasks) <= 10
    assert {shard for shards in tasks for shard in shards} == set(range(64))
    assert all(len(shards) == len(set(shards)) for shards in tasks)


async def test_a_lone_ring_is_sent_at_once(queue: Settings, redis: Redis) -> None:
    doorbell = Doorbell(celery_app(queue))
    doorbell.ring([7, 3])
    async with asyncio.timeout(2):
        while not (tasks := await rung(redis, queue)):
            await asyncio.sleep(0.005)
    assert tasks == [[3, 7]]
    await doorbell.close()


async def test_a_shard_that_was_rung_for_is_left_in_peace_for_a_moment(queue: Settings, redis: Redis) -> None:
    doorbell = Doorbell(celery_app(queue))
    started = perf_counter()
    doorbell.ring([7])
    while perf_counter() - started < QUIET_SECONDS - 2 * INTERVAL_SECONDS:
        doorbell.ring([7, 8])
        await asyncio.sleep(0.01)
    assert await rung(redis, queue) in ([[7], [8]], [[7, 8]])
    await asyncio.sleep(3 * INTERVAL_SECONDS)
    doorbell.ring([7])
    await doorbell.close()
    assert (await rung(redis, queue))[-1] == [7]


async def test_a_ring_for_nothing_sends_nothing(queue: Settings, redis: Redis) -> None:
    doorbell = Doorbell(celery_app(queue))
    doorbell.ring(set())
    await asyncio.sleep(0.05)
    await doorbell.close()
    assert await rung(redis, queue) == []


async def test_what_was_rung_for_last_is_sent_before_the_end(queue: Settings, redis: Redis) -> None:
    doorbell = Doorbell(celery_app(queue))
    doorbell.ring([1])
    await asyncio.sleep(INTERVAL_SECONDS / 2)
    doorbell.ring([2])
    await doorbell.close()
    assert await rung(redis, queue) == [[1], [2]]
    other = Doorbell(celery_app(queue))
    other.ring([3])
    await other.close()
    assert await rung(redis, queue) == [[1], [2], [3]]


async def test_without_a_broker_rings_return_at_once_and_one_line_is_logged(
    queue: Settings, closed_port: int, warnings: list[str]
) -> None:
    doorbell = Doorbell(impatient(queue, f"redis://127.0.0.1:{closed_port}/0"))
    started = perf_counter()
    for _ in range(5):
        for shard in range(64):
            doorbell.ring([shard])
        await asyncio.sleep(INTERVAL_SECONDS)
    assert perf_counter() - started < 5 * INTERVAL_SECONDS + 1
    await doorbell.close()
    assert len(warnings) == 1
    assert "workers find what is due by themselves" in warnings[0]


async def test_a_broker_that_hangs_does_not_hold_the_loop(queue: Settings, warnings: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        doorbell = Doorbell(impatient(queue, f"redis://127.0.0.1:{silent.getsockname()[1]}/0"))
        longest = 0.0
        for shard in range(64):
            started = perf_counter()
            doorbell.ring([shard])
            await asyncio.sleep(0.005)
            longest = max(longest, perf_counter() - started)
        assert longest < 0.25
        await doorbell.close()
    assert len(warnings) == 1


async def test_after_the_broker_was_away_rings_arrive_again_and_its_next_absence_is_logged(
    queue: Settings, tmp_path: Path, warnings: list[str]
) -> None:
    with EmbeddedValkey(tmp_path, durable=False) as valkey:
        doorbell = Doorbell(impatient(queue, valkey.dsn))

        async def ring(shard: int) -> None:
            doorbell.ring([shard])
            await asyncio.sleep(2 * INTERVAL_SECONDS)

        await ring(1)
        valkey.stop()
        await ring(2)
        await ring(3)
        valkey.start()
        await ring(4)
        async with Redis.from_url(valkey.dsn) as redis:
            assert await rung(redis, queue) == [[4]]  # The tasks of before were in memory only.
        valkey.stop()
        await ring(5)
        await doorbell.close()
    assert len(warnings) == 2


async def test_while_nobody_listens_rings_do_not_pile_up(
    queue: Settings, redis: Redis, warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.doorbell, "QUIET_SECONDS", 0.2)
    key = f"{queue.queue_prefix}:{queue.queue_prefix}"
    await redis.rpush(key, *["{}"] * (MOST_UNHEARD - 1))
    doorbell = Doorbell(celery_app(queue))
    doorbell.ring([1])
    async with asyncio.timeout(5):
        while await redis.llen(key) < MOST_UNHEARD:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    for shard in range(2, 8):
        doorbell.ring([shard])
        await asyncio.sleep(INTERVAL_SECONDS / 2)
    assert await redis.llen(key) == MOST_UNHEARD
    assert len(warnings) == 1
    assert "does a worker run?" in warnings[0]
    await redis.delete(key)
    await asyncio.sleep(0.2)
    doorbell.ring([9])
    await doorbell.close()
    assert await rung(redis, queue) == [[9]]
