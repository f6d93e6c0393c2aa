"""Searching, following and forgetting the messages of an application."""

from datetime import timedelta

import httpx
import pytest
from svix.api import SvixAsync
from svix.models import BulkExpungeContentsIn, BulkExpungeStatus, MessageOut

from app import ids
from tests import factories
from tests.api.shop import Shop
from tests.factories import Json


async def search(client: httpx.AsyncClient, shop: Shop, **body: object) -> Json:
    response = await client.post(f"/app/{shop.application}/msg/search", json=body)
    assert response.status_code == 200, response.text
    page: Json = response.json()
    return page


async def found(client: httpx.AsyncClient, shop: Shop, **body: object) -> list[str]:
    return [item["id"] for item in (await search(client, shop, **body))["data"]]


async def events(client: httpx.AsyncClient, shop: Shop, **params: object) -> Json:
    response = await client.get(f"/app/{shop.application}/events", params=params)  # type: ignore[arg-type]
    assert response.status_code == 200, response.text
    page: Json = response.json()
    return page


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, ["a", "b", "c"]),
        ({"channel": "eu"}, ["a", "b"]),
        ({"event_types": ["order.made", "none.such"]}, ["b"]),
        ({"event_types": []}, ["a", "b", "c"]),
        ({"tag": "vip"}, ["c"]),
        ({"text": "größer"}, ["c"]),
        ({"text": '"in_1"', "channel": "eu"}, ["a", "b"]),
        ({"text": "IN_1"}, []),
        ({"limit": 1}, ["a"]),
    ],
)
async def test_messages_are_found_by_all_that_is_said(
    client: httpx.AsyncClient, shop: Shop, body: Json, expected: list[str]
) -> None:
    made = {
        "a": await shop.message(age=10, channels=["eu"]),
        "b": await shop.message(age=20, channels=["eu", "us"], event_type="order.made"),
        "c": await shop.message(age=30, tags=["vip"], payload='{"x":"größer"}'.encode()),
    }
    assert await found(client, shop, **body) == [made[name] for name in expected]


async def test_a_search_is_paged_both_ways_and_shows_payloads_if_they_are_wanted(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    made = [await shop.message(age=10 * (number + 1)) for number in range(5)]
    first = await search(client, shop, limit=3, with_content=True)
    assert [item["id"] for item in first["data"]] == made[:3]
    assert first["data"][0]["payload"] == {"id": "in_1"}
    last = await search(client, shop, limit=3, iterator=first["iterator"])
    assert ([item["id"] for item in last["data"]], last["done"]) == (made[3:], True)
    assert last["data"][0]["payload"] == {}
    assert await found(client, shop, limit=2, iterator=last["prevIterator"]) == made[1:3]


async def test_a_search_is_limited_to_a_span_of_time(client: httpx.AsyncClient, shop: Shop) -> None:
    recent, old = [await shop.message(age=days * 86_400) for days in (1, 100)]
    assert await found(client, shop) == [recent]
    assert await found(client, shop, before=(shop.now - timedelta(days=95)).isoformat()) == [old]
    assert await found(client, shop, after=(shop.now - timedelta(days=2)).isoformat()) == [recent]


@pytest.mark.parametrize("text", [None, "needle"])
async def test_a_search_that_looked_at_many_messages_goes_on_where_it_was(
    client: httpx.AsyncClient, shop: Shop, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    monkeypatch.setattr("app.db.history.HistoryTable.page_in.__kwdefaults__", {"examined": 4})
    monkeypatch.setattr("app.db.message.table._BITE", 4)
    monkeypatch.setattr("app.db.message.table.EXAMINED", 4)
    made = [await shop.message(age=number + 1) for number in range(9)]
    rare = await shop.message(age=20, tags=["rare"], payload=b'{"a":"needle"}')
    body = {"tag": "rare"} if text is None else {"text": text}
    page = await search(client, shop, **body)
    assert (page["data"], page["iterator"], page["done"]) == ([], made[3], False)
    page = await search(client, shop, **body, iterator=page["iterator"])
    assert (page["data"], page["iterator"], page["done"]) == ([], made[7], False)
    page = await search(client, shop, **body, iterator=page["iterator"])
    assert ([item["id"] for item in page["data"]], page["done"]) == ([rare], True)
    # And back: what is newer is looked at from there on.
    page = await search(client, shop, **body, iterator=f"-{rare}")
    assert (page["data"], page["prevIterator"], page["done"]) == ([], f"-{made[5]}", False)


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"iterator": "msg_short"}, ["body", "iterator"]),
        ({"iterator": "atmpt_1srOrx2ZWZBpBUvZwXKQmoEYga2"}, ["body", "iterator"]),
        ({"limit": 251}, ["body", "limit"]),
        ({"limit": 0}, ["body", "limit"]),
        ({"tag": "not a tag"}, ["body", "tag"]),
        ({"channel": "not a channel"}, ["body", "channel"]),
        ({"event_types": ["a b"]}, ["body", "event_types", "[0]"]),
        ({"before": "yesterday"}, ["body", "before"]),
        ({"text": "ab"}, ["body", "text"]),
        ({"text": "a\0bc"}, ["body", "text"]),
    ],
)
async def test_a_bad_search_is_refused(client: httpx.AsyncClient, shop: Shop, body: Json, loc: list[str]) -> None:
    response = await client.post(f"/app/{shop.application}/msg/search", json=body)
    assert (response.status_code, response.json()["detail"][0]["loc"]) == (422, loc)


