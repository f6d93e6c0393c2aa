"""Background tasks that look at all of an organization: usage, subscriptions, and its event types as a document."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx
import pytest
from fastapi import FastAPI
from svix.api import SvixAsync
from svix.models import AppUsageStatsIn

from app import ids
from app.db.session import Database
from app.settings import Settings
from tests import factories
from tests.factories import Json
from tests.servers import Servers
from tests.worker.counting import secluded
from worker.background import BackgroundWork
from worker.stored_payloads import StoredPayloads

SINCE: Final = datetime(2026, 11, 1, tzinfo=UTC)
UNTIL: Final = datetime(2026, 11, 10, tzinfo=UTC)
SPAN: Final = {"since": SINCE.isoformat(), "until": UNTIL.isoformat()}
_MESSAGES: Final = """
INSERT INTO messages (id, application_id, event_type, payload, deliveries)
SELECT i.id, $2, 'invoice.paid', '{}', $3 FROM unnest($1::text[]) AS i(id)
"""


@pytest.fixture(scope="module")
async def own(settings: Settings, servers: Servers) -> AsyncIterator[Database]:
    """A database in which nobody else has tasks: here they are done, whosever they are."""
    async with secluded(settings, servers) as opened:
        yield opened


@pytest.fixture(scope="module")
async def app(settings: Settings, own: Database) -> AsyncIterator[FastAPI]:
    async with factories.running(settings.model_copy(update={"db_dsn": own._dsn})) as started:
        yield started


@pytest.fixture
def database(own: Database) -> Database:
    return own


@pytest.fixture
async def svix(client: httpx.AsyncClient, token: str) -> SvixAsync:
    """The official client, whose requests go to the application in this process."""
    made = SvixAsync(token)
    await made._httpx_client.aclose()
    made._httpx_client = client
    return made


async def messages(database: Database, application: str, count: int, deliveries: int | None, at: datetime) -> list[str]:
    made = sorted(factories.id_at("msg", at) for _ in range(count))
    await database.pool.execute(_MESSAGES, made, application, deliveries)
    return made


async def finished(database: Database, client: httpx.AsyncClient, answer: httpx.Response) -> Json:
    """What came of a task that was started just now."""
    assert answer.status_code == 202, answer.text
    assert answer.json()["status"] == "running"
    background = BackgroundWork(database.pool, StoredPayloads(None), lambda shards: None)
    async with asyncio.timeout(20):
        while (task := (await client.get(f"/background-task/{answer.json()['id']}")).json())["status"] == "running":
            await background.bite()
    assert task["task"] == answer.json()["task"]
    found: Json = task
    return found


async def test_the_deliveries_of_each_application_are_counted_however_many(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, database: Database
) -> None:
    large, small, none = [await factories.create_application(client, uid=uid) for uid in ("large", None, "none")]
    await messages(database, large["id"], 1200, 3, SINCE)
    await messages(database, small["id"], 2, 1, SINCE + timedelta(days=3))
    # Before the time, and at its end; of others; of one that was deleted.
    await messages(database, small["id"], 1, 50, SINCE - timedelta(milliseconds=4))
    await messages(database, small["id"], 1, 50, UNTIL)
    await messages(database, (await factories.create_application(stranger))["id"], 1, 50, SINCE)
    gone = await factories.create_application(client)
    await messages(database, gone["id"], 1, 50, SINCE)
    await client.delete(f"/app/{gone['id']}")
    # From before messages counted their deliveries.
    [old] = await messages(database, small["id"], 1, None, SINCE)
    for _ in range(2):
        await factories.record_delivery(database.pool, small["id"], old, ids.new_id("ep"))

    answer = await client.post("/stats/usage/app", json=SPAN)
    assert answer.json()["unresolvedAppIds"] == []
    task = await finished(database, client, answer)
    assert (task["status"], task["task"]) == ("finished", "application.stats")
    stats = {stat["appId"]: (stat["appUid"], stat["messageDestinations"]) for stat in task["data"]["appStats"]}
    assert stats == {large["id"]: ("large", 3600), small["id"]: (None, 4)}
    assert none["id"] not in stats


async def test_any_time_can_be_counted_that_something_is_kept_of(client: httpx.AsyncClient, database: Database) -> None:
    application = (await factories.create_application(client))["id"]
    await messages(database, application, 2, 1, UNTIL - timedelta(days=300))
    await messages(database, application, 1, 1, SINCE)
    span = {"since": (UNTIL - timedelta(days=301)).isoformat(), "until": SPAN["until"]}
    task = await finished(database, client, await client.post("/stats/usage/app", json=span))
    stats = {stat["appId"]: stat["messageDestinations"] for stat in task["data"]["appStats"]}
    assert stats == {application: 3}


async def test_only_those_that_are_named_are_counted_and_unknown_ones_are_told(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, database: Database
) -> None:
    first, second, _ = [await factories.create_application(client, uid=uid) for uid in ("first", "second", "third")]
    theirs = await factories.create_application(stranger, uid="theirs")
    named = ["first", second["id"], "second", "theirs", theirs["id"], "nobody"]
    answer = await client.post("/stats/usage/app", json={**SPAN, "appIds": named})
    assert answer.json()["unresolvedAppIds"] == ["theirs", theirs["id"], "nobody"]
    task = await finished(database, client, answer)
    assert {stat["appId"] for stat in task["data"]["appStats"]} == {first["id"], second["id"]}
    assert all(stat["messageDestinations"] == 0 for stat in task["data"]["appStats"])


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({**SPAN, "appIds": ["nobody"]}, ["body", "appIds"]),
        ({**SPAN, "appIds": []}, ["body", "appIds"]),
        ({**SPAN, "appIds": ["not good"]}, ["body", "appIds", "[0]"]),
        ({"since": SPAN["until"], "until": SPAN["since"]}, ["body", "since"]),
        ({"since": SPAN["since"]}, ["body", "until"]),
        ({**SPAN, "since": 5}, ["body", "since"]),
    ],
)
async def test_what_cannot_be_counted_is_refused_and_no_task_begins(
    client: httpx.AsyncClient, body: Json, loc: list[str]
) -> None:
    answer = await client.post("/stats/usage/app", json=body)
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, loc)
    assert (await client.get("/background-task")).json()["data"] == []


async def test_the_subscriptions_of_each_application_are_listed(client: httpx.AsyncClient, database: Database) -> None:
    for name in ("a", "b", "c"):
        await factories.create_event_type(client, name)
    some, everything, nothing = [await factories.create_application(client) for _ in range(3)]
    await factories.create_endpoint(client, some["id"], eventTypes=["b", "a"])
    await factories.create_endpoint(client, some["id"], eventTypes=["b"])
    await factories.create_endpoint(client, everything["id"])
    gone = await factories.create_endpoint(client, some["id"], eventTypes=["c"])
    await client.delete(f"/app/{some['id']}/endpoint/{gone['id']}")

    task = await finished(database, client, await client.put("/stats/usage/event-types"))
    assert (task["status"], task["task"]) == ("finished", "event-type.aggregate")
    found = {each.pop("appId"): each for each in task["data"]["event_types"]}
    assert found == {
        some["id"]: {"explicitlySubscribedEventTypes": ["a", "b"], "hasCatchAllEndpoint": False},
        everything["id"]: {"explicitlySubscribedEventTypes": [], "hasCatchAllEndpoint": True},
        nothing["id"]: {"explicitlySubscribedEventTypes": [], "hasCatchAllEndpoint": False},
    }


async def test_what_is_exported_can_be_imported_elsewhere_and_is_the_same(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, database: Database
) -> None:
    tree = {
        "properties": {"children": {"items": {"$ref": "#"}}, "leaf": {"$ref": "#/$defs/Leaf"}},
        "$defs": {"Leaf": {"type": "string", "examples": ["$ref"]}},
    }
    await factories.create_event_type(
        client, "tree", schemas={"1": {"old": True}, "10": tree, "9": {}}, groupName="g", featureFlags=["a", "b"]
    )
    await factories.create_event_type(client, "plain", description="Plain.", deprecated=True)
    await factories.create_event_type(client, "archived")
    await client.delete("/event-type/archived")

    task = await finished(database, client, await client.post("/event-type/export/openapi"))
    assert (task["status"], task["task"]) == ("finished", "sdk.generate")
    document = task["data"]["openapi"]
    assert set(document["webhooks"]) == {"tree", "plain"}
    answer = await stranger.post("/event-type/import/openapi", json={"spec": document})
    assert answer.json() == {"data": {"modified": ["plain", "tree"]}}
    names = ("description", "deprecated", "groupName", "featureFlags")
    for name in ("tree", "plain"):
        ours, theirs = [(await each.get(f"/event-type/{name}")).json() for each in (client, stranger)]
        assert {key: ours.get(key) for key in names} == {key: theirs.get(key) for key in names}
    assert theirs.get("schemas") is None
    assert (await stranger.get("/event-type/tree")).json()["schemas"] == {"1": tree}
    # Here it is what is there already.
    again = await client.post("/event-type/import/openapi", json={"spec": document})
    assert again.json() == {"data": {"modified": []}}


async def test_an_export_that_would_be_too_large_fails_and_says_what_to_do(
    client: httpx.AsyncClient, database: Database
) -> None:
    for number in range(5):
        await factories.create_event_type(client, f"large.{number}", schemas={"1": {"title": "x" * 900_000}})
    task = await finished(database, client, await client.post("/event-type/export/openapi"))
    assert task["status"] == "failed"
    assert "larger than 4 MB" in task["data"]["error"]


async def test_the_sdk_starts_both(svix: SvixAsync, client: httpx.AsyncClient) -> None:
    application = await factories.create_application(client, uid="sdk")
    body = AppUsageStatsIn(since=SINCE, until=UNTIL, app_ids=["sdk", "nobody"])
    started = await svix.statistics.aggregate_app_stats(body)
    assert (started.task, started.unresolved_app_ids) == ("application.stats", ["nobody"])
    assert (await svix.statistics.aggregate_event_types()).task == "event-type.aggregate"
    assert application["uid"] == "sdk"


async def test_a_portal_starts_none_of_these(client: httpx.AsyncClient) -> None:
    application = await factories.create_application(client)
    access = await client.post(f"/auth/app-portal-access/{application['id']}", json={})
    client.headers["authorization"] = f"Bearer {access.json()['token']}"
    assert (await client.post("/stats/usage/app", json=SPAN)).status_code == 403
    assert (await client.put("/stats/usage/event-types")).status_code == 403
    assert (await client.post("/event-type/export/openapi")).status_code == 403
    assert (await client.post("/event-type/import/openapi", json={"spec": {"webhooks": {}}})).status_code == 403
