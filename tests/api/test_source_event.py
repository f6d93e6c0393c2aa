"""The feed of a source: what arrived and was accepted, as it came, oldest first, none skipped."""

import asyncio
import base64
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from app import clock, ids
from app.db.session import Database
from app.receiving.record import HIDDEN
from tests import factories
from tests.api.arriving import Inlet, open_inlet, stripe_event
from tests.factories import Json


@pytest.fixture
async def inlet(client: httpx.AsyncClient) -> Inlet:
    """A source that takes whatever is posted."""
    return await open_inlet(client, "generic-webhook", config={"idPath": "id", "eventPath": "type"})


async def read(inlet: Inlet, **params: Any) -> Json:
    response = await inlet.client.get(
        factories.ingest(inlet.client, f"/source/{inlet.source['id']}/event"), params=params
    )
    assert response.status_code == 200, response.text
    page: Json = response.json()
    return page


async def post(inlet: Inlet, body: bytes, *headers: tuple[str, str], query: str = "") -> None:
    assert (await inlet.post(body, list(headers), query)).status_code == 200


async def test_an_event_is_told_exactly_as_it_came(inlet: Inlet) -> None:
    body = b'{ "id":"a", "type":"order.sent", "n":1e400 }'
    headers = [("X-Twice", "one"), ("content-type", "application/json; charset=utf-8"), ("x-twice", "two")]
    await post(inlet, body, *headers, ("authorization", "Bearer of-somebody"), query="?shop=7&x=%20")
    (event,) = (await read(inlet))["data"]
    assert event["id"].startswith("msg_")
    assert (event["eventType"], event["eventId"]) == ("webhook.order.sent", f"{inlet.source['id']}.a")
    assert (event["method"], event["query"]) == ("POST", "shop=7&x=%20")
    assert (event["body"], event["contentType"]) == (body.decode(), "application/json; charset=utf-8")
    assert "bodyBase64" not in event
    names = {"x-twice", "content-type", "authorization"}
    assert [header for header in event["headers"] if header[0] in names] == [
        ["x-twice", "one"],
        ["content-type", "application/json; charset=utf-8"],
        ["x-twice", "two"],
        ["authorization", HIDDEN],
    ]
    assert event["payload"]["type"] == "order.sent"


@pytest.mark.parametrize("body", [b"a=1&b=2", b"<x/>", b"[1]", b'"text"', b""], ids=["form", "xml", "list", "text", ""])
async def test_what_is_no_json_object_is_a_text(inlet: Inlet, body: bytes) -> None:
    await post(inlet, body, ("content-type", "text/plain"))
    (event,) = (await read(inlet))["data"]
    assert (event["body"], event["contentType"], event.get("payload")) == (body.decode(), "text/plain", None)


async def test_what_is_no_text_is_base64(inlet: Inlet) -> None:
    await post(inlet, b"\xff\x00\xfe")
    (event,) = (await read(inlet))["data"]
    assert (base64.b64decode(event["bodyBase64"]), "body" in event) == (b"\xff\x00\xfe", False)


async def test_the_feed_is_read_on_from_where_it_was_left(inlet: Inlet) -> None:
    before = clock.now() - timedelta(seconds=1)
    for name in "abcde":
        await post(inlet, b'{"id":"%s"}' % name.encode())
    pages, iterator = [], None
    while True:
        page = await read(inlet, limit=2, **({"iterator": iterator} if iterator else {"after": before.isoformat()}))
        pages.append([event["payload"]["id"] for event in page["data"]])
        iterator = page["iterator"]
        if page["done"]:
            break
    assert [len(page) for page in pages if page] == [2, 2, 1]
    # Those of one moment may be in any order.
    assert sorted(name for page in pages for name in page) == list("abcde")
    assert (await read(inlet, iterator=iterator))["data"] == []
    await post(inlet, b'{"id":"f"}')
    assert [event["payload"]["id"] for event in (await read(inlet, iterator=iterator))["data"]] == ["f"]
    assert (await read(inlet, after=(clock.now() + timedelta(minutes=1)).isoformat()))["data"] == []