async def test_the_feed_gives_what_was_published_and_then_what_is_new(client: httpx.AsyncClient, shop: Shop) -> None:
    first = await factories.publish(client, shop.application, payload={"a": 1}, tags=["vip"])
    page = await events(client, shop)
    assert (page["data"], page["done"]) == ([first], True)
    MessageOut.model_validate(page["data"][0])
    nothing = await events(client, shop, iterator=page["iterator"])
    assert (nothing["data"], nothing["done"]) == ([], True)
    second = await factories.publish(client, shop.application)
    assert (await events(client, shop, iterator=nothing["iterator"]))["data"] == [second]
    # A position can be read from again.
    assert (await events(client, shop, iterator=page["iterator"]))["data"] == [second]


async def test_the_feed_is_read_in_pages_and_filtered(client: httpx.AsyncClient, shop: Shop) -> None:
    made = [await shop.message(age=50 - number, channels=["eu"] if number % 2 else ["us"]) for number in range(5)]
    order = await shop.message(age=1, event_type="order.made")
    first = await events(client, shop, limit=2)
    assert ([item["id"] for item in first["data"]], first["done"]) == (made[:2], False)
    rest = await events(client, shop, limit=10, iterator=first["iterator"])
    assert ([item["id"] for item in rest["data"]], rest["done"]) == ([*made[2:], order], True)
    for params, expected in (
        ({"channels": "eu,none"}, made[1::2]),
        ({"event_types": "order.made"}, [order]),
        ({"after": (shop.now - timedelta(seconds=48.5)).isoformat()}, [*made[2:], order]),
    ):
        assert [item["id"] for item in (await events(client, shop, **params))["data"]] == expected


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"iterator": ids.new_id("msg")}, 422),
        ({"iterator": "x"}, 422),
        ({"limit": 251}, 422),
        ({"limit": "many"}, 400),
        ({"after": "yesterday"}, 400),
        ({"channels": "not a channel"}, 422),
    ],
)
async def test_a_bad_position_of_the_feed_is_refused(
    client: httpx.AsyncClient, shop: Shop, params: Json, status: int
) -> None:
    response = await client.get(f"/app/{shop.application}/events", params=params)
    assert response.status_code == status, response.text


async def test_a_raw_payload_is_the_text_that_is_sent(client: httpx.AsyncClient, shop: Shop) -> None:
    exact = '{"z":1,"a":1.10, "a":[1e400, "größer"] }'
    message = await shop.message(payload=exact.encode(), event_id="paid-9")
    for name in (message, "paid-9"):
        response = await client.get(f"/app/{shop.application}/msg/{name}/raw")
        assert (response.status_code, response.json()) == (200, {"payload": exact})
    gone = await shop.message(payload=None)
    assert (await client.get(f"/app/{shop.application}/msg/{gone}/raw")).json() == {"payload": '{"expired":true}'}
    params = {"rawPayload": "<paid/>", "headers": {"content-type": "application/xml"}}
    other = await factories.publish(client, shop.application, transformationsParams=params)
    assert (await client.get(f"/app/{shop.application}/msg/{other['id']}/raw")).json() == {"payload": "<paid/>"}


