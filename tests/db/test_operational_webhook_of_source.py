"""What is told of the endpoints of a source names the source; of all others, their application."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import asyncpg
import httpx
import pytest

from app import ids
from app.db.endpoint.sending import disable
from app.db.operational_webhook.attempts import News, tell_of_attempts
from app.db.pending_delivery.queue import Attempted, Claimed, DeliveryQueue, Recording, Source
from app.db.session import Database
from tests import factories
from tests.api.arriving import Inlet, open_inlet, stripe_event
from tests.db.test_operational_webhook import (
    REASON,
    SINCE,
    due,
    fail_until_told,
    failed,
    listen,
    refusing,
    resend,
    revision,
    told,
)
from tests.factories import URL, Json

TYPES = ("endpoint.disabled", "message.attempt.failing", "message.attempt.exhausted", "message.attempt.recovered")
INGEST_TYPES = tuple(f"ingest.{name}" for name in TYPES)


@dataclass(frozen=True)
class Arrived:
    """An event that arrived at a source, as the worker claims it, and the source's endpoint that it is for."""

    inlet: Inlet
    claimed: Claimed

    @property
    def source(self) -> str:
        return str(self.inlet.source["id"])

    @property
    def application(self) -> str:
        return str(self.inlet.source["applicationId"])

    @property
    def endpoint(self) -> str:
        return self.claimed.endpoint_id


async def arrive(database: Database, client: httpx.AsyncClient, application: str | None = None) -> Arrived:
    """An event at a new source, with an endpoint, that delivers to an application of its own or to that one."""
    inlet = await open_inlet(client, applicationId=application)
    endpoint = (await factories.create_endpoint(client, inlet.source["applicationId"], uid=factories.unique("till")))[
        "id"
    ]
    assert (await inlet.post(stripe_event("evt_1"))).status_code == 200
    source = Source(datetime(2014, 5, 14, tzinfo=UTC), 10)
    (claimed,) = await DeliveryQueue(database.pool).due_of_endpoints({endpoint: source})
    return Arrived(inlet, claimed)


@pytest.fixture
async def arrived(database: Database, client: httpx.AsyncClient) -> Arrived:
    """An event at a source with an application of its own."""
    return await arrive(database, client)


async def told_types(database: Database, organization_id: str) -> list[str]:
    return [event["type"] for event in await told(database, organization_id)]


async def fail_and_recover(database: Database, client: httpx.AsyncClient, row: Claimed) -> list[Attempted]:
    """A delivery that fails four times, then for good, and arrives by a resend; the attempts that are told."""
    queue = DeliveryQueue(database.pool)
    failing = (await fail_until_told(queue, row))[-1]
    exhausted = failed(replace(row, tries=4))
    assert exhausted.attempt is not None
    assert await queue.record([exhausted])
    arrived = Attempted(ids.new_id("atmpt"), URL, 0, 204, b"", 7)
    await resend(client, row)
    assert await queue.record([Recording(replace(row, tries=-1), 0, None, arrived)])
    return [failing, exhausted.attempt, arrived]


def without_times(events: Sequence[Json]) -> list[Json]:
    for event in events:
        assert datetime.fromisoformat(event["data"]["lastAttempt"].pop("timestamp")).tzinfo is not None
    return list(events)


async def test_of_a_sources_delivery_that_fails_and_recovers_the_source_is_named(
    database: Database, client: httpx.AsyncClient, organization_id: str, arrived: Arrived
) -> None:
    listener = await listen(client, *INGEST_TYPES)
    attempts = await fail_and_recover(database, client, arrived.claimed)
    kinds = ("failing", "exhausted", "recovered")
    assert without_times(await told(database, organization_id)) == [
        {
            "type": f"ingest.message.attempt.{kind}",
            "data": {
                "sourceId": arrived.source,
                "endpointId": arrived.endpoint,
                "msgId": arrived.claimed.message_id,
                "msgEventId": f"{arrived.source}.evt_1",
                "lastAttempt": {"id": attempt.id, "responseStatusCode": attempt.code},
            },
        }
        for kind, attempt in zip(kinds, attempts, strict=True)
    ]
    assert await due(database, listener) == 3


async def test_of_a_sources_endpoint_that_is_given_up_or_disabled_the_source_is_named(
    database: Database, client: httpx.AsyncClient, organization_id: str, arrived: Arrived
) -> None:
    listener = await listen(client, "ingest.endpoint.disabled")
    path = f"/app/{arrived.application}/endpoint/{arrived.endpoint}"
    uid = (await client.get(path)).json()["uid"]
    assert await disable(database.pool, arrived.endpoint, 1, REASON, SINCE) is not None
    assert (await client.patch(path, json={"disabled": False})).json()["disabled"] is False
    by_source = factories.ingest(client, f"/source/{arrived.source}/endpoint/{arrived.endpoint}")
    assert (await client.put(by_source, json={"url": URL, "uid": uid, "disabled": True})).status_code == 200
    names = {"sourceId": arrived.source, "endpointId": arrived.endpoint, "endpointUid": uid}
    assert await told(database, organization_id) == [
        {
            "type": "ingest.endpoint.disabled",
            "data": {**names, "failSince": "2026-11-16T12:30:00Z", "trigger": "automatic", "reason": REASON},
        },
        {"type": "ingest.endpoint.disabled", "data": {**names, "trigger": "manual"}},
    ]
    assert await due(database, listener) == 2


