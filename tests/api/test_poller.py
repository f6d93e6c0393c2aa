"""Pollers: what they show, and that whoever follows their iterator is shown each message once."""

import asyncio
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from svix.api import SvixAsync
from svix.api.message_poller import MessagePollerPollOptions
from svix.exceptions import HttpError
from svix.models import ApplicationIn, MessageIn

from app import clock, ids
from app.db.session import Database
from app.settings import Settings
from tests import factories
from tests.api.shop import page_of
from tests.factories import Json


async def create_poller(client: httpx.AsyncClient, application: str, **fields: object) -> Json:
    answer = await client.post(f"/app/{application}/poller", json=fields)
    assert answer.status_code == 201, answer.text
    poller: Json = answer.json()
    return poller


async def drain(
    client: httpx.AsyncClient, path: str, iterator: str | None = None, **query: object
) -> tuple[list[str], str]:
    """All messages that follow an iterator, and the iterator behind them."""
    found: list[str] = []
    while True:
        given = {} if iterator is None else {"iterator": iterator}
        page = await page_of(client, path, **given, **query)
        found += [message["id"] for message in page["data"]]
        iterator = page["iterator"]
        assert iterator is not None
        if page["done"]:
            return found, iterator


@pytest.fixture
async def poller(client: httpx.AsyncClient, application: str) -> str:
    """The path of a poller that shows everything."""
    return f"/app/{application}/poller/{(await create_poller(client, application))['id']}"


async def publish(client: httpx.AsyncClient, application: str, count: int, **fields: object) -> list[str]:
    """Messages, in the order of their ids."""
    made = []
    for _ in range(count):
        # Ids of the same four milliseconds are in no order.
        await asyncio.sleep(0.005)
        made.append((await factories.publish(client, application, **fields))["id"])  # type: ignore[arg-type]
    return made


async def test_pollers_are_kept(client: httpx.AsyncClient, application: str) -> None:
    name = factories.unique("invoice.paid")
    await factories.create_event_type(client, name)
    made = await create_poller(
        client, application, uid="accounts", description="d", eventTypes=[name, name], channels=["a", "b"]
    )
    assert made["id"].startswith("poll_")
    assert (made["uid"], made["description"], made["eventTypes"]) == ("accounts", "d", [name])
    # Ids of the same four milliseconds are in no order.
    await asyncio.sleep(0.005)
    other = await create_poller(client, application)
    path = f"/app/{application}/poller"
    assert (await page_of(client, path))["data"] == [other, made]
    first = await page_of(client, path, limit=1)
    rest = await page_of(client, path, limit=1, iterator=first["iterator"])
    back = await page_of(client, path, limit=1, iterator=rest["prevIterator"])
    assert (first["data"], rest["data"], back["data"]) == ([other], [made], [other])
    changed = (await client.patch(f"{path}/accounts", json={"channels": None, "description": "e"})).json()
    assert (changed["id"], changed["description"], changed["eventTypes"]) == (made["id"], "e", [name])
    assert "channels" not in changed
    assert (await client.delete(f"{path}/accounts")).status_code == 204
    assert (await page_of(client, path))["data"] == [other]
    assert (await client.delete(f"{path}/accounts")).status_code == 404


@pytest.mark.parametrize(
    ("fields", "loc"),
    [
        ({"uid": "poll_1"}, ["body", "uid"]),
        ({"uid": "a b"}, ["body", "uid"]),
        ({"channels": []}, ["body", "channels"]),
        ({"eventTypes": ["no.such.type"]}, ["body", "eventTypes"]),
        ({"description": 1}, ["body", "description"]),
    ],
)
async def test_a_wrong_poller_is_refused_and_not_made(
    client: httpx.AsyncClient, application: str, fields: Json, loc: list[str]
) -> None:
    answer = await client.post(f"/app/{application}/poller", json=fields)
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, loc)
    assert (await page_of(client, f"/app/{application}/poller"))["data"] == []


async def test_a_pollers_uid_is_its_own_in_its_application(client: httpx.AsyncClient, application: str) -> None:
    other = await create_poller(client, application, uid="other")
    await create_poller(client, application, uid="taken")
    path = f"/app/{application}/poller"
    refused = await client.post(path, json={"uid": "taken"})
    assert (refused.status_code, refused.json()["detail"]) == (409, "A poller with that id or uid already exists")
    assert (await client.patch(f"{path}/{other['id']}", json={"uid": "taken"})).status_code == 409
    assert {found["uid"] for found in (await page_of(client, path))["data"]} == {"taken", "other"}
    elsewhere = (await factories.create_application(client))["id"]
    assert (await create_poller(client, elsewhere, uid="taken"))["uid"] == "taken"


