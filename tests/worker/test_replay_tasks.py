"""The tasks that replay: their pace, their end, what is told of it, and that nothing is done twice."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from app import clock, ids
from app.db.background_task.bites import Task
from app.db.pending_delivery.replay import Candidate, Replaying
from app.db.session import Database
from app.settings import Settings
from tests import factories
from tests.receiver import Answer, Receiver
from tests.servers import Servers
from tests.worker import replaying
from tests.worker.ordering import numbered, publish
from tests.worker.replaying import (
    SINCE,
    ask,
    cleared,
    deliver,
    disable,
    failed,
    finish,
    is_even,
    past,
    queued,
    refusing,
    states_of,
    task_of,
    worker_of,
)
from tests.worker.stage import Stage, sent, until_done
from worker import replays
from worker.background import BackgroundWork
from worker.stored_payloads import StoredPayloads


@pytest.fixture(scope="module")
async def theatre(
    settings: Settings, servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    async with replaying.theatre(settings, servers, tmp_path_factory.mktemp("payloads")) as opened:
        yield opened


@pytest.fixture
async def stage(theatre: Stage) -> Stage:
    return await cleared(theatre)


@pytest.mark.parametrize("what", ["deleted", "disabled"])
async def test_a_replay_ends_with_a_reason_when_its_endpoint_does(
    stage: Stage, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(replays, "_BITE", 2)
    endpoint = await stage.endpoint(receiver.url)
    messages = await publish(stage, *numbered(5))
    receiver.answer = refusing(messages)
    await deliver(stage)
    task = await ask(stage, endpoint, "recover", {"since": past()})
    assert await worker_of(stage).bite()
    if what == "deleted":
        await stage.client.delete(f"/app/{stage.application}/endpoint/{endpoint}")
    else:
        await disable(stage, endpoint)
    done = await finish(stage, task)
    assert (done["status"], done["data"]["messagesSent"]) == ("failed", 2)
    assert f"The endpoint was {what} meanwhile" in done["data"]["error"]
    before = len(receiver.arrivals)
    await deliver(stage)
    # What was queued is canceled without an attempt, and stays what it was.
    assert len(receiver.arrivals) == before
    assert await states_of(stage, endpoint) == dict.fromkeys(messages, 2)
    assert await is_even(stage)


async def test_a_replay_never_has_more_wait_than_a_little_and_goes_on_once_they_are_sent(
    stage: Stage, receiver: Receiver
) -> None:
    endpoint, pool = await stage.endpoint(receiver.url), stage.database.pool
    made = [ids.new_id("msg") for _ in range(900)]
    message = "INSERT INTO messages (id, application_id, event_type, payload) SELECT i, $2, 'a', '{}'"
    await pool.execute(f"{message} FROM unnest($1::text[]) i", made, stage.application)
    delivery = (
        "INSERT INTO deliveries (message_id, endpoint_id, application_id, state, attempts) SELECT i, $3, $2, 2, 1"
    )
    await pool.execute(f"{delivery} FROM unnest($1::text[]) i", made, stage.application, endpoint)
    task, background = await ask(stage, endpoint, "recover", {"since": past()}), worker_of(stage)

    async def bite() -> int:
        """How much waits after another one."""
        await pool.execute("UPDATE background_tasks SET next_bite_at = now()")
        assert await background.bite()
        return await stage.pending()

    assert await bite() == replays.LEAST_WAITING
    # Twice as much, because it is taken at once; and never before half of it is.
    await pool.execute("DELETE FROM pending_deliveries")
    assert [await bite(), await bite()] == [200, 200]
    await pool.execute("DELETE FROM pending_deliveries")
    assert [await bite(), await bite()] == [400, 400]
    # Each time that nothing was taken it waits for longer, and wants less to wait.
    wait = "SELECT extract(epoch FROM next_bite_at - now())::float8 FROM background_tasks"
    waits = []
    for _ in range(9):
        await bite()
        waits.append(round(await pool.fetchval(wait), 1))
    assert waits == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10, 10]
    # What waits for a retry in an hour is not in the way.
    await pool.execute("UPDATE pending_deliveries SET next_attempt_at = now() + interval '1 hour'")
    assert await bite() == 500
    await pool.execute("UPDATE pending_deliveries SET next_attempt_at = now()")
    async with stage.draining():
        done = await finish(stage, task)
        await until_done(stage)
    assert done["data"]["messagesSent"] == 900


async def test_a_replay_does_not_go_on_to_an_endpoint_whose_breaker_is_open(stage: Stage, receiver: Receiver) -> None:
    receiver.answer = lambda _: Answer(500)
    endpoint = await stage.endpoint(receiver.url)
    await stage.database.pool.execute(
        "INSERT INTO endpoint_health (endpoint_id, opened_at, first_failure_at, consecutive_failures, paused_until,"
        " revision) SELECT id, now(), now() - interval '1 hour', 99, NULL, revision FROM endpoints WHERE id = $1",
        endpoint,
    )
    for _ in range(20):
        await failed(stage, endpoint)
    await finish(stage, await ask(stage, endpoint, "recover", {"since": past()}))
    async with stage.draining():
        await asyncio.sleep(0.4)
        # A probe; a resend would not have waited for it.
        assert len(receiver.arrivals) <= 1
        assert await stage.pending() >= 19


async def test_two_workers_replay_each_message_once(
    stage: Stage, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "_BITE", 20)
    published = await publish(stage, *numbered(300))
    late = await stage.endpoint(receiver.url)
    tasks = [await ask(stage, late, "replay-missing", {"since": SINCE}) for _ in range(2)]
    second = Database(stage.settings)
    await second.open()
    running = "SELECT count(*) FROM background_tasks WHERE status = 'running'"

    async def work(background: BackgroundWork) -> None:
        while await stage.database.pool.fetchval(running):
            if not await background.bite():
                await asyncio.sleep(0.01)

    async with stage.draining(), asyncio.timeout(20):
        await asyncio.gather(work(worker_of(stage)), work(worker_of(stage, second)), work(worker_of(stage)))
        await until_done(stage)
    await second.close()
    # Both tasks want all; what one has sent, or has queued, is left alone by the other.
    assert sum([(await task_of(stage, task))["data"]["messagesSent"] for task in tasks]) == 300
    assert sorted(sent(receiver)) == sorted(published)
    assert await is_even(stage)


async def test_what_somebody_sends_between_the_walk_and_the_queue_is_not_sent_again(
    stage: Stage, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = await publish(stage, *numbered(3))
    late, walk = await stage.endpoint(receiver.url), Replaying.walk

    async def walk_before_others(self: Replaying, *arguments: Any) -> list[Candidate]:
        walked = await walk(self, *arguments)
        for message in published[:2]:
            await factories.record_delivery(stage.database.pool, stage.application, message, late, 0)
        return walked

    monkeypatch.setattr(Replaying, "walk", walk_before_others)
    task = await ask(stage, late, "replay-missing", {"since": SINCE})
    assert await worker_of(stage).bite()
    assert (await task_of(stage, task))["data"]["messagesSent"] == 1
    assert await stage.pending() == 1


async def test_a_bite_that_breaks_off_has_done_nothing(stage: Stage, receiver: Receiver) -> None:
    endpoint = await stage.endpoint(receiver.url)
    for _ in range(5):
        await failed(stage, endpoint)
    task = await ask(stage, endpoint, "recover", {"since": past()})

    async def break_off(connection: object, taken: Task) -> object:
        await replays.recover(connection, taken)
        raise RuntimeError("the worker ended here")

    broken = BackgroundWork(
        stage.database.pool,
        StoredPayloads(None),
        lambda shards: None,
        {"endpoint.recover": break_off},  # type: ignore[dict-item]
    )
    assert await broken.bite()
    assert await stage.pending() == 0
    assert (await task_of(stage, task))["data"] == {}
    await stage.database.pool.execute("UPDATE background_tasks SET next_bite_at = now()")
    assert (await finish(stage, task))["data"]["messagesSent"] == 5


async def test_the_organization_is_told_when_a_task_has_finished(stage: Stage, receiver: Receiver) -> None:
    body = {"url": receiver.url + "/told", "eventTypes": ["background_task.finished"]}
    assert (await stage.client.post("/operational-webhook/endpoint", json=body)).status_code == 201
    endpoint = await stage.endpoint(receiver.url)
    await failed(stage, endpoint)
    task = await ask(stage, endpoint, "recover", {"since": past()})
    shown = await finish(stage, task)
    await ask(stage, endpoint, "cancel-msgs", {"createdBefore": SINCE}, 204)
    await finish(stage)
    await deliver(stage)
    (told,) = [orjson.loads(arrival.body) for arrival in receiver.arrivals if arrival.path == "/told"]
    assert told == {
        "type": "background_task.finished",
        "data": {
            "taskId": task,
            "task": "endpoint.recover",
            "status": "finished",
            "data": {
                "messages_sent": 1,
                "messages_expired": 0,
                "endp_id": endpoint,
                "since": shown["data"]["since"],
                "until": shown["data"]["until"],
            },
        },
    }


# Its bounds are of time: while others compute, they would say something of those.
@pytest.mark.alone
async def test_ten_thousand_messages_are_replayed_in_bites(stage: Stage, receiver: Receiver) -> None:
    endpoint = await stage.endpoint(receiver.url)
    made = sorted(ids.new_id("msg") for _ in range(10_000))
    pool = stage.database.pool
    await pool.execute(
        "INSERT INTO messages (id, application_id, event_type, payload, deliveries)"
        " SELECT i, $2, 'invoice.paid', '{}', 0 FROM unnest($1::text[]) i",
        *(made, stage.application),
    )
    task, background = await ask(stage, endpoint, "replay-missing", {"since": SINCE}), worker_of(stage)
    longest = 0.0
    async with asyncio.timeout(20):
        while (shown := await task_of(stage, task))["status"] == "running":
            started = asyncio.get_running_loop().time()
            if await background.bite():
                longest = max(longest, asyncio.get_running_loop().time() - started)
            assert await stage.pending() <= replays.MOST_WAITING
            # As a worker that delivers them.
            await pool.execute(
                "WITH ended AS (DELETE FROM pending_deliveries RETURNING *)"
                " INSERT INTO deliveries (message_id, endpoint_id, application_id, state, attempts)"
                " SELECT message_id, endpoint_id, application_id, 0, 1 FROM ended"
            )
    assert shown["data"]["messagesSent"] == 10_000
    assert longest < 1.0
    assert await is_even(stage)


async def test_what_somebody_had_canceled_stays_off_until_it_is_asked_for(stage: Stage, receiver: Receiver) -> None:
    endpoint, pool = await stage.endpoint(receiver.url), stage.database.pool
    tried, untried, again = await publish(stage, *numbered(3))
    await pool.execute("UPDATE pending_deliveries SET tries = 1 WHERE message_id = $1", tried)
    await factories.record_delivery(pool, stage.application, tried, endpoint, 1)
    # Was canceled when the endpoint was disabled, and is recovered when somebody has that canceled, too.
    await factories.record_delivery(pool, stage.application, again, endpoint, 4)
    await asyncio.sleep(0.01)  # Ids sort by 4 milliseconds.
    await ask(stage, endpoint, "cancel-msgs", {"createdBefore": clock.now().isoformat()}, 204)
    await finish(stage)
    assert await states_of(stage, endpoint) == dict.fromkeys((tried, untried, again), 4)
    for what in ("recover", "replay-missing"):
        done = await finish(stage, await ask(stage, endpoint, what, {"since": past()}))
        assert done["data"]["messagesSent"] == 0, what
    assert await is_even(stage)
    receiver.answer = refusing([tried])
    asked = await ask(stage, endpoint, "bulk-replay", {"since": past(), "status": 4})
    assert (await finish(stage, asked))["data"]["messagesSent"] == 3
    await deliver(stage)
    assert await states_of(stage, endpoint) == {tried: 2, untried: 0, again: 0}
    # What was asked for, and failed, has failed.
    assert (await finish(stage, await ask(stage, endpoint, "recover", {"since": past()})))["data"]["messagesSent"] == 1
    assert await queued(stage) == {tried}
    assert await is_even(stage)
