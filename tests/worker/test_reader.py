"""Reading: what is lost from sight is found again, and what is given away in flight is left alone."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from statistics import median

import asyncpg
import pytest

from app.db.pending_delivery.queue import Claimed, DeliveryQueue, Source
from app.settings import Settings
from tests.receiver import Receiver
from tests.worker.stage import Stage, sent, staged, until, until_done
from worker.holdings import BEGINNING
from worker.reader import _GENTLE_STARTS, MOST_STARTS


@pytest.fixture
async def stage(empty_dsn: str, settings: Settings, token: str) -> AsyncIterator[Stage]:
    async with staged(settings.model_copy(update={"db_dsn": empty_dsn}), token) as started:
        yield started


async def make_due_since(stage: Stage, interval: str) -> None:
    await stage.database.pool.execute(
        "UPDATE pending_deliveries SET next_attempt_at = now() - $1::text::interval", interval
    )


async def test_a_delivery_that_became_visible_long_after_its_time_is_found(
    stage: Stage, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.reader._PATROL_SECONDS", 0.3)
    early, late = await stage.endpoint(receiver.url), await stage.endpoint(receiver.url)
    await stage.database.pool.execute("UPDATE endpoints SET shard = 7")
    async with stage.draining():
        await stage.publish(early)
        await until(lambda: len(receiver.arrivals) == 1)
        async with stage.database.pool.acquire() as connection, connection.transaction():
            # As a transaction that was committed an hour after it began.
            await connection.execute(
                "INSERT INTO pending_deliveries (message_id, endpoint_id, application_id, shard, next_attempt_at)"
                " SELECT m.id, $1, m.application_id, 7, now() - interval '1 hour' FROM messages m",
                late,
            )
        await until_done(stage, 5)
    assert len(sent(receiver)) == 2


async def test_the_endpoints_that_something_waits_for_are_found_one_after_the_other(stage: Stage) -> None:
    queue = DeliveryQueue(stage.database.pool)
    first, second, third, _idle = sorted([await stage.endpoint("http://127.0.0.1:2222/") for _ in range(4)])
    for endpoint_id in (first, second, third):
        await stage.publish(endpoint_id, 3)
    assert [(w.endpoint_id, w.is_late) for w in await queue.endpoints_after("", 2)] == [(first, False), (second, False)]
    await make_due_since(stage, "6 seconds")
    await stage.publish(second)
    assert [(w.endpoint_id, w.is_late) for w in await queue.endpoints_after(first, 9)] == [
        (second, True),
        (third, True),
    ]
    await make_due_since(stage, "-1 hour")
    assert {w.is_late for w in await queue.endpoints_after("", 9)} == {False}
    assert await queue.endpoints_after(third, 9) == []


async def test_what_is_put_off_is_not_due_and_still_where_it_was(stage: Stage) -> None:
    queue = DeliveryQueue(stage.database.pool)
    endpoint_id = await stage.endpoint("http://127.0.0.1:2222/")
    await stage.publish(endpoint_id, 2)
    everything = {endpoint_id: Source(BEGINNING, 9)}
    first, second = await queue.due_of_endpoints(everything)
    await stage.database.pool.execute(
        "UPDATE pending_deliveries SET tries = 1 WHERE message_id = $1", second.message_id
    )
    await queue.put_off([first, second], 60.0)
    assert [row.message_id for row in await queue.due_of_endpoints(everything)] == [second.message_id], "it moved on"
    await queue.put_off([first], 0.0)
    assert len(await queue.due_of_endpoints(everything)) == 2


class CountingQueue(DeliveryQueue):
    """The real queue, which notes how many deliveries each reading asked for, of endpoints that were behind."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        super().__init__(pool)
        self.read: list[int] = []

    async def due_of_endpoints(self, endpoints: Mapping[str, Source]) -> list[Claimed]:
        rows = await super().due_of_endpoints(endpoints)
        self.read.append(len(rows))
        return rows


async def test_a_reading_takes_a_part_of_a_backlog_and_a_small_one_while_others_get_something(
    stage: Stage, receiver: Receiver
) -> None:
    queue = CountingQueue(stage.database.pool)
    heavy, light = await stage.endpoint(receiver.url), await stage.endpoint(receiver.url)
    await stage.database.pool.execute("UPDATE endpoints SET shard = 7")
    await stage.publish(heavy, 3000)
    async with stage.draining(queue=queue, most=2000):
        await until(lambda: len(receiver.arrivals) > 1000, 10)
        alone = max(queue.read)
        # From now on there is something for another one all the time.
        await stage.publish(light)
        await asyncio.sleep(0.1)
        queue.read.clear()
        while await stage.pending() > 500:
            await stage.publish(light)
            await asyncio.sleep(0.02)
        beside = median(rows for rows in queue.read if rows)
        await until_done(stage, 10)
    # With what was under way at that time, and is read once more.
    assert beside <= 2 * _GENTLE_STARTS < alone <= 4 * MOST_STARTS
