"""What has failed is retried by the schedule of its event type, as it is at that moment."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app import ids, tokens
from app.settings import Settings
from tests import factories
from tests.factories import Json
from tests.receiver import Answer, Receiver
from tests.servers import Servers
from tests.worker.stage import Stage, staged, until_done

_NEXT = "SELECT tries, extract(epoch FROM next_attempt_at - now())::float8 AS wait FROM pending_deliveries"


@pytest.fixture(scope="module")
async def theatre(settings: Settings, servers: Servers) -> AsyncIterator[Stage]:
    """Where a failure is retried after an hour, unless its event type says otherwise."""
    assert settings.jwt_secret is not None
    name = f"postrider_{ids.new_id('qtask')}"
    token = tokens.issue(settings.jwt_secret.get_secret_value(), settings.jwt_algorithm, ids.new_id("org"))
    own = settings.model_copy(update={"db_dsn": await servers.clone(name), "retry_schedule": (3600,)})
    async with staged(own, token) as opened:
        yield opened
    await servers.drop(name)


@pytest.fixture
async def stage(theatre: Stage) -> Stage:
    """Without event types and history."""
    for table in ("pending_deliveries", "deliveries", "endpoint_health", "event_types"):
        await theatre.database.pool.execute(f"DELETE FROM {table}")
    return theatre


async def set_schedule(stage: Stage, *seconds: float | None) -> None:
    waits: list[Json] | None = [{"secs": int(s), "nanos": round(s % 1 * 10**9)} for s in seconds if s is not None]
    body = {"retrySchedule": None if seconds == (None,) else waits}
    assert (await stage.client.put("/event-type/invoice.paid/retry-schedule", json=body)).is_success


async def next_attempt(stage: Stage) -> tuple[int, float]:
    """Of the one delivery that was tried: how often, and in how many seconds it is tried again."""
    async with asyncio.timeout(10):
        while (row := await stage.database.pool.fetchrow(f"{_NEXT} WHERE tries > 0")) is None:
            await asyncio.sleep(0.01)
    return row["tries"], row["wait"]


async def test_an_event_types_schedule_is_used_up_and_no_other(stage: Stage, receiver: Receiver) -> None:
    receiver.answer = lambda _arrival: Answer(500)
    await factories.create_event_type(stage.client)
    await set_schedule(stage, 0.05, 0.05)
    endpoint = await stage.endpoint(receiver.url)
    [message] = await stage.publish(endpoint)
    async with stage.draining():
        await until_done(stage)
    assert await stage.states() == {message: (2, 3)}
    assert len(receiver.arrivals) == 3


async def test_an_empty_schedule_is_no_retry_at_all(stage: Stage, receiver: Receiver) -> None:
    receiver.answer = lambda _arrival: Answer(500)
    await factories.create_event_type(stage.client)
    await set_schedule(stage)
    [message] = await stage.publish(await stage.endpoint(receiver.url))
    async with stage.draining():
        await until_done(stage)
    assert await stage.states() == {message: (2, 1)}


async def test_a_changed_schedule_counts_from_the_next_failure_on(stage: Stage, receiver: Receiver) -> None:
    receiver.answer = lambda _arrival: Answer(500)
    await factories.create_event_type(stage.client)
    endpoint = await stage.endpoint(receiver.url)
    async with stage.draining() as drain:
        for waits, expected in (((None,), 3600), ((100, 200), 100), ((None,), 3600)):
            await set_schedule(stage, *waits)
            # The first one of an installation is noticed within a second.
            await drain.look_around()
            await stage.publish(endpoint)
            drain.ring(range(64))
            tries, wait = await next_attempt(stage)
            assert tries == 1
            assert 0.75 * expected <= wait <= 1.25 * expected
            # What waits already keeps its time.
            await set_schedule(stage, 1)
            assert (await next_attempt(stage))[1] > 0.75 * expected - 5
            await stage.database.pool.execute("DELETE FROM pending_deliveries")


async def test_other_event_types_keep_the_installations_schedule(stage: Stage, receiver: Receiver) -> None:
    receiver.answer = lambda _arrival: Answer(500)
    await factories.create_event_type(stage.client, "other")
    await stage.client.put("/event-type/other/retry-schedule", json={"retrySchedule": []})
    await stage.publish(await stage.endpoint(receiver.url))
    async with stage.draining():
        _, wait = await next_attempt(stage)
    assert 2500 < wait < 4500


async def test_where_no_event_type_has_a_schedule_nothing_is_looked_up(stage: Stage, receiver: Receiver) -> None:
    receiver.answer = lambda _arrival: Answer(500)
    endpoint = await stage.endpoint(receiver.url)
    async with stage.draining() as drain:
        await drain.look_around()
        # A look-up would fail, and wait for ever.
        await stage.database.pool.execute("ALTER TABLE event_types RENAME COLUMN name TO renamed")
        await stage.publish(endpoint)
        drain.ring(range(64))
        try:
            assert (await next_attempt(stage))[0] == 1
        finally:
            await stage.database.pool.execute("ALTER TABLE event_types RENAME COLUMN renamed TO name")


async def test_an_organizations_retry_policy_holds_where_the_event_type_has_no_schedule(
    stage: Stage, receiver: Receiver
) -> None:
    receiver.answer = lambda _arrival: Answer(500)
    await factories.create_event_type(stage.client)
    endpoint, path = await stage.endpoint(receiver.url), "/management/environment-settings"
    assert (await stage.client.patch(path, json={"retryPolicy": [500, 600]})).is_success
    try:
        async with stage.draining() as drain:
            for waits, expected in (((None,), 500), ((100,), 100)):
                await set_schedule(stage, *waits)
                await drain.look_around()
                await stage.publish(endpoint)
                drain.ring(range(64))
                _, wait = await next_attempt(stage)
                assert 0.75 * expected <= wait <= 1.25 * expected
                await stage.database.pool.execute("DELETE FROM pending_deliveries")
    finally:
        assert (await stage.client.patch(path, json={"retryPolicy": None})).is_success
