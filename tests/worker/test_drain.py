"""The drain: how much it sends at once, that it sends everything, and nothing twice."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.db.endpoint.model import LiveSecret, seal_secrets
from app.sealing import Sealer
from app.settings import Settings
from tests.receiver import Receiver
from tests.worker.stage import Clocked, Stage, sent, staged, until, until_done

_POISON = "INSERT INTO deliveries VALUES ($1, $2, $3, 1, 32767)"


@pytest.fixture
async def stage(settings: Settings, empty_dsn: str, token: str) -> AsyncIterator[Stage]:
    own = settings.model_copy(update={"db_dsn": empty_dsn, "retry_schedule": (1000,)})
    async with staged(own, token) as opened:
        yield opened


async def test_no_more_is_in_flight_than_the_window_allows(stage: Stage, receiver: Receiver) -> None:
    receiver.answer = clocked = Clocked(0.3)
    for number in range(12):
        await stage.publish(await stage.endpoint(f"{receiver.url}/{number}"), 5)
    async with stage.draining(most=16):
        await receiver.wait_for(60)
        await until_done(stage)
    assert clocked.never_more_than(16)
    assert clocked.times[15] - clocked.times[0] < 0.25, "the window was never full"


async def test_one_endpoint_has_no_more_in_flight_than_its_lane(stage: Stage, receiver: Receiver) -> None:
    receiver.answer = clocked = Clocked(0.2)
    await stage.publish(await stage.endpoint(receiver.url), 50)
    async with stage.draining(most=40):
        await until_done(stage)
    assert len(clocked.times) == 50
    assert clocked.never_more_than(10)


async def test_an_endpoint_that_fell_behind_catches_up_completely(stage: Stage, receiver: Receiver) -> None:
    published = await stage.publish(await stage.endpoint(receiver.url), 600)
    async with stage.draining(most=40):
        await until_done(stage)
        await until(lambda: len(receiver.arrivals) >= 600)
    assert sorted(sent(receiver)) == sorted(published)
    assert await stage.states() == dict.fromkeys(published, (0, 1))


async def test_what_becomes_due_while_an_endpoint_is_behind_is_sent_too(stage: Stage, receiver: Receiver) -> None:
    receiver.answer = Clocked(0.1)
    endpoint = await stage.endpoint(receiver.url)
    published = await stage.publish(endpoint, 300)
    async with stage.draining(most=40):
        await receiver.wait_for(30)
        older = await stage.publish(endpoint, 20)
        await stage.database.pool.execute(
            "UPDATE pending_deliveries SET next_attempt_at = now() - interval '1 hour' WHERE message_id = ANY ($1)",
            older,
        )
        await until(lambda: set(older) <= set(sent(receiver)))
        assert len(receiver.arrivals) < 200, "they waited until the endpoint had caught up"
        await until_done(stage)
    assert sorted(sent(receiver)) == sorted(published + older)


async def test_a_shard_without_work_is_given_back_and_taken_again(stage: Stage, receiver: Receiver) -> None:
    endpoint = await stage.endpoint(receiver.url)
    async with stage.draining(sweeping=False) as drain:
        for count in (1, 2):
            await stage.publish(endpoint)
            drain.ring(range(64))
            await receiver.wait_for(count)
            await until_done(stage)
            async with asyncio.timeout(3):
                while await stage.owners():
                    await asyncio.sleep(0.02)


async def test_what_is_committed_long_after_its_time_is_found(stage: Stage, receiver: Receiver) -> None:
    endpoint = await stage.endpoint(receiver.url)
    async with stage.draining(sweeping=False) as drain:

        async def one_more() -> None:
            (message,) = await stage.publish(endpoint)
            drain.ring(range(64))
            await until(lambda: message in sent(receiver))
            await asyncio.sleep(0.06)

        async with stage.database.pool.acquire() as connection, connection.transaction():
            # The default of next_attempt_at is when the transaction began.
            await connection.execute(
                "INSERT INTO messages (id, application_id, event_type, payload) VALUES ('msg_late', $1, 'a', '{}')",
                stage.application,
            )
            await connection.execute(
                "INSERT INTO pending_deliveries (message_id, endpoint_id, application_id, shard) "
                "SELECT 'msg_late', id, application_id, shard FROM endpoints"
            )
            for _ in range(6):
                await one_more()
        # Busy all the time, so that the shard is not given back and read anew.
        for _ in range(15):
            await one_more()
        assert "msg_late" in sent(receiver)
    assert len(receiver.arrivals) == 22


async def test_the_drain_waits_for_a_table_that_is_missing_and_goes_on(stage: Stage, receiver: Receiver) -> None:
    published = await stage.publish(await stage.endpoint(receiver.url), 30)
    await stage.database.pool.execute("ALTER TABLE messages RENAME TO messages_elsewhere")
    async with stage.draining():
        await asyncio.sleep(0.3)
        assert receiver.arrivals == []
        await stage.database.pool.execute("ALTER TABLE messages_elsewhere RENAME TO messages")
        await until_done(stage)
    assert sorted(sent(receiver)) == sorted(published)


async def test_an_outcome_that_cannot_be_stored_is_put_off_and_takes_no_other_along(
    stage: Stage, receiver: Receiver
) -> None:
    endpoint = await stage.endpoint(receiver.url)
    published = await stage.publish(endpoint, 10)
    poisoned = published[4]
    await stage.database.pool.execute(_POISON, poisoned, endpoint, stage.application)
    async with stage.draining():
        async with asyncio.timeout(5):
            while await stage.pending() > 1:
                await asyncio.sleep(0.01)
        await asyncio.sleep(1.5)
    assert sorted(sent(receiver)) == sorted(published), "each was sent once"
    assert await stage.states() == {id_: (0, 1) for id_ in published if id_ != poisoned} | {poisoned: (1, 32767)}
    wait = await stage.database.pool.fetchval(
        "SELECT extract(epoch FROM next_attempt_at - now())::float FROM pending_deliveries WHERE message_id = $1",
        poisoned,
    )
    assert 50 < wait < 60


@pytest.mark.parametrize("key", ["another main secret sealed it", "it holds no key"])
async def test_an_endpoint_whose_secrets_cannot_be_used_fails_with_a_reason_and_hurts_no_other(
    stage: Stage, receiver: Receiver, key: str
) -> None:
    broken, sound = [await stage.endpoint(f"{receiver.url}/{name}") for name in ("broken", "sound")]
    main_secrets = ["another"] if key.startswith("another") else stage.settings.main_secrets
    sealed = seal_secrets(Sealer(main_secrets), broken, [LiveSecret("no key", None)])
    await stage.database.pool.execute("UPDATE endpoints SET secrets = $2 WHERE id = $1", broken, sealed)
    (failing,), (arriving,) = await stage.publish(broken), await stage.publish(sound)
    async with stage.draining():
        await receiver.wait_for(1)
        async with asyncio.timeout(5):
            while len(await stage.states()) < 2:
                await asyncio.sleep(0.01)
    assert [arrival.path for arrival in receiver.arrivals] == ["/sound"]
    assert await stage.states() == {failing: (1, 1), arriving: (0, 1)}
    (attempt,) = await stage.database.pool.fetch("SELECT * FROM attempts WHERE message_id = $1", failing)
    assert (attempt["status"], attempt["response_status_code"]) == (2, 0)
    assert attempt["response"].startswith(b"the endpoint's secrets")
    assert await stage.database.pool.fetchval("SELECT tries FROM pending_deliveries") == 1


async def test_a_message_whose_payload_was_expunged_is_canceled(stage: Stage, receiver: Receiver) -> None:
    (message,) = await stage.publish(await stage.endpoint(receiver.url))
    await stage.database.pool.execute("UPDATE messages SET payload = NULL")
    async with stage.draining():
        await until_done(stage)
    assert await stage.states() == {message: (4, 0)}
    assert receiver.arrivals == []
