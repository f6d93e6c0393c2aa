"""What can be asked about attempts beside lists of them: their messages, their number, their headers."""

from datetime import timedelta

import httpx
import pytest
from svix.api import MessageAttemptListByEndpointOptions, SvixAsync

from app import __version__, ids
from tests import factories
from tests.api.shop import Shop, page_of
from tests.factories import Json


async def test_attempts_carry_their_messages_without_payloads_if_that_is_asked_for(
    client: httpx.AsyncClient, shop: Shop, svix: SvixAsync
) -> None:
    message = await shop.message(event_id="paid-1", channels=["eu"], tags=["vip"])
    attempts = [await shop.attempt(message, age=age) for age in (10, 20)]
    page = await page_of(client, shop.by_endpoint, with_msg=True)
    assert [item["id"] for item in page["data"]] == attempts
    shown = (await client.get(f"/app/{shop.application}/msg/{message}?with_content=false")).json()
    assert [item["msg"] for item in page["data"]] == [shown, shown]
    assert shown["payload"] == {}
    assert not any("msg" in item for item in (await page_of(client, shop.by_endpoint))["data"])
    options = MessageAttemptListByEndpointOptions(with_msg=True)
    listed = await svix.message_attempt.list_by_endpoint(shop.application, shop.endpoint, options)
    assert [item.msg and item.msg.event_id for item in listed.data] == ["paid-1", "paid-1"]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, 4),
        ({"status": 0}, 1),
        ({"status": 2}, 3),
        ({"status": 1}, 0),
        ({"status": 4}, 0),
        ({"status_code_class": 0}, 1),
        ({"status_code_class": 300}, 1),
        ({"channel": "eu"}, 2),
        ({"tag": "vip"}, 1),
        ({"event_types": "order.made,none.such"}, 1),
        ({"event_types": "invoice.paid", "status": 2}, 2),
    ],
)
async def test_attempts_are_counted(client: httpx.AsyncClient, shop: Shop, params: Json, expected: int) -> None:
    eu = await shop.message(channels=["eu"])
    order = await shop.message(event_type="order.made", tags=["vip"])
    await shop.attempt(eu, age=10)
    await shop.attempt(eu, age=20, code=302)
    await shop.attempt(order, age=30, code=410)
    await shop.attempt(await shop.message(), age=40, code=0)
    counted = await client.get(f"{shop.by_endpoint}/count", params=params)
    assert (counted.status_code, counted.json()) == (200, {"count": expected, "approximated": False})


async def test_attempts_are_counted_in_a_span_of_time(client: httpx.AsyncClient, shop: Shop) -> None:
    message = await shop.message(age=1000)
    for age in (100, 200, 300):
        await shop.attempt(message, age=age)
    at = (shop.now - timedelta(seconds=150)).isoformat()
    assert (await client.get(f"{shop.by_endpoint}/count", params={"before": at})).json()["count"] == 2
    assert (await client.get(f"{shop.by_endpoint}/count", params={"after": at})).json()["count"] == 1


async def test_a_count_ends_at_its_ceiling_and_says_so(
    client: httpx.AsyncClient, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.db.attempt.table.EXAMINED", 3)
    message = await shop.message()
    for code in (200, 200, 500):
        await shop.attempt(message, age=10, code=code)
    count = f"{shop.by_endpoint}/count"
    assert (await client.get(count)).json() == {"count": 3, "approximated": False}
    await shop.attempt(message, age=50, code=500)
    assert (await client.get(count)).json() == {"count": 3, "approximated": True}


async def test_the_headers_of_an_attempt_are_shown_but_for_the_values_of_those_that_are_secret(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    endpoint = f"/app/{shop.application}/endpoint/{shop.endpoint}"
    headers = {"X-Region": "eu", "X-Api-Key": "geheim"}
    assert (await client.put(f"{endpoint}/headers", json={"headers": headers})).status_code == 204
    login = {"type": "basic", "username": "ada", "password": "geheim"}
    assert (await client.put(f"{endpoint}/authentication", json=login)).status_code == 204
    message = await shop.message()
    attempt = await shop.attempt(message)
    response = await client.get(f"/app/{shop.application}/msg/{message}/attempt/{attempt}/headers")
    assert response.status_code == 200
    at = str(int(ids.created_at(attempt).timestamp()))
    assert response.json() == {
        "sentHeaders": {
            "accept-encoding": "identity",
            "user-agent": f"Postrider/{__version__}",
            "accept": "*/*",
            "content-type": "application/json",
            "X-Region": "eu",
            "webhook-id": message,
            "webhook-timestamp": at,
            "svix-id": message,
            "svix-timestamp": at,
        },
        "sensitive": ["Authorization", "svix-signature", "webhook-signature", "X-Api-Key"],
    }
    assert "geheim" not in response.text


async def test_the_headers_of_an_attempt_hold_those_of_its_message(client: httpx.AsyncClient, shop: Shop) -> None:
    endpoint = f"/app/{shop.application}/endpoint/{shop.endpoint}"
    await client.put(f"{endpoint}/headers", json={"headers": {"X-Region": "eu"}})
    await client.put(f"{endpoint}/authentication", json={"type": "header", "name": "X-Pass", "value": "geheim"})
    params = {"rawPayload": "<a/>", "headers": {"Content-Type": "text/xml", "x-region": "us", "X-Kind": "test"}}
    message = (await factories.publish(client, shop.application, transformationsParams=params))["id"]
    attempt = await shop.attempt(message)
    path = f"/app/{shop.application}/msg/{message}/attempt/{attempt}/headers"
    shown = (await client.get(path)).json()
    sent = shown["sentHeaders"]
    assert {name: sent.get(name) for name in ("Content-Type", "content-type", "X-Region", "x-region", "X-Kind")} == {
        "Content-Type": "text/xml",
        "content-type": None,
        "X-Region": "eu",
        "x-region": None,
        "X-Kind": "test",
    }
    assert "X-Pass" in shown["sensitive"]
    # Of an endpoint that is deleted nobody knows the headers any more.
    assert (await client.delete(endpoint)).status_code == 204
    shown = (await client.get(path)).json()
    assert ("X-Region" in shown["sentHeaders"], "X-Pass" in shown["sensitive"]) == (False, False)


async def test_headers_and_numbers_of_others_are_not_found(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, shop: Shop
) -> None:
    message = await shop.message()
    attempt = await shop.attempt(message)
    other = await shop.message()
    root = f"/app/{shop.application}"
    for path in (f"{root}/msg/{message}/attempt/{attempt}/headers", f"{shop.by_endpoint}/count"):
        assert (await client.get(path)).status_code == 200
        assert (await stranger.get(path)).status_code == 404
    assert (await client.get(f"{root}/msg/{other}/attempt/{attempt}/headers")).status_code == 404
    assert (await client.get(f"{root}/attempt/endpoint/none/count")).status_code == 404


@pytest.mark.parametrize("value", ["true", "false"])
async def test_lists_of_attempts_take_what_new_clients_say_of_statuses(
    client: httpx.AsyncClient, shop: Shop, value: str
) -> None:
    message = await shop.message()
    attempt = await shop.attempt(message)
    one = f"/app/{shop.application}/msg/{message}/attempt/{attempt}"
    for path in (shop.by_endpoint, shop.by_message(message)):
        page = await page_of(client, path, expanded_statuses=value)
        assert [(item["id"], item["status"]) for item in page["data"]] == [(attempt, 0)]
    assert (await client.get(one, params={"expanded_statuses": value})).json()["status"] == 0
    assert (await client.get(one, params={"expanded_statuses": "perhaps"})).status_code == 400