async def test_who_wants_the_others_is_not_told_of_a_source_and_who_wants_all_is_told_once(
    database: Database, client: httpx.AsyncClient, organization_id: str, arrived: Arrived
) -> None:
    others, everything = await listen(client, *TYPES), await listen(client)
    await fail_and_recover(database, client, arrived.claimed)
    assert await disable(database.pool, arrived.endpoint, 1, REASON, SINCE) is not None
    assert sorted(await told_types(database, organization_id)) == sorted(INGEST_TYPES)
    assert (await due(database, others), await due(database, everything)) == (0, 4)


async def test_what_else_happens_to_a_sources_endpoint_is_told_of_its_application(
    database: Database, client: httpx.AsyncClient, organization_id: str, arrived: Arrived
) -> None:
    path = f"/app/{arrived.application}/endpoint/{arrived.endpoint}"
    await client.patch(path, json={"disabled": True})
    await listen(client)
    await client.patch(path, json={"disabled": False})
    await client.delete(path)
    events = await told(database, organization_id)
    assert sorted(event["type"] for event in events) == ["endpoint.deleted", "endpoint.enabled", "endpoint.updated"]
    assert {event["data"]["appId"] for event in events} == {arrived.application}


async def test_a_source_that_delivers_to_an_ordinary_application_changes_nothing_of_what_is_told(
    database: Database, client: httpx.AsyncClient, organization_id: str, application: str
) -> None:
    arrived = await arrive(database, client, application)
    await listen(client)
    await fail_and_recover(database, client, arrived.claimed)
    assert await disable(database.pool, arrived.endpoint, 1, REASON, SINCE) is not None
    events = await told(database, organization_id)
    assert sorted(event["type"] for event in events) == sorted(TYPES)
    for event in events:
        assert event["data"]["appId"] == application
        assert "sourceId" not in event["data"]


async def test_an_application_that_its_source_left_is_an_ordinary_one(
    database: Database, client: httpx.AsyncClient, organization_id: str, application: str, arrived: Arrived
) -> None:
    await open_inlet(client, applicationId=arrived.application)
    await listen(client, "endpoint.disabled", "ingest.endpoint.disabled")
    path = factories.ingest(client, f"/source/{arrived.source}")
    second = await arrive(database, client)
    assert (await client.patch(path, json={"applicationId": application})).status_code == 200
    await open_inlet(client, applicationId=second.application)
    assert (await client.delete(factories.ingest(client, f"/source/{second.source}"))).status_code == 204
    for left in (arrived, second):
        assert await disable(database.pool, left.endpoint, await revision(database, left.endpoint), REASON, None)
    events = await told(database, organization_id)
    assert [event["type"] for event in events] == ["endpoint.disabled"] * 2
    assert [event["data"]["appId"] for event in events] == [arrived.application, second.application]


async def test_what_ends_after_the_source_was_deleted_with_its_application_still_names_it(
    database: Database, client: httpx.AsyncClient, organization_id: str, arrived: Arrived
) -> None:
    await listen(client, *INGEST_TYPES)
    assert (await client.delete(factories.ingest(client, f"/source/{arrived.source}"))).status_code == 204
    row, attempt = arrived.claimed, ids.new_id("atmpt")
    async with database.pool.acquire() as connection, connection.transaction():
        news = News("exhausted", row.application_id, row.endpoint_id, row.message_id, attempt, 503)
        await tell_of_attempts(connection, [news])
    (event,) = await told(database, organization_id)
    assert (event["type"], event["data"]["sourceId"]) == ("ingest.message.attempt.exhausted", arrived.source)


async def test_a_sources_failure_that_cannot_be_told_is_not_recorded(
    database: Database, client: httpx.AsyncClient, organization_id: str, arrived: Arrived
) -> None:
    await listen(client)
    queue = DeliveryQueue(database.pool)
    async with refusing(database, "messages", organization_id):
        with pytest.raises(asyncpg.RaiseError, match="no room"):
            await queue.record([failed(arrived.claimed)])
        with pytest.raises(asyncpg.RaiseError, match="no room"):
            await disable(database.pool, arrived.endpoint, 1, REASON, None)
    assert await due(database, arrived.endpoint) == 1
    assert await queue.record([failed(arrived.claimed)]) == {arrived.claimed.key}
    assert await disable(database.pool, arrived.endpoint, 1, REASON, None) is not None
    assert await told_types(database, organization_id) == [
        "ingest.message.attempt.exhausted",
        "ingest.endpoint.disabled",
    ]


async def test_events_of_many_applications_that_are_told_at_once_each_name_their_own(
    database: Database, client: httpx.AsyncClient, organization_id: str, application: str
) -> None:
    await listen(client)
    sources = [(await open_inlet(client)).source for _ in range(3)]
    targets = [application, *(source["applicationId"] for source in sources)]
    async with database.pool.acquire() as connection, connection.transaction():
        await tell_of_attempts(
            connection,
            [
                News("failing", target, ids.new_id("ep"), ids.new_id("msg"), ids.new_id("atmpt"), 500)
                for target in targets
                for _ in range(2)
            ],
        )
    events = await told(database, organization_id)
    named = [(event["type"], event["data"].get("appId"), event["data"].get("sourceId")) for event in events]
    expected: list[tuple[str, str | None, str | None]] = [("message.attempt.failing", application, None)] * 2
    expected += [("ingest.message.attempt.failing", None, source["id"]) for source in sources for _ in range(2)]
    assert sorted(named, key=str) == sorted(expected, key=str)
