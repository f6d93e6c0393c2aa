"""Recover, replay and cancel: what is sent again and what is not, and that the ledger stays even."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

import pytest

from app import clock
from app.settings import Settings
from tests import factories
from tests.factories import Json
from tests.receiver import Answer, Receiver
from tests.servers import Servers
from tests.worker import replaying
from tests.worker.ordering import Watched, numbered, publish
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
    utc,
)
from tests.worker.stage import Stage, sent, until_done
from worker import replays

ALL_TRIED: Final = {"good", "bad", "worse", "stopped"}


@pytest.fixture(scope="module")
async def theatre(
    settings: Settings, servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    async with replaying.theatre(settings, servers, tmp_path_factory.mktemp("payloads")) as opened:
        yield opened


@pytest.fixture
async def stage(theatre: Stage) -> Stage:
    return await cleared(theatre)


async def test_recover_sends_what_failed_once_more_and_nothing_else(stage: Stage, receiver: Receiver) -> None:
    endpoint, other = await stage.endpoint(receiver.url), await stage.endpoint(receiver.url + "/other")
    messages = await publish(stage, *numbered(6))
    receiver.answer = refusing(messages[:3])
    await deliver(stage)
    assert [(await stage.states())[message][0] for message in messages] == [2, 2, 2, 0, 0, 0]
    receiver.answer = refusing(messages[2:3])
    before = len(receiver.arrivals)
    done = await finish(stage, await ask(stage, endpoint, "recover", {"since": past()}))
    assert (done["status"], done["task"], done["data"]["messagesSent"]) == ("finished", "endpoint.recover", 3)
    await deliver(stage)
    again = receiver.arrivals[before:]
    assert sorted(arrival.headers["webhook-id"] for arrival in again) == sorted(messages[:3])
    assert {arrival.path for arrival in again} == {"/"}
    triggers = "SELECT message_id, trigger, status FROM attempts WHERE endpoint_id = $1 AND trigger = 1"
    rows = await stage.database.pool.fetch(triggers, endpoint)
    # One attempt each, outside of the schedule: what fails again is not retried.
    assert {row["message_id"]: row["status"] for row in rows} == {messages[0]: 0, messages[1]: 0, messages[2]: 2}
    assert await states_of(stage, endpoint) == {**dict.fromkeys(messages, 0), messages[2]: 2}
    assert (await states_of(stage, other))[messages[0]] == 2
    assert await is_even(stage)


@pytest.mark.parametrize("what", ["recover", "replay-missing", "bulk-replay"])
async def test_a_replay_sends_as_many_as_were_estimated_before(stage: Stage, receiver: Receiver, what: str) -> None:
    endpoint = await stage.endpoint(receiver.url)
    messages = await publish(stage, *numbered(5))
    receiver.answer = refusing(messages[:2])
    await deliver(stage)
    await publish(stage, *numbered(2))
    for _ in range(3):
        await factories.record_message(stage.database.pool, stage.application)
    path = f"/app/{stage.application}/endpoint/{endpoint}/replay/estimate"
    found = (await stage.client.get(path, params={"operation": what, "since": past()})).json()
    done = await finish(stage, await ask(stage, endpoint, what, {"since": past()}))
    assert (
        found["messages"] == done["data"]["messagesSent"] == {"recover": 2, "replay-missing": 3, "bulk-replay": 5}[what]
    )
    shown = (await stage.client.get(path.replace("estimate", done["id"]))).json()
    assert (shown["status"], shown["messagesSent"]) == ("finished", found["messages"])


async def test_recover_keeps_to_its_time(stage: Stage, receiver: Receiver) -> None:
    endpoint = await stage.endpoint(receiver.url)
    now = clock.now()
    messages = [await failed(stage, endpoint, now - timedelta(hours=age)) for age in (4, 3, 2, 1)]
    span = {"since": (now - timedelta(hours=3)).isoformat(), "until": (now - timedelta(hours=1)).isoformat()}
    done = await finish(stage, await ask(stage, endpoint, "recover", span))
    assert done["data"] == {
        "endpId": endpoint,
        "since": utc(now - timedelta(hours=3)),
        "until": utc(now - timedelta(hours=1)),
        "messagesSent": 2,
        "messagesExpired": 0,
    }
    assert await queued(stage) == set(messages[1:3])


async def test_recover_also_takes_what_failed_and_was_canceled_when_the_endpoint_was_disabled(
    stage: Stage, receiver: Receiver
) -> None:
    endpoint = await stage.endpoint(receiver.url)
    failing, untried = await publish(stage, *numbered(2))
    pool = stage.database.pool
    await pool.execute("UPDATE pending_deliveries SET tries = 1 WHERE message_id = $1", failing)
    await factories.record_delivery(pool, stage.application, failing, endpoint, 1)
    await disable(stage, endpoint)
    await deliver(stage)
    assert {key: state for key, (state, _) in (await stage.states()).items()} == {failing: 4, untried: 4}
    await disable(stage, endpoint, disabled=False)
    assert (await finish(stage, await ask(stage, endpoint, "recover", {"since": past()})))["data"]["messagesSent"] == 1
    assert await queued(stage) == {failing}
    done = await finish(stage, await ask(stage, endpoint, "replay-missing", {"since": past()}))
    assert done["data"]["messagesSent"] == 1
    assert await queued(stage) == {failing, untried}
    await deliver(stage)
    assert await states_of(stage, endpoint) == {failing: 0, untried: 0}
    assert await is_even(stage)


async def test_replay_missing_sends_what_the_endpoint_would_have_got(stage: Stage, receiver: Receiver) -> None:
    await factories.create_event_type(stage.client, "invoice.paid")
    first = await stage.endpoint(receiver.url)
    early = await publish(stage, *numbered(2))
    unwanted = await publish(stage, *numbered(1), event_type="invoice.other")
    late = await stage.client.post(
        f"/app/{stage.application}/endpoint", json={"url": receiver.url + "/late", "eventTypes": ["invoice.paid"]}
    )
    endpoint = late.json()["id"]
    got = await publish(stage, *numbered(1))
    await deliver(stage)
    receiver.arrivals.clear()
    done = await finish(stage, await ask(stage, endpoint, "replay-missing", {"since": SINCE}))
    assert (done["task"], done["data"]["messagesSent"]) == ("endpoint.replay", 2)
    assert await is_even(stage)
    await deliver(stage)
    assert [arrival.path for arrival in receiver.arrivals] == ["/late", "/late"]
    assert sorted(sent(receiver)) == sorted(early)
    assert await states_of(stage, endpoint) == dict.fromkeys((*early, *got), 0)
    counts = dict(await stage.database.pool.fetch("SELECT id, deliveries FROM messages"))
    assert counts == dict.fromkeys((*early, *got), 2) | dict.fromkeys(unwanted, 1)
    assert await is_even(stage)
    again = await finish(stage, await ask(stage, endpoint, "replay-missing", {"since": SINCE}))
    assert again["data"]["messagesSent"] == 0
    assert len(await states_of(stage, first)) == 4


async def test_replay_missing_goes_by_channels_and_leaves_what_is_yet_to_be_published(
    stage: Stage, receiver: Receiver
) -> None:
    pool, app = stage.database.pool, stage.application
    wanted = await factories.record_message(pool, app, channels=["a", "b"])
    await factories.record_message(pool, app, channels=["b"])
    await factories.record_message(pool, app)
    later = await factories.record_message(pool, app, channels=["a"])
    await pool.execute("UPDATE messages SET deliver_at = now() + interval '1 hour' WHERE id = $1", later)
    body = {"url": receiver.url, "channels": ["a"]}
    endpoint = (await stage.client.post(f"/app/{app}/endpoint", json=body)).json()["id"]
    done = await finish(stage, await ask(stage, endpoint, "replay-missing", {"since": SINCE}))
    assert done["data"]["messagesSent"] == 1
    assert await queued(stage) == {wanted}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        pytest.param({}, ALL_TRIED, id="all that was tried"),
        pytest.param({"status": 0}, {"good"}, id="delivered"),
        pytest.param({"status": 2}, {"bad", "worse"}, id="failed"),
        pytest.param({"status": 4}, {"stopped", "untried"}, id="canceled"),
        pytest.param({"statusCodeClass": 500}, {"bad"}, id="code"),
        pytest.param({"statusCodeClass": 0}, {"worse"}, id="no answer"),
        pytest.param({"eventTypes": ["a.b", "c.d"]}, {"bad"}, id="event types"),
        pytest.param({"channel": "red"}, {"good"}, id="channel"),
        pytest.param({"tag": "hot"}, {"worse"}, id="tag"),
        pytest.param({"status": 2, "tag": "cold"}, set(), id="none"),
        pytest.param({"eventTypes": None, "channel": None, "status": None}, ALL_TRIED, id="null"),
    ],
)
async def test_bulk_replay_sends_what_its_filters_say(
    stage: Stage, receiver: Receiver, asked: Json, expected: set[str]
) -> None:
    endpoint, pool, app = await stage.endpoint(receiver.url), stage.database.pool, stage.application
    made = {
        "good": await factories.record_message(pool, app, channels=["red"]),
        "bad": await factories.record_message(pool, app, event_type="a.b"),
        "worse": await factories.record_message(pool, app, tags=["hot"]),
        "stopped": await factories.record_message(pool, app),
        "untried": await factories.record_message(pool, app),
        "waiting": await factories.record_message(pool, app),
    }
    for name, state in {"good": 0, "bad": 2, "worse": 2, "stopped": 4, "untried": 4, "waiting": 2}.items():
        await factories.record_delivery(pool, app, made[name], endpoint, state)
    await pool.execute("UPDATE deliveries SET attempts = 0 WHERE message_id = $1", made["untried"])
    for name, code in {"good": 500, "bad": 200, "worse": 503}.items():
        await factories.record_attempt(pool, app, made[name], endpoint, clock.now() - timedelta(seconds=9), code)
    for name, code in {"good": 200, "bad": 502, "worse": 0, "stopped": 404}.items():
        await factories.record_attempt(pool, app, made[name], endpoint, code=code)
    # What waits is sent anyway.
    await factories.queue_delivery(pool, app, made["waiting"], endpoint, clock.now() + timedelta(hours=1), 3)
    done = await finish(stage, await ask(stage, endpoint, "bulk-replay", {"since": SINCE} | asked))
    assert (done["task"], done["data"]["messagesSent"]) == ("endpoint.bulk-replay", len(expected))
    assert await queued(stage) == {made[name] for name in expected} | {made["waiting"]}
    tries = "SELECT tries FROM pending_deliveries WHERE message_id = $1"
    assert await pool.fetchval(tries, made["waiting"]) == 3


async def test_what_has_no_payload_any_more_is_passed_over_and_counted(stage: Stage, receiver: Receiver) -> None:
    endpoint = await stage.endpoint(receiver.url)
    messages = [await failed(stage, endpoint) for _ in range(3)]
    await stage.database.pool.execute("UPDATE messages SET payload = NULL WHERE id = $1", messages[0])
    await stage.database.pool.execute("DELETE FROM messages WHERE id = $1", messages[1])
    done = await finish(stage, await ask(stage, endpoint, "recover", {"since": past()}))
    assert (done["data"]["messagesSent"], done["data"]["messagesExpired"]) == (1, 1)
    assert await queued(stage) == {messages[2]}


@pytest.mark.parametrize("ordered_by", ["endpoint", "/key"])
async def test_an_ordered_endpoint_gets_replays_in_the_order_of_their_messages(
    stage: Stage, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, ordered_by: str
) -> None:
    monkeypatch.setattr(replays, "_BITE", 7)
    watched = Watched(seconds=0.002)
    receiver.answer = watched
    for number in range(10):
        for key in ("a", "b"):
            # Every third is in the payload store.
            body = {"key": key, "number": number, "text": "x" * (9000 if number % 3 == 0 else 1)}
            await factories.publish(stage.client, stage.application, "invoice.paid", body)
            await asyncio.sleep(0.005)  # Ids sort by 4 milliseconds.
    endpoint = await stage.endpoint(receiver.url, orderedBy=ordered_by)
    assert await stage.database.pool.fetchval("SELECT count(*) FROM messages WHERE stored_digest IS NOT NULL") == 8
    done = await finish(stage, await ask(stage, endpoint, "replay-missing", {"since": SINCE}))
    assert done["data"]["messagesSent"] == 20
    lines = await stage.database.pool.fetch("SELECT line, count(*) FROM pending_deliveries GROUP BY line")
    assert [row["count"] for row in lines] == ([20] if ordered_by == "endpoint" else [10, 10])
    await deliver(stage)
    assert watched.firsts("a") == watched.firsts("b") == list(range(10))
    assert await is_even(stage)


async def test_cancel_ends_what_is_pending_of_older_messages(
    stage: Stage, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "_CANCEL_BITE", 3)
    endpoint, other = await stage.endpoint(receiver.url), await stage.endpoint(receiver.url + "/other")
    old = await publish(stage, *numbered(8))
    await asyncio.sleep(0.01)
    at = clock.now()
    await asyncio.sleep(0.01)
    new = await publish(stage, *numbered(3))
    pool = stage.database.pool
    later = "UPDATE pending_deliveries SET next_attempt_at = now() + interval '1 hour', tries = 2 WHERE message_id = $1"
    await pool.execute(later, old[4])
    await factories.record_delivery(pool, stage.application, old[4], endpoint, 1)
    await ask(stage, endpoint, "cancel-msgs", {"createdBefore": at.isoformat()}, 204)
    await finish(stage)
    assert await states_of(stage, endpoint) == dict.fromkeys(old, 4)
    rows = await pool.fetch("SELECT message_id FROM pending_deliveries WHERE endpoint_id = $1", endpoint)
    assert {row["message_id"] for row in rows} == set(new)
    assert len(await pool.fetch("SELECT FROM pending_deliveries WHERE endpoint_id = $1", other)) == 11
    # Nobody sees a task that the SDKs could not read.
    assert (await stage.client.get("/background-task")).json()["data"] == []
    await pool.execute("UPDATE pending_deliveries SET next_attempt_at = now(), tries = 0")
    await deliver(stage)
    assert await is_even(stage)


async def test_a_line_goes_on_when_its_first_are_canceled(stage: Stage, receiver: Receiver) -> None:
    endpoint = await stage.endpoint(receiver.url, orderedBy="endpoint")
    receiver.answer = lambda _: Answer(503)
    old = await publish(stage, *numbered(3))
    await stage.database.pool.execute(
        "UPDATE pending_deliveries SET next_attempt_at = now() + interval '1 hour' WHERE message_id = $1", old[0]
    )
    await asyncio.sleep(0.01)
    at = clock.now()
    await asyncio.sleep(0.01)
    new = await publish(stage, *numbered(2, begin=3))
    async with stage.draining():
        parked = "SELECT count(*) FROM pending_deliveries WHERE next_attempt_at = 'infinity'"
        async with asyncio.timeout(5):
            while await stage.database.pool.fetchval(parked) < 4:
                await asyncio.sleep(0.01)
        receiver.answer = lambda _: Answer()
        await ask(stage, endpoint, "cancel-msgs", {"createdBefore": at.isoformat()}, 204)
        await finish(stage)
        await until_done(stage)
    assert sent(receiver) == new
    assert await states_of(stage, endpoint) == {**dict.fromkeys(old, 4), **dict.fromkeys(new, 0)}
    assert await is_even(stage)
