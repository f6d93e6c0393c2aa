"""What was tried: attempts, and how far deliveries are."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import httpx
import pytest
from svix.models import ListResponseMessageAttemptOut, MessageAttemptOut

from app import ids
from tests import factories
from tests.api.shop import Shop, ids_of, page_of
from tests.factories import Json

_FIELDS: Final = {
    "id",
    "msgId",
    "endpointId",
    "url",
    "response",
    "responseStatusCode",
    "responseDurationMs",
    "status",
    "statusText",
    "triggerType",
    "timestamp",
}


async def test_an_attempt_is_shown_with_all_that_svix_shows(client: httpx.AsyncClient, shop: Shop) -> None:
    message = await shop.message()
    attempt = await shop.attempt(message, code=503, response=b"busy", trigger=1)
    response = await client.get(f"/app/{shop.application}/msg/{message}/attempt/{attempt}")
    assert response.status_code == 200
    shown = response.json()
    assert shown.keys() == _FIELDS
    assert (shown["id"], shown["msgId"], shown["endpointId"]) == (attempt, message, shop.endpoint)
    assert (shown["url"], shown["response"], shown["responseStatusCode"]) == (factories.URL, "busy", 503)
    assert (shown["status"], shown["statusText"], shown["triggerType"], shown["responseDurationMs"]) == (
        2,
        "fail",
        1,
        12,
    )
    assert datetime.fromisoformat(shown["timestamp"]) == shop.now - timedelta(seconds=50)
    assert MessageAttemptOut.model_validate(shown).status_text == "fail"


async def test_attempts_are_listed_newest_first_and_paged_both_ways(client: httpx.AsyncClient, shop: Shop) -> None:
    message = await shop.message(age=100)
    made = [await shop.attempt(message, age=age) for age in (10, 20, 30, 40)]
    for path in (shop.by_endpoint, shop.by_message(message)):
        first = await page_of(client, path, limit=3)
        assert [item["id"] for item in first["data"]] == made[:3]
        assert (first["iterator"], first["prevIterator"], first["done"]) == (made[2], f"-{made[0]}", False)
        last = await page_of(client, path, limit=3, iterator=first["iterator"])
        assert ([item["id"] for item in last["data"]], last["done"]) == (made[3:], True)
        back = await page_of(client, path, limit=2, iterator=last["prevIterator"])
        assert ([item["id"] for item in back["data"]], back["done"]) == (made[1:3], False)
        newest = await page_of(client, path, limit=2, iterator=back["prevIterator"])
        assert ([item["id"] for item in newest["data"]], newest["done"]) == (made[:1], True)
        ListResponseMessageAttemptOut.model_validate(first)


async def test_a_page_that_ends_with_the_list_is_done(client: httpx.AsyncClient, shop: Shop) -> None:
    message = await shop.message()
    await shop.attempt(message, age=20)
    await shop.attempt(message, age=10)
    assert (await page_of(client, shop.by_endpoint, limit=2))["done"] is True
    assert (await page_of(client, shop.by_endpoint, limit=1))["done"] is False


async def test_a_list_of_nothing_is_done_and_has_no_way_back(client: httpx.AsyncClient, shop: Shop) -> None:
    assert await page_of(client, shop.by_endpoint) == {"data": [], "iterator": None, "done": True}


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"status": 0}, ["fine"]),
        ({"status": 2}, ["moved", "gone", "late"]),
        ({"status": 1}, []),
        ({"status": 4}, []),
        ({"status_code_class": 0}, ["late"]),
        ({"status_code_class": 100}, []),
        ({"status_code_class": 200}, ["fine"]),
        ({"status_code_class": 300}, ["moved"]),
        ({"status_code_class": 400}, ["gone"]),
        ({"status_code_class": 500}, []),
        ({"status": 0, "status_code_class": 400}, []),
        ({"channel": "eu"}, ["fine", "moved"]),
        ({"channel": "us"}, ["fine"]),
        ({"channel": "e"}, []),
        ({"tag": "vip"}, ["gone"]),
        ({"event_types": "order.made"}, ["gone"]),
        ({"event_types": "order.made,invoice.paid"}, ["fine", "moved", "gone", "late"]),
        ({"event_types": ["order.made", "invoice.paid"]}, ["fine", "moved", "gone", "late"]),
        ({"event_types[]": ["order.made"]}, ["gone"]),
        ({"event_types[0]": "order.made", "event_types[1]": "none.such"}, ["gone"]),
        ({"event_types": ""}, ["fine", "moved", "gone", "late"]),
        ({"event_types": "none.such"}, []),
        ({"event_types": "invoice.paid", "channel": "us", "status": 0}, ["fine"]),
    ],
)
async def test_attempts_are_filtered(client: httpx.AsyncClient, shop: Shop, params: Json, expected: list[str]) -> None:
    fine = await shop.message(channels=["eu", "us"])
    moved = await shop.message(channels=["eu"])
    gone = await shop.message(event_type="order.made", tags=["vip"])
    late = await shop.message()
    made = {
        await shop.attempt(fine, age=10): "fine",
        await shop.attempt(moved, age=20, code=302): "moved",
        await shop.attempt(gone, age=30, code=410): "gone",
        await shop.attempt(late, age=40, code=0, response=b""): "late",
    }
    assert [made[found] for found in await ids_of(client, shop.by_endpoint, **params)] == expected


async def test_attempts_are_limited_to_a_span_of_time(client: httpx.AsyncClient, shop: Shop) -> None:
    message = await shop.message(age=1000)
    made = {age: await shop.attempt(message, age=age) for age in (100, 200, 300, 400)}
    at = {age: (shop.now - timedelta(seconds=age)).isoformat() for age in (50, 150, 250, 350)}

    async def ages(**params: object) -> list[int]:
        found = await ids_of(client, shop.by_endpoint, **params)
        return [age for attempt in found for age, known in made.items() if known == attempt]

    assert await ages(before=at[150]) == [200, 300, 400]
    assert await ages(after=at[350], before=at[150]) == [200, 300]
    assert await ages(after=at[250]) == [100, 200]
    assert await ages(before=at[350], after=at[50]) == []
    # `after` alone reads forward from there; the page is still newest first.
    assert await ages(after=at[350], limit=2) == [200, 300]
    # A page that was reached by an iterator keeps to the span.
    assert await ages(after=at[350], iterator=made[200]) == [300]
    assert await ages(before=at[150], iterator=f"-{made[300]}") == [200]


async def test_lists_reach_90_days_back_from_where_they_begin(client: httpx.AsyncClient, shop: Shop) -> None:
    day = 86_400.0
    message = await shop.message(age=200 * day)
    made = {days: await shop.attempt(message, age=days * day) for days in (89, 91, 178)}
    assert await ids_of(client, shop.by_endpoint) == [made[89]]
    before = (shop.now - timedelta(days=90)).isoformat()
    assert await ids_of(client, shop.by_endpoint, before=before) == [made[91], made[178]]
    assert await ids_of(client, shop.by_endpoint, iterator=made[89]) == [made[91], made[178]]
    after = (shop.now - timedelta(days=190)).isoformat()
    assert await ids_of(client, shop.by_endpoint, after=after) == [made[178]]
    for extreme in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        assert (await client.get(shop.by_endpoint, params={"before": extreme, "after": extreme})).status_code == 200


async def test_a_response_is_hidden_unless_it_is_asked_for(client: httpx.AsyncClient, shop: Shop) -> None:
    await shop.attempt(await shop.message(), response=b"secret")
    page = await page_of(client, shop.by_endpoint, with_content="false")
    assert [item["response"] for item in page["data"]] == ["{}"]
    page = await page_of(client, shop.by_endpoint)
    assert [item["response"] for item in page["data"]] == ["secret"]


@pytest.mark.parametrize(
    ("response", "shown"),
    [
        ("größer \0 日本".encode(), "größer \0 日本"),
        (b"", ""),
        (b"\xff\xfe", "//4="),
        (b"caf\xc3", "Y2Fmww=="),
        # Cut off at the limit of what is kept, in the middle of a character.
        (b"a" * 19_999 + b"\xc3", "a" * 19_999),
    ],
)
async def test_a_response_is_text_or_else_base64(
    client: httpx.AsyncClient, shop: Shop, response: bytes, shown: str
) -> None:
    await shop.attempt(await shop.message(), response=response)
    assert (await page_of(client, shop.by_endpoint))["data"][0]["response"] == shown


async def test_attempts_of_a_message_are_found_by_all_its_names(client: httpx.AsyncClient, shop: Shop) -> None:
    other = (await factories.create_endpoint(client, shop.application))["id"]
    message = await shop.message(event_id="paid-1")
    here = await shop.attempt(message, age=20)
    there = await factories.record_attempt(shop.database.pool, shop.application, message, other)
    await shop.attempt(await shop.message())
    base = f"/app/{shop.application}"
    for name in (message, "paid-1"):
        assert await ids_of(client, f"{base}/attempt/msg/{name}") == [there, here]
        assert await ids_of(client, f"{base}/msg/{name}/attempt") == [there, here]
        assert await ids_of(client, f"{base}/attempt/msg/{name}", endpoint_id="till") == [here]
        assert await ids_of(client, f"{base}/msg/{name}/endpoint/{other}/attempt") == [there]
        assert (await client.get(f"{base}/msg/{name}/attempt/{here}")).json()["id"] == here


async def test_an_expunged_response_is_gone(client: httpx.AsyncClient, shop: Shop) -> None:
    message = await shop.message(event_id="paid-2")
    attempt, kept = await shop.attempt(message, response=b"secret"), await shop.attempt(message, response=b"kept")
    path = f"/app/{shop.application}/msg/paid-2/attempt/{attempt}"
    response = await client.delete(f"{path}/content")
    assert (response.status_code, response.content) == (204, b"")
    assert (await client.get(path)).json()["response"] == "EXPUNGED"
    assert (await client.get(f"/app/{shop.application}/msg/{message}/attempt/{kept}")).json()["response"] == "kept"


async def test_a_portal_reads_attempts_and_resends_but_expunges_nothing(
    shop_portal: httpx.AsyncClient, shop: Shop
) -> None:
    message = await shop.message()
    attempt = await shop.attempt(message)
    async with shop_portal as portal:
        assert await ids_of(portal, shop.by_endpoint) == [attempt]
        base = f"/app/{shop.application}/msg/{message}"
        assert (await portal.post(f"{base}/endpoint/{shop.endpoint}/resend")).status_code == 202
        refused = await portal.delete(f"{base}/attempt/{attempt}/content")
        assert (refused.status_code, refused.json()["code"]) == (403, "insufficient access")
        assert (await portal.get(f"{base}/attempt/{attempt}")).json()["response"] == "ok"


def _reads(shop: Shop, message: str, attempt: str) -> list[tuple[str, str]]:
    base = f"/app/{shop.application}"
    return [
        ("GET", f"{base}/attempt/endpoint/{shop.endpoint}"),
        ("GET", f"{base}/attempt/msg/{message}"),
        ("GET", f"{base}/endpoint/{shop.endpoint}/msg"),
        ("GET", f"{base}/msg/{message}/attempt"),
        ("GET", f"{base}/msg/{message}/attempt/{attempt}"),
        ("GET", f"{base}/msg/{message}/endpoint"),
        ("GET", f"{base}/msg/{message}/endpoint/{shop.endpoint}/attempt"),
        ("DELETE", f"{base}/msg/{message}/attempt/{attempt}/content"),
        ("POST", f"{base}/msg/{message}/endpoint/{shop.endpoint}/resend"),
    ]


async def test_another_organization_finds_nothing(
    stranger: httpx.AsyncClient, anonymous: httpx.AsyncClient, client: httpx.AsyncClient, shop: Shop
) -> None:
    message = await shop.message()
    attempt = await shop.attempt(message)
    for method, path in _reads(shop, message, attempt):
        refused = await stranger.request(method, path)
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found"), path
        assert (await anonymous.request(method, path)).status_code == 401, path
    assert await shop.queued() == 0
    shown = await client.get(f"/app/{shop.application}/msg/{message}/attempt/{attempt}")
    assert shown.json()["response"] == "ok"


async def test_what_belongs_to_another_application_is_not_found(client: httpx.AsyncClient, shop: Shop) -> None:
    neighbour = (await factories.create_application(client))["id"]
    message = await shop.message(event_id="paid-3")
    attempt = await shop.attempt(message)
    foreign = Shop(neighbour, shop.endpoint, shop.database, shop.now)
    for name in (message, "paid-3"):
        for method, path in _reads(foreign, name, attempt):
            assert (await client.request(method, path)).status_code == 404, path
    assert await shop.queued() == 0
    assert await foreign.queued() == 0


async def test_an_attempt_is_found_only_under_its_message(client: httpx.AsyncClient, shop: Shop) -> None:
    attempt = await shop.attempt(await shop.message())
    other = await shop.message()
    path = f"/app/{shop.application}/msg/{other}/attempt/{attempt}"
    assert (await client.get(path)).status_code == 404
    assert (await client.delete(f"{path}/content")).status_code == 404


@pytest.mark.parametrize(
    ("params", "status", "loc"),
    [
        ({"iterator": "atmpt_short"}, 422, ["query", "iterator"]),
        ({"iterator": "-"}, 200, None),
        ({"iterator": ids.new_id("msg")}, 422, ["query", "iterator"]),
        ({"limit": 251}, 422, ["query", "limit", "limit"]),
        ({"limit": "many"}, 400, None),
        ({"status": 5}, 400, None),
        ({"status_code_class": 250}, 400, None),
        ({"before": "yesterday"}, 400, None),
        ({"after": "2026-13-01T00:00:00Z"}, 400, None),
        ({"event_types": "not a name"}, 422, ["query", "event_types"]),
        ({"event_types": "a" * 257}, 422, ["query", "event_types"]),
        ({"channel": "a\0b"}, 422, ["query", "channel"]),
        ({"tag": "a\0b"}, 422, ["query", "tag"]),
        ({"with_content": "perhaps"}, 400, None),
    ],
)
async def test_bad_filters_are_refused_in_the_documented_shape(
    client: httpx.AsyncClient, shop: Shop, params: Json, status: int, loc: list[str] | None
) -> None:
    response = await client.get(shop.by_endpoint, params=params)
    assert response.status_code == status, response.text
    if loc is not None:
        assert response.json()["detail"][0]["loc"] == loc
    elif status == 400:
        assert response.json()["code"] == "generic_error"


@pytest.mark.parametrize("name", ["%00", "a%20b", "a" * 257, "%F0%9F%98%80"])
async def test_bad_names_in_a_path_are_refused(client: httpx.AsyncClient, shop: Shop, name: str) -> None:
    base = f"/app/{shop.application}"
    for path in (
        f"{base}/attempt/msg/{name}",
        f"{base}/attempt/endpoint/{name}",
        f"{base}/attempt/msg/{await shop.message()}?endpoint_id={name}",
    ):
        assert (await client.get(path)).status_code == 422, path


ListPath = Callable[[Shop, str], str]


@pytest.mark.parametrize(
    "path_of",
    [
        lambda shop, _message: shop.by_endpoint,
        lambda shop, message: shop.by_message(message),
        lambda shop, _message: f"/app/{shop.application}/endpoint/{shop.endpoint}/msg",
        lambda shop, message: f"/app/{shop.application}/msg/{message}/endpoint",
    ],
    ids=["by endpoint", "by message", "messages", "destinations"],
)
async def test_a_list_of_fifty_needs_three_statements(
    client: httpx.AsyncClient, shop: Shop, statements: list[str], path_of: ListPath
) -> None:
    message = await shop.message(age=100)
    for age in range(51):
        await shop.attempt(message, age=age)
        delivered = await shop.message(age=age)
        await factories.record_delivery(shop.database.pool, shop.application, delivered, shop.endpoint)
    pool = shop.database.pool
    made = [ids.new_id("ep") for _ in range(51)]
    await pool.execute(
        "INSERT INTO endpoints (id, application_id, url, secrets, shard, created_at, updated_at)"
        " SELECT id, $2, $3, '', 0, now(), now() FROM unnest($1::text[]) AS i(id)",
        *(made, shop.application, factories.URL),
    )
    for endpoint in made:
        await factories.record_delivery(pool, shop.application, message, endpoint)
    statements.clear()
    page = await page_of(client, path_of(shop, message), event_types="invoice.paid")
    assert (len(page["data"]), page["done"]) == (50, False)
    assert len(statements) <= 3, statements


@pytest.mark.parametrize(
    ("name", "method", "path"),
    [
        ("list-by-endpoint", "get", "attempt/endpoint/{endpoint_id}"),
        ("list-by-msg", "get", "attempt/msg/{msg_id}"),
        ("list-attempted-messages", "get", "endpoint/{endpoint_id}/msg"),
        ("get", "get", "msg/{msg_id}/attempt/{attempt_id}"),
        ("expunge-content", "delete", "msg/{msg_id}/attempt/{attempt_id}/content"),
        ("list-attempted-destinations", "get", "msg/{msg_id}/endpoint"),
        ("resend", "post", "msg/{msg_id}/endpoint/{endpoint_id}/resend"),
    ],
)
async def test_an_operation_on_attempts_is_documented_by_its_svix_name(
    anonymous: httpx.AsyncClient, name: str, method: str, path: str
) -> None:
    document = (await anonymous.get("http://postrider.test/openapi.json")).json()
    operation = document["paths"][f"/api/v1/app/{{app_id}}/{path}"][method]
    assert (operation["operationId"], operation["tags"]) == (f"v1.message-attempt.{name}", ["Message Attempt"])


async def test_the_hidden_lists_are_not_documented(anonymous: httpx.AsyncClient) -> None:
    paths = (await anonymous.get("http://postrider.test/openapi.json")).json()["paths"]
    assert "/api/v1/app/{app_id}/attempt/msg/{msg_id}" in paths
    assert "/api/v1/app/{app_id}/msg/{msg_id}/attempt" not in paths
    assert "/api/v1/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/attempt" not in paths