async def test_who_follows_the_iterator_is_shown_each_message_once_and_older_ones_too(
    client: httpx.AsyncClient, application: str
) -> None:
    before = await publish(client, application, 3)
    path = f"/app/{application}/poller/{(await create_poller(client, application))['id']}"
    found, iterator = await drain(client, path, limit=2)
    assert found == before
    assert (await drain(client, path, iterator))[0] == []
    after = await publish(client, application, 3)
    assert (await drain(client, path, iterator, limit=1))[0] == after
    # The iterator is the caller's: what was handed out and lost is handed out again.
    assert (await drain(client, path, iterator))[0] == after
    assert (await drain(client, path))[0] == [*before, *after]


async def test_a_message_is_shown_as_it_was_published(client: httpx.AsyncClient, application: str, poller: str) -> None:
    body = b'{"eventType":"a.b","eventId":"e-1","channels":["c"],"tags":["t"],"payload":{"b":1.50,"a":1e400}}'
    answer = await client.post(f"/app/{application}/msg", content=body)
    assert answer.status_code == 202, answer.text
    page = await client.get(poller)
    assert b'"payload":{"b":1.50,"a":1e400}' in page.content
    (shown,) = (await client.get(f"/app/{application}/msg", params={"with_content": False})).json()["data"]
    text = page.text.replace("1e400", "0")
    (polled,) = httpx.Response(200, text=text).json()["data"]
    assert {name: polled[name] for name in ("id", "eventId", "eventType", "channels", "tags", "timestamp")} == {
        name: shown[name] for name in ("id", "eventId", "eventType", "channels", "tags", "timestamp")
    }


async def test_a_message_without_its_payload_is_still_shown(
    client: httpx.AsyncClient, application: str, poller: str
) -> None:
    (message,) = await publish(client, application, 1)
    assert (await client.delete(f"/app/{application}/msg/{message}/content")).status_code == 204
    (shown,) = (await page_of(client, poller))["data"]
    assert (shown["id"], shown["payload"]) == (message, {"expired": True})


async def test_a_poller_and_a_query_filter(client: httpx.AsyncClient, application: str) -> None:
    one, two = [factories.unique("sort") for _ in range(2)]
    await factories.create_event_type(client, one)
    made = {
        (event, channels): (await publish(client, application, 1, event_type=event, channels=list(channels)))[0]
        for event in (one, two)
        for channels in (("a",), ("b",), ("a", "c"))
    }
    by_type = f"/app/{application}/poller/{(await create_poller(client, application, eventTypes=[one]))['id']}"
    by_channel = f"/app/{application}/poller/{(await create_poller(client, application, channels=['a', 'x']))['id']}"

    async def shown(path: str, **query: str) -> set[tuple[str, tuple[str, ...]]]:
        found, _ = await drain(client, path, **query)
        return {key for key, message in made.items() if message in found}

    assert await shown(by_type) == {(one, ("a",)), (one, ("b",)), (one, ("a", "c"))}
    assert await shown(by_type, event_type=two) == set()
    assert await shown(by_type, channel="c") == {(one, ("a", "c"))}
    assert await shown(by_channel, event_type=two) == {(two, ("a",)), (two, ("a", "c"))}
    assert await shown(by_channel, channel="b") == set()
    assert await shown(by_channel, channel="c", event_type=one) == {(one, ("a", "c"))}


async def test_polling_begins_at_a_time_if_it_is_told(
    client: httpx.AsyncClient, application: str, poller: str, database: Database
) -> None:
    now = clock.now()
    old, new = [
        await factories.record_message(database.pool, application, now - timedelta(hours=age)) for age in (3, 1)
    ]
    asked = {"after": (now - timedelta(hours=2)).isoformat()}
    found, iterator = await drain(client, poller, **asked)
    assert found == [new]
    # The iterator knows better.
    assert (await drain(client, poller, iterator, after=(now - timedelta(hours=9)).isoformat()))[0] == []
    assert (await drain(client, poller))[0] == [old, new]


@pytest.mark.parametrize(
    ("query", "loc"),
    [
        ({"iterator": "nonsense"}, ["query", "iterator"]),
        ({"iterator": ""}, ["query", "iterator"]),
        ({"iterator": ids.new_id("msg")}, ["query", "iterator"]),
        ({"limit": 0}, ["query", "limit"]),
        ({"limit": 251}, ["query", "limit"]),
        ({"channel": "a b"}, ["query", "channel"]),
        ({"event_type": "a b"}, ["query", "event_type"]),
    ],
)
async def test_a_wrong_poll_is_refused(client: httpx.AsyncClient, poller: str, query: Json, loc: list[str]) -> None:
    answer = await client.get(poller, params=query)
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, loc)