async def test_only_what_arrived_at_this_source_is_in_its_feed(client: httpx.AsyncClient, inlet: Inlet) -> None:
    application = inlet.source["applicationId"]
    other = await open_inlet(client, applicationId=application)
    await factories.publish(client, application)
    assert (await other.post(stripe_event("evt_other"))).status_code == 200
    await post(inlet, b'{"id":"mine","type":"a"}')
    await post(inlet, b'{"id":"mine too","type":"b"}')
    assert {event["payload"]["id"] for event in (await read(inlet))["data"]} == {"mine", "mine too"}
    assert [event["eventType"] for event in (await read(other))["data"]] == ["stripe.invoice.paid"]
    assert [event["payload"]["id"] for event in (await read(inlet, event_types="webhook.b"))["data"]] == ["mine too"]


async def test_what_is_committed_late_is_not_skipped(inlet: Inlet, database: Database) -> None:
    """Its id is lower than that of what was read before it was committed."""
    application = inlet.source["applicationId"]
    late = ids.new_id("msg")
    await asyncio.sleep(0.002)
    async with database.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await insert(connection, late, application, inlet.source["id"])
        await post(inlet, b'{"id":"early"}')
        page = await read(inlet)
        await transaction.commit()
    seen = [event["id"] for event in page["data"]]
    assert late not in seen
    seen += [event["id"] for event in (await read(inlet, iterator=page["iterator"]))["data"]]
    assert len(seen) == len(set(seen)) == 2
    assert late in seen


async def insert(connection: asyncpg.pool.PoolConnectionProxy, key: str, application: str, source: str) -> None:
    await connection.execute(
        "INSERT INTO messages (id, application_id, event_type, payload, deliveries, source_id)"
        " VALUES ($1, $2, 'late', '{}', 0, $3)",
        *(key, application, source),
    )


async def test_what_is_held_for_a_paused_source_is_told(client: httpx.AsyncClient) -> None:
    paused = await open_inlet(client, paused=True)
    assert (await paused.post(stripe_event("evt_held"))).status_code == 200
    assert [event["eventId"] for event in (await read(paused))["data"]] == [f"{paused.source['id']}.evt_held"]


async def test_of_what_is_expunged_only_its_name_is_left(client: httpx.AsyncClient, inlet: Inlet) -> None:
    await post(inlet, b'{"id":"gone"}')
    (event,) = (await read(inlet))["data"]
    application = inlet.source["applicationId"]
    assert (await client.delete(f"/app/{application}/msg/{event['id']}/content")).status_code == 204
    (left,) = (await read(inlet))["data"]
    assert left == {name: event[name] for name in ("id", "eventType", "eventId", "createdAt")}


async def test_it_is_the_organizations_alone_and_its_parameters_are_checked(
    stranger: httpx.AsyncClient, anonymous: httpx.AsyncClient, inlet: Inlet
) -> None:
    url = factories.ingest(inlet.client, f"/source/{inlet.source['id']}/event")
    assert (await stranger.get(url)).status_code == 404
    assert (await anonymous.get(url)).status_code == 401
    portal = await inlet.client.post(f"/auth/app-portal-access/{inlet.source['applicationId']}", json={})
    headers = {"authorization": f"Bearer {portal.json()['token']}"}
    assert (await anonymous.get(url, headers=headers)).status_code == 403
    for params in ({"limit": "251"}, {"iterator": "yesterday"}):
        assert (await inlet.client.get(url, params=params)).status_code == 422
    assert not (await inlet.client.get(url, params={"after": "yesterday"})).is_success


async def test_the_request_of_one_message_is_told_by_its_name_and_of_one_that_was_published_none(inlet: Inlet) -> None:
    await post(inlet, b'{"id":"one","type":"order.sent"}', ("X-Own", "1"), ("authorization", "geheim"), query="?a=b")
    (event,) = (await read(inlet))["data"]
    path = f"/app/{inlet.source['applicationId']}/msg"
    shown = (await inlet.client.get(f"{path}/{event['id']}/received")).json()
    assert shown == {
        "sourceId": inlet.source["id"], "method": "POST", "query": "a=b", "headers": event["headers"]
    }  # fmt: skip
    assert ["x-own", "1"] in shown["headers"]
    published = await factories.publish(inlet.client, inlet.source["applicationId"])
    assert (await inlet.client.get(f"{path}/{published['id']}/received")).status_code == 404
