"""Reading messages, and forgetting what was in them."""

from datetime import datetime, timedelta

import httpx
import pytest
from svix.models import ListResponseMessageOut

from tests import factories
from tests.api.shop import Shop, ids_of, page_of
from tests.factories import Json

_EXACT = b'{"z":1,"a":1.10,"a":[1e400, "\\u0000\\ud83d\\ude00"] }'


async def test_a_message_is_given_back_byte_for_byte_by_id_and_event_id(client: httpx.AsyncClient, shop: Shop) -> None:
    message = await shop.message(payload=_EXACT, event_id="paid-1", channels=["eu"])
    base = f"/app/{shop.application}/msg"
    for name in (message, "paid-1"):
        response = await client.get(f"{base}/{name}")
        assert response.status_code == 200
        assert b'"payload":' + _EXACT in response.content
    shown = (await client.get(f"{base}/{message}?with_content=false")).json()
    assert datetime.fromisoformat(shown.pop("timestamp")) == shop.now - timedelta(seconds=60)
    assert shown == {
        "id": message,
        "eventType": "invoice.paid",
        "eventId": "paid-1",
        "channels": ["eu"],
        "payload": {},
    }


async def test_a_published_message_is_listed_at_once(client: httpx.AsyncClient, shop: Shop) -> None:
    published = await factories.publish(client, shop.application, payload={"a": 1}, eventId="paid-2")
    page = await page_of(client, f"/app/{shop.application}/msg")
    assert page == {
        "data": [published],
        "iterator": published["id"],
        "prevIterator": f"-{published['id']}",
        "done": True,
    }
    ListResponseMessageOut.model_validate(page)


async def test_messages_are_listed_newest_first_and_paged_both_ways(client: httpx.AsyncClient, shop: Shop) -> None:
    path = f"/app/{shop.application}/msg"
    made = [await shop.message(age=10 * (number + 1)) for number in range(5)]
    first = await page_of(client, path, limit=3)
    assert ([item["id"] for item in first["data"]], first["done"]) == (made[:3], False)
    last = await page_of(client, path, limit=3, iterator=first["iterator"])
    assert ([item["id"] for item in last["data"]], last["done"]) == (made[3:], True)
    back = await page_of(client, path, limit=3, iterator=last["prevIterator"])
    assert ([item["id"] for item in back["data"]], back["done"]) == (made[:3], True)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"channel": "eu"}, ["a", "b"]),
        ({"event_types": "order.made"}, ["b"]),
        ({"event_types[]": ["order.made", "invoice.paid"], "limit": 2}, ["a", "b"]),
        ({"tag": "vip"}, ["c"]),
        ({"channel": "eu", "tag": "vip"}, []),
    ],
)
async def test_messages_are_filtered(client: httpx.AsyncClient, shop: Shop, params: Json, expected: list[str]) -> None:
    made = {
        "a": await shop.message(age=10, channels=["eu"]),
        "b": await shop.message(age=20, channels=["eu", "us"], event_type="order.made"),
        "c": await shop.message(age=30, tags=["vip"]),
    }
    assert await ids_of(client, f"/app/{shop.application}/msg", **params) == [made[name] for name in expected]


async def test_messages_are_limited_to_a_span_of_time(client: httpx.AsyncClient, shop: Shop) -> None:
    path = f"/app/{shop.application}/msg"
    recent, old, older = [await shop.message(age=days * 86_400) for days in (1, 100, 170)]
    assert await ids_of(client, path) == [recent]
    at = (shop.now - timedelta(days=95)).isoformat()
    assert await ids_of(client, path, before=at) == [old, older]
    assert await ids_of(client, path, after=at) == []
    assert await ids_of(client, path, after=(shop.now - timedelta(days=80)).isoformat()) == [recent]


async def test_an_expunged_payload_is_gone_from_every_answer(client: httpx.AsyncClient, shop: Shop) -> None:
    message, kept = await shop.message(event_id="paid-3"), await shop.message(payload=b'{"kept":1}')
    base = f"/app/{shop.application}/msg"
    response = await client.delete(f"{base}/paid-3/content")
    assert (response.status_code, response.content) == (204, b"")
    assert (await client.get(f"{base}/{message}")).json()["payload"] == {"expired": True}
    assert (await client.get(f"{base}/{kept}")).json()["payload"] == {"kept": 1}
    assert await shop.database.pool.fetchval("SELECT payload FROM messages WHERE id = $1", message) is None


async def test_a_portal_reads_messages_but_expunges_nothing(shop_portal: httpx.AsyncClient, shop: Shop) -> None:
    message = await shop.message()
    async with shop_portal as portal:
        path = f"/app/{shop.application}/msg/{message}"
        assert (await portal.delete(f"{path}/content")).status_code == 403
        assert (await portal.get(path)).json()["payload"] == {"id": "in_1"}


async def test_the_messages_of_others_are_not_found(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, anonymous: httpx.AsyncClient, shop: Shop
) -> None:
    neighbour = (await factories.create_application(client))["id"]
    message = await shop.message(event_id="paid-4")
    for name in (message, "paid-4"):
        for method, tail in (("GET", ""), ("DELETE", "/content")):
            path = f"msg/{name}{tail}"
            assert (await client.request(method, f"/app/{neighbour}/{path}")).status_code == 404
            assert (await stranger.request(method, f"/app/{shop.application}/{path}")).status_code == 404
            assert (await anonymous.request(method, f"/app/{shop.application}/{path}")).status_code == 401
    assert (await stranger.get(f"/app/{shop.application}/msg")).status_code == 404
    assert await ids_of(client, f"/app/{neighbour}/msg") == []
    assert (await client.get(f"/app/{shop.application}/msg/{message}")).json()["payload"] == {"id": "in_1"}


@pytest.mark.parametrize("name", ["%00", "a%20b", "a" * 257])
async def test_bad_names_of_messages_are_refused(client: httpx.AsyncClient, shop: Shop, name: str) -> None:
    assert (await client.get(f"/app/{shop.application}/msg/{name}")).status_code == 422


async def test_an_iterator_of_another_list_is_refused(client: httpx.AsyncClient, shop: Shop) -> None:
    attempt = await shop.attempt(await shop.message())
    response = await client.get(f"/app/{shop.application}/msg", params={"iterator": attempt})
    assert (response.status_code, response.json()["detail"][0]["loc"]) == (422, ["query", "iterator"])


async def test_a_list_of_fifty_messages_needs_two_statements(
    client: httpx.AsyncClient, shop: Shop, statements: list[str]
) -> None:
    for age in range(51):
        await shop.message(age=age)
    statements.clear()
    page = await page_of(client, f"/app/{shop.application}/msg")
    assert (len(page["data"]), page["done"]) == (50, False)
    assert len(statements) <= 2, statements
