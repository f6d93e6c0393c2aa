"""What is told of an endpoint is stored with what happened to it, or neither is, and once."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import asyncpg
import httpx
import pytest

from app import ids
from app.db.endpoint.sending import disable
from app.db.endpoint_health.table import EndpointHealth, EndpointHealthTable
from app.db.pending_delivery.queue import Attempted, Claimed, DeliveryQueue, Recording, Source
from app.db.session import Database
from app.db.shard.model import shard_of
from tests import factories
from tests.factories import URL, Json

SINCE = datetime(2026, 11, 16, 12, 30, tzinfo=UTC)
REASON = "the receiver answered 410 Gone"

_FORBID = """
CREATE FUNCTION refuse_{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no room'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON {table} FOR EACH ROW WHEN (NEW.application_id = '{application}')
    EXECUTE FUNCTION refuse_{name}();
"""


@pytest.fixture
async def endpoint(client: httpx.AsyncClient, application: str) -> str:
    """An endpoint of a customer of the organization."""
    made: str = (await factories.create_endpoint(client, application, uid=factories.unique("till")))["id"]
    return made


async def listen(client: httpx.AsyncClient, *event_types: str) -> str:
    """An operational endpoint; its id."""
    answer = await client.post("/operational-webhook/endpoint", json={"url": URL, "eventTypes": list(event_types)})
    return str(answer.json()["id"])


async def told(database: Database, organization_id: str) -> list[Json]:
    """The operational webhooks that are stored, oldest first."""
    rows = await database.pool.fetch(
        "SELECT m.event_type, m.payload FROM messages m JOIN organizations o ON o.operational_application_id ="
        " m.application_id WHERE o.id = $1 ORDER BY m.created_at, m.event_type",
        organization_id,
    )
    payloads = [json.loads(row["payload"]) for row in rows]
    assert [row["event_type"] for row in rows] == [payload["type"] for payload in payloads]
    return payloads


async def due(database: Database, endpoint_id: str) -> int:
    query = "SELECT count(*) FROM pending_deliveries WHERE endpoint_id = $1"
    return int(await database.pool.fetchval(query, endpoint_id))


async def revision(database: Database, endpoint_id: str) -> int:
    return int(await database.pool.fetchval("SELECT revision FROM endpoints WHERE id = $1", endpoint_id))


@asynccontextmanager
async def refusing(database: Database, table: str, organization_id: str) -> AsyncIterator[None]:
    """Postgres stores nothing more in a table of what the organization is told."""
    query = "SELECT operational_application_id FROM organizations WHERE id = $1"
    application = await database.pool.fetchval(query, organization_id)
    name = ids.new_id("qtask").lower()
    await database.pool.execute(_FORBID.format(name=name, table=table, application=application))
    yield
    await database.pool.execute(f"DROP TRIGGER refuse ON {table}; DROP FUNCTION refuse_{name}()")


async def test_an_endpoint_that_is_given_up_says_why_and_the_organization_is_told(
    database: Database, client: httpx.AsyncClient, organization_id: str, application: str, endpoint: str
) -> None:
    listener = await listen(client, "endpoint.disabled")
    shards = await disable(database.pool, endpoint, 1, REASON, SINCE)
    assert shards == {shard_of(listener)}
    shown = (await client.get(f"/app/{application}/endpoint/{endpoint}")).json()
    assert (shown["disabled"], shown["disabledReason"]) == (True, REASON)
    (event,) = await told(database, organization_id)
    assert event == {
        "type": "endpoint.disabled",
        "data": {
            "appId": application,
            "endpointId": endpoint,
            "endpointUid": shown["uid"],
            "failSince": "2026-11-16T12:30:00Z",
            "trigger": "automatic",
            "reason": REASON,
        },
    }
    assert await due(database, listener) == 1


@pytest.mark.parametrize("table", ["messages", "pending_deliveries"])
async def test_what_cannot_be_told_does_not_happen(
    database: Database, client: httpx.AsyncClient, organization_id: str, application: str, endpoint: str, table: str
) -> None:
    await listen(client, "endpoint.disabled")
    path = f"/app/{application}/endpoint/{endpoint}"
    async with refusing(database, table, organization_id):
        with pytest.raises(asyncpg.RaiseError, match="no room"):
            await disable(database.pool, endpoint, 1, REASON, None)
        assert (await client.patch(path, json={"disabled": True})).status_code == 500
    assert (await client.get(path)).json()["disabled"] is False
    assert await told(database, organization_id) == []
    assert await disable(database.pool, endpoint, 1, REASON, None) is not None
    assert len(await told(database, organization_id)) == 1


async def test_of_many_workers_that_see_it_fail_one_disables_and_tells(
    database: Database, client: httpx.AsyncClient, organization_id: str, endpoint: str
) -> None:
    listener = await listen(client)
    done = await asyncio.gather(*(disable(database.pool, endpoint, 1, REASON, None) for _ in range(6)))
    assert len([shards for shards in done if shards is not None]) == 1
    assert len(await told(database, organization_id)) == 1
    assert await due(database, listener) == 1


async def test_what_was_sent_before_the_endpoint_was_changed_does_not_end_it(
    database: Database, client: httpx.AsyncClient, organization_id: str, application: str, endpoint: str
) -> None:
    path = f"/app/{application}/endpoint/{endpoint}"
    await client.patch(path, json={"url": URL + "/moved"})
    assert await disable(database.pool, endpoint, 1, REASON, None) is None
    assert (await client.get(path)).json()["disabled"] is False
    assert await disable(database.pool, endpoint, await revision(database, endpoint), REASON, None) == set()
    assert (await client.get(path)).json()["disabled"] is True


async def test_an_operational_endpoint_that_is_given_up_is_told_to_nobody(
    database: Database, client: httpx.AsyncClient, organization_id: str
) -> None:
    first, second = await listen(client), await listen(client)
    assert await disable(database.pool, first, 1, REASON, None) == set()
    await client.put(f"/operational-webhook/endpoint/{second}", json={"url": URL, "description": "changed"})
    assert await told(database, organization_id) == []
    shown = (await client.get(f"/operational-webhook/endpoint/{first}")).json()
    assert (shown["disabled"], shown["disabledReason"]) == (True, REASON)


async def test_each_change_of_an_endpoint_is_told_with_its_names(
    database: Database, client: httpx.AsyncClient, organization_id: str
) -> None:
    application = (await factories.create_application(client, uid="acme"))["id"]
    await listen(client)
    path = f"/app/{application}/endpoint"
    till = f"{path}/till"
    steps: list[tuple[str, str, Json, set[str]]] = [
        ("POST", path, {"url": URL, "uid": "till"}, {"endpoint.created"}),
        ("PATCH", till, {"description": "changed"}, {"endpoint.updated"}),
        ("PATCH", till, {"disabled": True}, {"endpoint.updated", "endpoint.disabled"}),
        ("PATCH", till, {"disabled": True}, {"endpoint.updated"}),
        ("PUT", till, {"url": URL}, {"endpoint.updated", "endpoint.enabled"}),
        ("PUT", f"{till}/headers", {"headers": {"X-A": "1"}}, {"endpoint.updated"}),
        ("POST", f"{till}/secret/rotate", {}, {"endpoint.updated"}),
        ("DELETE", till, {}, {"endpoint.deleted"}),
        ("PUT", till, {"url": URL, "disabled": True}, {"endpoint.created"}),
    ]
    seen = 0
    for method, to, body, types in steps:
        assert (await client.request(method, to, json=body)).is_success
        events = (await told(database, organization_id))[seen:]
        seen += len(events)
        assert Counter(event["type"] for event in events) == Counter(types)
        for event in events:
            data = event["data"]
            assert data.pop("trigger", None) == ("manual" if event["type"] == "endpoint.disabled" else None)
            assert data.pop("endpointId").startswith("ep_")
            assert data == {"appId": application, "appUid": "acme", "endpointUid": "till"}


async def test_a_change_that_is_refused_is_not_told(
    database: Database, client: httpx.AsyncClient, organization_id: str, application: str, endpoint: str
) -> None:
    await listen(client)
    other = (await factories.create_endpoint(client, application, uid=factories.unique("shop")))["uid"]
    answer = await client.patch(f"/app/{application}/endpoint/{endpoint}", json={"uid": other})
    assert answer.status_code == 409
    assert [event["type"] for event in await told(database, organization_id)] == ["endpoint.created"]


async def test_who_did_not_subscribe_is_not_told_and_nothing_is_stored_for_nobody(
    database: Database, client: httpx.AsyncClient, organization_id: str, application: str, endpoint: str
) -> None:
    path = f"/app/{application}/endpoint/{endpoint}"
    await client.patch(path, json={"description": "before anybody listens"})
    created, disabled = await listen(client, "endpoint.created"), await listen(client, "endpoint.updated")
    await client.put(f"/operational-webhook/endpoint/{disabled}", json={"url": URL, "disabled": True})
    await client.patch(path, json={"description": "nobody listens"})
    assert await told(database, organization_id) == []
    await factories.create_endpoint(client, application)
    assert len(await told(database, organization_id)) == 1
    assert (await due(database, created), await due(database, disabled)) == (1, 0)


async def test_another_organization_is_not_told(
    database: Database, client: httpx.AsyncClient, stranger: httpx.AsyncClient, application: str
) -> None:
    theirs = await listen(stranger)
    ours = await listen(client)
    await factories.create_endpoint(client, application)
    assert (await due(database, ours), await due(database, theirs)) == (1, 0)


async def test_an_endpoint_that_is_enabled_again_begins_without_a_past(
    database: Database, client: httpx.AsyncClient, application: str, endpoint: str
) -> None:
    table, path = EndpointHealthTable(database.pool), f"/app/{application}/endpoint/{endpoint}"
    failing = EndpointHealth(endpoint, SINCE.timestamp(), SINCE.timestamp(), 99, SINCE.timestamp(), 1)
    await table.store([failing])
    assert await disable(database.pool, endpoint, 1, REASON, SINCE) == set()
    again = (await client.patch(path, json={"disabled": False})).json()
    assert (again["disabled"], "disabledReason" in again) == (False, False)
    assert await table.load([endpoint]) == {}
    assert await database.pool.fetchval("SELECT disabled_reason FROM endpoints WHERE id = $1", endpoint) is None


async def test_what_was_learned_of_an_endpoint_is_not_replaced_by_what_was_learned_before(
    database: Database, endpoint: str
) -> None:
    table = EndpointHealthTable(database.pool)
    newer, older = EndpointHealth(endpoint, None, 5.0, 1, None, 7), EndpointHealth(endpoint, 1.0, 1.0, 99, None, 6)
    await table.store([newer])
    await table.store([older])
    (kept,) = (await table.load([endpoint])).values()
    assert (kept, kept.revision) == (newer, 7)


@pytest.fixture
async def claimed(database: Database, client: httpx.AsyncClient, application: str, endpoint: str) -> Claimed:
    """A delivery that is due, as the worker claims it."""
    await factories.publish(client, application, eventId="paid-1")
    source = Source(datetime(2014, 5, 14, tzinfo=UTC), 10)
    (row,) = await DeliveryQueue(database.pool).due_of_endpoints({endpoint: source})
    return row


def failed(row: Claimed) -> Recording:
    """The delivery failed, and there is no next attempt."""
    return Recording(row, 2, None, Attempted(ids.new_id("atmpt"), URL, 2, 503, b"", 7))


async def test_a_delivery_that_failed_for_good_is_told_with_its_last_attempt(
    database: Database, client: httpx.AsyncClient, organization_id: str, claimed: Claimed
) -> None:
    listener = await listen(client, "message.attempt.exhausted")
    recording, queue = failed(claimed), DeliveryQueue(database.pool)
    assert await queue.record([recording]) == {claimed.key}
    assert await queue.record([recording]) == set(), "it had moved on"
    (event,) = await told(database, organization_id)
    assert recording.attempt is not None
    attempts = f"/app/{claimed.application_id}/attempt/msg/{claimed.message_id}"
    (attempt,) = (await client.get(attempts)).json()["data"]
    assert event == {
        "type": "message.attempt.exhausted",
        "data": {
            "appId": claimed.application_id,
            "endpointId": claimed.endpoint_id,
            "msgId": claimed.message_id,
            "msgEventId": "paid-1",
            "lastAttempt": {"id": recording.attempt.id, "responseStatusCode": 503, "timestamp": attempt["timestamp"]},
        },
    }
    assert await due(database, listener) == 1


async def test_a_delivery_that_will_be_tried_again_succeeded_or_was_tried_by_hand_is_not_told(
    database: Database, client: httpx.AsyncClient, organization_id: str, claimed: Claimed
) -> None:
    await listen(client)
    queue, attempt = DeliveryQueue(database.pool), failed(claimed).attempt
    assert attempt is not None
    assert await queue.record([Recording(claimed, 1, 0.0, attempt)])
    delivered = Recording(replace(claimed, tries=1), 0, None, replace(attempt, id=ids.new_id("atmpt"), status=0))
    assert await queue.record([delivered])
    path = f"/app/{claimed.application_id}/msg/{claimed.message_id}/endpoint/{claimed.endpoint_id}/resend"
    assert (await client.post(path)).is_success
    assert await queue.record([failed(replace(claimed, tries=-1))])
    assert await told(database, organization_id) == []


async def test_a_failure_that_cannot_be_told_is_not_recorded(
    database: Database, client: httpx.AsyncClient, organization_id: str, claimed: Claimed
) -> None:
    await listen(client)
    queue = DeliveryQueue(database.pool)
    async with refusing(database, "messages", organization_id):
        with pytest.raises(asyncpg.RaiseError, match="no room"):
            await queue.record([failed(claimed)])
    assert await due(database, claimed.endpoint_id) == 1
    assert await queue.record([failed(claimed)]) == {claimed.key}
    assert len(await told(database, organization_id)) == 1


async def fail_until_told(queue: DeliveryQueue, row: Claimed) -> list[Attempted]:
    """Four attempts that fail, as the schedule makes them; the last of them is told."""
    attempts = [Attempted(ids.new_id("atmpt"), URL, 2, 500, b"", 7) for _ in range(4)]
    for tries, attempt in enumerate(attempts):
        assert await queue.record([Recording(replace(row, tries=tries), 1, 0.0, attempt)])
    return attempts


async def test_the_fourth_failure_is_told_and_so_is_that_it_recovered(
    database: Database, client: httpx.AsyncClient, organization_id: str, claimed: Claimed
) -> None:
    await listen(client)
    queue = DeliveryQueue(database.pool)
    attempts = await fail_until_told(queue, claimed)
    (failing,) = await told(database, organization_id)
    assert failing["type"] == "message.attempt.failing"
    assert failing["data"]["lastAttempt"]["id"] == attempts[3].id
    assert (failing["data"]["msgId"], failing["data"]["msgEventId"]) == (claimed.message_id, "paid-1")
    fifth = replace(attempts[0], id=ids.new_id("atmpt"))
    assert await queue.record([Recording(replace(claimed, tries=4), 1, 0.0, fifth)])
    assert len(await told(database, organization_id)) == 1
    arrived = replace(attempts[0], id=ids.new_id("atmpt"), status=0, code=204)
    assert await queue.record([Recording(replace(claimed, tries=5), 0, None, arrived)])
    (_, recovered) = await told(database, organization_id)
    assert (recovered["type"], recovered["data"]["lastAttempt"]["responseStatusCode"]) == (
        "message.attempt.recovered",
        204,
    )


async def resend(client: httpx.AsyncClient, row: Claimed) -> None:
    path = f"/app/{row.application_id}/msg/{row.message_id}/endpoint/{row.endpoint_id}/resend"
    assert (await client.post(path)).is_success


async def test_a_resend_that_arrives_recovers_what_had_failed_and_nothing_else(
    database: Database, client: httpx.AsyncClient, organization_id: str, claimed: Claimed
) -> None:
    await listen(client, "message.attempt.exhausted", "message.attempt.recovered")
    queue = DeliveryQueue(database.pool)
    assert await queue.record([failed(claimed)])
    arrived = Attempted(ids.new_id("atmpt"), URL, 0, 200, b"", 7)
    for _ in range(2):
        await resend(client, claimed)
        recording = Recording(replace(claimed, tries=-1), 0, None, replace(arrived, id=ids.new_id("atmpt")))
        assert await queue.record([recording])
    types = [event["type"] for event in await told(database, organization_id)]
    assert types == ["message.attempt.exhausted", "message.attempt.recovered"]
