"""Broadcasts: each application gets the message once, whatever happens meanwhile."""

from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from app import ids, tokens
from app.db.background_task.bites import Progress, Task, TaskFailed
from app.db.background_task.model import TaskKind
from app.db.session import Database
from app.settings import Settings
from tests import factories
from tests.factories import Json
from tests.receiver import Receiver
from tests.worker.stage import Stage, sent, staged, until_done
from worker.background import HANDLERS, BackgroundWork, Handler
from worker.broadcast import broadcast_bite
from worker.stored_payloads import StoredPayloads

BODY: Json = {"eventType": "news", "payload": {"n": 1}}


@pytest.fixture
async def stage(settings: Settings, empty_dsn: str, token: str) -> AsyncIterator[Stage]:
    async with staged(settings.model_copy(update={"db_dsn": empty_dsn}), token) as opened:
        yield opened


def work(stage: Stage, handler: Handler = broadcast_bite) -> BackgroundWork:
    return BackgroundWork(stage.database.pool, StoredPayloads(None), lambda shards: None, {TaskKind.BROADCAST: handler})


async def start(client: httpx.AsyncClient, **fields: object) -> str:
    answer = await client.post("/msg/broadcast", json=BODY | fields)
    assert answer.status_code == 202, answer.text
    shown: Json = answer.json()
    assert (shown["status"], shown["task"]) == ("running", "message.broadcast")
    assert set(shown) == {"id", "status", "task", "updatedAt"}
    assert ids.is_id(shown["id"], "qtask")
    return str(shown["id"])


async def messages(stage: Stage) -> dict[str, list[str]]:
    rows = await stage.database.pool.fetch(
        "SELECT application_id, array_agg(id) AS made FROM messages WHERE event_type = 'news' GROUP BY 1"
    )
    return {row["application_id"]: row["made"] for row in rows}


async def task_of(stage: Stage, task_id: str) -> Json:
    shown: Json = (await stage.client.get(f"/background-task/{task_id}")).json()
    return shown


async def test_every_application_of_the_organization_gets_the_message_and_no_other(
    stage: Stage, receiver: Receiver
) -> None:
    assert HANDLERS[TaskKind.BROADCAST] is broadcast_bite
    await stage.endpoint(receiver.url)
    second = (await factories.create_application(stage.client))["id"]
    taken = (await factories.create_application(stage.client))["id"]
    await factories.publish(stage.client, taken, "other", eventId="news-1")
    deleted = (await factories.create_application(stage.client))["id"]
    assert (await stage.client.delete(f"/app/{deleted}")).is_success
    assert stage.settings.jwt_secret is not None
    secret, algorithm = stage.settings.jwt_secret.get_secret_value(), stage.settings.jwt_algorithm
    foreign = tokens.issue(secret, algorithm, ids.new_id("org"))
    async with factories.client_of(stage.app, foreign) as stranger:
        await factories.create_application(stranger)
    task = await start(stage.client, eventId="news-1", payloadRetentionHours=30, channels=["a"])
    assert await work(stage).bite()
    assert not await work(stage).bite()
    made = await messages(stage)
    assert {key: len(found) for key, found in made.items()} == {stage.application: 1, second: 1}
    shown = await task_of(stage, task)
    assert (shown["status"], shown["data"]) == (
        "finished",
        {
            "messagesCreated": [{"appId": key, "msgId": made[key][0]} for key in sorted(made)],
            "created": 2,
            "skipped": 1,
        },
    )
    row = await stage.database.pool.fetchrow("SELECT * FROM messages WHERE id = $1", made[second][0])
    assert (row["payload"], row["event_id"], row["channels"], row["payload_days"]) == (
        b'{"n":1}',
        "news-1",
        ["a"],
        2,
    )
    # What was published is not kept beside the messages.
    assert await stage.database.pool.fetchval("SELECT count(*) FROM broadcasts") == 0
    async with stage.draining():
        await until_done(stage)
    assert made[stage.application][0] in sent(receiver)


async def test_a_payload_is_published_byte_for_byte_and_once_for_an_idempotency_key(stage: Stage) -> None:
    exact = b'{"b": 1.10, "a" : [1E5],  "a": "\\u0000\xc3\xa9"}'
    content = b'{"payload": ' + exact + b', "eventType": "news"}'
    headers = {"content-type": "application/json", "idempotency-key": "k"}
    answers = [await stage.client.post("/msg/broadcast", content=content, headers=headers) for _ in range(2)]
    assert answers[0].status_code == 202, answers[0].text
    assert answers[0].content == answers[1].content
    # Neither the task's arguments nor the audit log show it.
    kept = await stage.database.pool.fetchval(
        "SELECT (SELECT string_agg(t::text, '') FROM background_tasks t) || (SELECT string_agg(a::text, '') FROM"
        " audit_entries a WHERE operation = 'v1.message.broadcast')"
    )
    assert "1.10" not in kept
    assert await work(stage).bite()
    assert not await work(stage).bite()
    assert await stage.database.pool.fetchval("SELECT payload FROM messages WHERE event_type = 'news'") == exact


async def test_a_broadcast_that_is_broken_off_goes_on_without_publishing_twice(stage: Stage) -> None:
    made = {stage.application} | {(await factories.create_application(stage.client))["id"] for _ in range(5)}
    # So large that a bite is some applications only.
    task = await start(stage.client, payload={"a": "x" * 1_000_000})
    assert await work(stage).bite()
    first = await messages(stage)
    assert 0 < len(first) < len(made)
    shown = await task_of(stage, task)
    assert (shown["status"], shown["data"]["created"]) == ("running", len(first))

    async def broken(connection: asyncpg.Connection, task: Task) -> Progress:
        await broadcast_bite(connection, task)
        raise ConnectionError("the worker was killed before it could commit")

    assert await work(stage, broken).bite()
    assert await messages(stage) == first
    await stage.database.pool.execute("UPDATE background_tasks SET next_bite_at = now()")
    while await work(stage).bite():
        pass
    after = await messages(stage)
    assert {key: len(found) for key, found in after.items()} == dict.fromkeys(made, 1)
    assert {key: after[key] for key in first} == first
    assert (await task_of(stage, task))["status"] == "finished"


async def test_a_broadcast_that_fails_keeps_no_payload(stage: Stage) -> None:
    task = await start(stage.client, payloadRetentionHours=1)

    async def fail(_connection: asyncpg.Connection, _task: Task) -> Progress:
        raise TaskFailed("It cannot be published.")

    assert await work(stage, fail).bite()
    assert (await task_of(stage, task))["status"] == "failed"
    assert await stage.database.pool.fetchval("SELECT count(*) FROM broadcasts") == 0


@pytest.mark.parametrize(
    ("fields", "loc"),
    [
        ({"payload": [1]}, ["body", "payload"]),
        ({"payload": None}, ["body", "payload"]),
        ({"eventType": "a b"}, ["body", "eventType"]),
        ({"channels": []}, ["body", "channels"]),
        ({"payloadRetentionHours": 1, "payloadRetentionPeriod": 1}, ["body", "__all__"]),
    ],
)
async def test_a_bad_broadcast_is_refused_and_nothing_is_started(
    client: httpx.AsyncClient, organization_id: str, database: Database, fields: Json, loc: list[str]
) -> None:
    answer = await client.post("/msg/broadcast", json=BODY | fields)
    assert answer.status_code == 422
    assert [found["loc"] for found in answer.json()["detail"]] == [loc]
    query = "SELECT count(*) FROM background_tasks WHERE organization_id = $1"
    assert await database.pool.fetchval(query, organization_id) == 0