async def test_payloads_are_expunged_in_bulk(client: httpx.AsyncClient, shop: Shop, svix: SvixAsync) -> None:
    first, second = await shop.message(event_id="paid-10"), await shop.message()
    kept = await shop.message()
    neighbour = (await factories.create_application(client))["id"]
    foreign = (await factories.publish(client, neighbour))["id"]
    wanted = BulkExpungeContentsIn(ids=["paid-10", second, foreign, "none"])
    out = await svix.message.bulk_expunge_content(shop.application, wanted)
    assert out.results == {
        "paid-10": BulkExpungeStatus.EXPUNGED,
        second: BulkExpungeStatus.EXPUNGED,
        foreign: BulkExpungeStatus.NOT_FOUND,
        "none": BulkExpungeStatus.NOT_FOUND,
    }
    rows = await shop.database.pool.fetch(
        "SELECT id, payload FROM messages WHERE application_id = ANY ($1)", [shop.application, neighbour]
    )
    assert {row["id"]: row["payload"] is None for row in rows} == {
        first: True,
        second: True,
        kept: False,
        foreign: False,
    }


async def test_expunging_in_bulk_is_bounded_and_may_be_of_nothing(client: httpx.AsyncClient, shop: Shop) -> None:
    path = f"/app/{shop.application}/msg/bulk-expunge"
    assert (await client.post(path, json={})).json() == {"results": {}}
    response = await client.post(path, json={"ids": [f"m{number}" for number in range(1001)]})
    assert (response.status_code, response.json()["detail"][0]["loc"]) == (422, ["body", "ids"])
    response = await client.post(path, json={"ids": ["not a name"]})
    assert (response.status_code, response.json()["detail"][0]["loc"]) == (422, ["body", "ids", "[0]"])


async def test_expunging_everything_is_a_background_task(shop: Shop, svix: SvixAsync) -> None:
    message = await shop.message()
    out = await svix.message.expunge_all_contents(shop.application)
    assert (out.status, out.task) == ("running", "application.purge_content")
    row = await shop.database.pool.fetchrow("SELECT kind, application_id FROM background_tasks WHERE id = $1", out.id)
    assert row is not None
    assert tuple(row) == ("application.purge_content", shop.application)
    # The answer is not waited for by anybody's payload.
    assert await shop.database.pool.fetchval("SELECT payload IS NOT NULL FROM messages WHERE id = $1", message)


async def test_a_portal_searches_and_follows_but_expunges_nothing(shop_portal: httpx.AsyncClient, shop: Shop) -> None:
    message = await shop.message()
    root = f"/app/{shop.application}"
    async with shop_portal as portal:
        assert await found(portal, shop) == [message]
        assert [item["id"] for item in (await events(portal, shop))["data"]] == [message]
        assert (await portal.get(f"{root}/msg/{message}/raw")).status_code == 200
        for path, body in (("bulk-expunge", {"ids": [message]}), ("expunge-all-contents", None)):
            refused = await portal.post(f"{root}/msg/{path}", json=body)
            assert (refused.status_code, refused.json()["code"]) == (403, "insufficient access")
        assert (await portal.get(f"{root}/msg/{message}")).json()["payload"] == {"id": "in_1"}
    assert not await shop.database.pool.fetchval(
        "SELECT count(*) FROM background_tasks WHERE application_id = $1", shop.application
    )


async def test_another_organization_finds_nothing(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, shop: Shop
) -> None:
    message = await shop.message()
    root = f"/app/{shop.application}"
    for method, path, body in (
        ("POST", "/msg/search", {}),
        ("GET", "/events", None),
        ("GET", f"/msg/{message}/raw", None),
        ("POST", "/msg/bulk-expunge", {"ids": [message]}),
        ("POST", "/msg/expunge-all-contents", None),
    ):
        refused = await stranger.request(method, f"{root}{path}", json=body)
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found"), path
    neighbour = (await factories.create_application(client))["id"]
    assert (await client.get(f"/app/{neighbour}/msg/{message}/raw")).status_code == 404
    assert (await client.get(f"{root}/msg/{message}")).json()["payload"] == {"id": "in_1"}
