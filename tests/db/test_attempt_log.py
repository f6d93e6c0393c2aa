"""The log of attempts: every attempt is told once to whoever names the event type, and to nobody else."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime

import asyncpg
import httpx
import pytest

from app import ids
from app.db.operational_webhook.attempt_log import subscribers, tell_of_noted
from app.db.pending_delivery.queue import Attempted, Claimed, DeliveryQueue, Recording, Source
from app.db.session import Database
from tests import factories
from tests.factories import URL, Json

LOG = "message.attempt.log"


@pytest.fixture
async def claimed(database: Database, client: httpx.AsyncClient, application: str) -> Claimed:
    """A delivery that is due, as the worker claims it."""
    endpoint = (await factories.create_endpoint(client, application))["id"]
    await factories.publish(client, application, eventId="paid-1")
    source = Source(datetime(2014, 5, 14, tzinfo=UTC), 10)
    (row,) = await DeliveryQueue(database.pool).due_of_endpoints({endpoint: source})
    return row


async def listen(client: httpx.AsyncClient, *event_types: str) -> str:
    body: Json = {"url": URL, "eventTypes": list(event_types)} if event_types else {"url": URL}
    return str((await client.post("/operational-webhook/endpoint", json=body)).json()["id"])


def attempt(status: int = 2, code: int = 503) -> Attempted:
    return Attempted(ids.new_id("atmpt"), URL, status, code, b"", 1500)


async def logs(database: Database, organization_id: str) -> list[list[Json]]:
    rows = await database.pool.fetch(
        "SELECT m.payload FROM messages m JOIN organizations o ON o.operational_application_id = m.application_id"
        " WHERE o.id = $1 AND m.event_type = $2 ORDER BY m.id",
        organization_id,
        LOG,
    )
    events = [json.loads(row["payload"]) for row in rows]
    assert {event["type"] for event in events} <= {LOG}
    return [event["data"] for event in events]


async def noted(database: Database, organization_id: str) -> int:
    query = "SELECT count(*) FROM attempt_logs WHERE organization_id = $1"
    return int(await database.pool.fetchval(query, organization_id))


async def test_every_attempt_is_told_once_many_in_one_message(
    database: Database, client: httpx.AsyncClient, organization_id: str, claimed: Claimed
) -> None:
    listener, everything = await listen(client, LOG), await listen(client)
    queue = DeliveryQueue(database.pool)
    await queue.look_for_subscribers()
    assert queue.subscribers == [organization_id]
    tries = [attempt(), attempt(), attempt(0, 204)]
    for number, made in enumerate(tries):
        recording = Recording(
            replace(claimed, tries=number), 0 if number == 2 else 1, None if number == 2 else 0.0, made
        )
        assert await queue.record([recording])
        assert await queue.record([recording]) == set(), "it had moved on"
    # Two chores at once tell it once.
    await asyncio.gather(tell_of_noted(database.pool), tell_of_noted(database.pool))
    (told,) = await logs(database, organization_id)
    assert [(each["attemptId"], each["status"], each["attemptCount"]) for each in told] == [
        (made.id, made.status, number + 1) for number, made in enumerate(tries)
    ]
    shown = (await client.get(f"/app/{claimed.application_id}/msg/{claimed.message_id}")).json()
    assert told[2] | {"attemptStart": "", "attemptEnd": ""} == {
        "orgId": organization_id,
        "appId": claimed.application_id,
        "endpointId": claimed.endpoint_id,
        "msgId": claimed.message_id,
        "msgEventId": "paid-1",
        "msgCreated": shown["timestamp"],
        "eventType": shown["eventType"],
        "attemptId": tries[2].id,
        "attemptStart": "",
        "attemptEnd": "",
        "attemptCount": 3,
        "status": 0,
        "responseStatusCode": 204,
    }
    began, ended = (datetime.fromisoformat(told[2][name]) for name in ("attemptStart", "attemptEnd"))
    assert (ended - began).total_seconds() == 1.5
    due = "SELECT endpoint_id FROM pending_deliveries p JOIN messages m ON m.id = p.message_id WHERE m.event_type = $1"
    told_to = {row["endpoint_id"] for row in await database.pool.fetch(due, LOG)}
    assert (listener in told_to, everything in told_to) == (True, False)
    assert await noted(database, organization_id) == 0


async def test_where_nobody_subscribes_nothing_is_noted(
    database: Database, client: httpx.AsyncClient, organization_id: str, claimed: Claimed
) -> None:
    await listen(client)
    await client.post("/operational-webhook/endpoint", json={"url": URL, "eventTypes": [LOG], "disabled": True})
    queue = DeliveryQueue(database.pool)
    assert await queue.record([Recording(claimed, 1, 0.0, attempt())])
    assert await noted(database, organization_id) == 0


async def test_a_subscription_is_seen_and_so_is_its_end(
    database: Database, client: httpx.AsyncClient, organization_id: str, claimed: Claimed
) -> None:
    listener = await listen(client, LOG)
    assert organization_id in await subscribers(database.pool)
    queue = DeliveryQueue(database.pool)
    assert await queue.record([Recording(claimed, 1, 0.0, attempt())])
    assert await noted(database, organization_id) == 1
    await client.delete(f"/operational-webhook/endpoint/{listener}")
    await tell_of_noted(database.pool)
    assert await noted(database, organization_id) == 0, "it is told to nobody"
    assert await logs(database, organization_id) == []


async def test_more_than_one_message_holds_are_told_in_several(
    database: Database, client: httpx.AsyncClient, organization_id: str, claimed: Claimed
) -> None:
    await listen(client, LOG)
    await DeliveryQueue(database.pool).record([Recording(claimed, 1, 0.0, attempt())])
    await database.pool.execute(
        "INSERT INTO attempt_logs SELECT attempt_id || n, organization_id, application_id, endpoint_id, message_id,"
        " status, response_status_code, attempts, started_at, ended_at FROM attempt_logs, generate_series(1, 449) n"
        " WHERE organization_id = $1",
        organization_id,
    )
    await tell_of_noted(database.pool)
    assert [len(each) for each in await logs(database, organization_id)] == [200, 200, 50]


async def test_what_cannot_be_stored_stays_noted(
    database: Database, client: httpx.AsyncClient, organization_id: str, claimed: Claimed
) -> None:
    await listen(client, LOG)
    await DeliveryQueue(database.pool).record([Recording(claimed, 1, 0.0, attempt())])
    name = f"refuse_{ids.new_id('qtask').lower()}"
    application = await database.pool.fetchval(
        "SELECT operational_application_id FROM organizations WHERE id = $1", organization_id
    )
    await database.pool.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no room'; END $$;"
        f"CREATE TRIGGER {name} BEFORE INSERT ON pending_deliveries FOR EACH ROW"
        f" WHEN (NEW.application_id = '{application}') EXECUTE FUNCTION {name}()"
    )
    try:
        with pytest.raises(asyncpg.RaiseError, match="no room"):
            await tell_of_noted(database.pool)
    finally:
        await database.pool.execute(f"DROP TRIGGER {name} ON pending_deliveries; DROP FUNCTION {name}()")
    assert await noted(database, organization_id) == 1
    await tell_of_noted(database.pool)
    assert [len(each) for each in await logs(database, organization_id)] == [1]