async def test_a_query_that_cannot_be_read_is_refused(client: httpx.AsyncClient, poller: str) -> None:
    leasing = f"{poller.replace('/poller/', '/polling-endpoint/')}/consumer/a"
    for path, query in (
        (poller, {"after": "yesterday"}),
        (poller, {"limit": "x"}),
        (leasing, {"starting_position": "middle"}),
    ):
        answer = await client.get(path, params=query)
        assert (answer.status_code, answer.json()["code"]) == (400, "generic_error")


async def test_a_message_that_is_committed_late_is_shown_all_the_same(
    client: httpx.AsyncClient, application: str, poller: str, database: Database
) -> None:
    low = ids.new_id("msg")
    insert = "INSERT INTO messages (id, application_id, event_type, payload) VALUES ($1, $2, 'a', '{}')"
    async with database.pool.acquire() as connection, connection.transaction():
        await connection.execute(insert, low, application)
        (high,) = await publish(client, application, 1)
        found, iterator = await drain(client, poller)
        # What overtook it may wait for it, and must not hide it.
        assert low not in found
    then, iterator = await drain(client, poller, iterator)
    assert sorted([*found, *then]) == [low, high]
    # One that had an id before, and began its transaction after that.
    lower = ids.floor_id("msg", ids.created_at(low) - timedelta(seconds=1))
    await database.pool.execute(insert, lower, application)
    assert (await drain(client, poller, iterator))[0] == [lower]


async def test_nothing_is_missed_while_several_publish(
    client: httpx.AsyncClient, application: str, poller: str
) -> None:
    published: list[str] = []
    found: list[str] = []

    async def write() -> None:
        published.extend(await publish(client, application, 12))

    async def read() -> None:
        iterator = None
        while len(published) < 48:
            more, iterator = await drain(client, poller, iterator, limit=3)
            found.extend(more)
        found.extend((await drain(client, poller, iterator))[0])

    await asyncio.gather(read(), *(write() for _ in range(4)))
    assert sorted(found) == sorted(published)


async def test_what_another_application_has_is_not_shown(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, application: str, poller: str
) -> None:
    neighbour = (await factories.create_application(client))["id"]
    await publish(client, neighbour, 1)
    assert (await drain(client, poller))[0] == []
    name = poller.rpartition("/")[2]
    assert (await client.get(f"/app/{neighbour}/poller/{name}")).status_code == 404
    assert (await stranger.get(poller)).status_code == 404


async def test_payloads_are_fetched_from_where_they_are(
    settings: Settings, token: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("payloads")
    stored = settings.model_copy(
        update={"payload_store": SecretStr(f"file://{folder}"), "payload_store_min_bytes": 8192}
    )
    async with factories.running(stored) as app, factories.client_of(app, token) as client:
        assert isinstance(client, httpx.AsyncClient)
        application = (await factories.create_application(client))["id"]
        path = f"/app/{application}/poller/{(await create_poller(client, application))['id']}"
        await factories.publish(client, application, payload={"text": "x" * 9000})
        assert list(folder.rglob("msg_*")), "the payload is not in the store"
        for polled in (path, f"{path}/consumer/a", f"{path.replace('/poller/', '/polling-endpoint/')}/consumer/a"):
            (shown,) = (await page_of(client, polled))["data"]
            assert shown["payload"] == {"text": "x" * 9000}


async def test_the_sdk_polls(svix: SvixAsync, app: FastAPI, token: str) -> None:
    application = await svix.application.create(ApplicationIn(name="Acme"))
    async with factories.client_of(app, token) as client:
        assert isinstance(client, httpx.AsyncClient)
        made = await create_poller(client, application.id)
    sent = await svix.message.create(application.id, MessageIn(event_type="a.b", payload={"n": 1}))
    page = await svix.message.poller.poll(application.id, made["id"], MessagePollerPollOptions(limit=5))
    assert [(message.id, message.payload) for message in page.data] == [(sent.id, {"n": 1})]
    assert page.done
    rest = await svix.message.poller.poll(
        application.id, made["id"], MessagePollerPollOptions(iterator=page.iterator, after=clock.now())
    )
    assert (rest.data, rest.done) == ([], True)
    with pytest.raises(HttpError) as unknown:
        await svix.message.poller.poll(application.id, "nobody")
    assert unknown.value.status_code == 404
