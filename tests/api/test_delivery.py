"""How far deliveries are, by endpoint and by message, and having them tried once more."""

import asyncio
import json
from base64 import b64decode
from datetime import datetime, timedelta

import httpx
import pytest
import redis
from svix.models import ListResponseEndpointMessageOut, ListResponseMessageEndpointOut

from app import clock
from app.db.shard.model import shard_of
from tests import factories
from tests.api.shop import Shop, ids_of, page_of
from tests.factories import Json

_EXACT = b'{"z":1,"a":1.10,"a":[1e400, "\\u0000\\ud83d\\ude00"] }'


def _messages(shop: Shop) -> str:
    return f"/app/{shop.application}/endpoint/{shop.endpoint}/msg"


def _destinations(shop: Shop, message: str) -> str:
    return f"/app/{shop.application}/msg/{message}/endpoint"


def _resend(shop: Shop, message: str) -> str:
    return f"/app/{shop.application}/msg/{message}/endpoint/{shop.endpoint}/resend"


async def _every_state(shop: Shop) -> dict[str, str]:
    """A message in each state that a delivery can have, by what it is called here; newest first."""
    made = {
        name: await shop.message(age=10 * (number + 1))
        for number, name in enumerate(["untried", "retried", "resent", "delivered", "failed", "canceled"])
    }
    await shop.due(made["untried"])
    await shop.due(made["retried"], after=300, tries=1)
    await shop.delivery(made["retried"], 1)
    await shop.due(made["resent"])
    await shop.delivery(made["resent"], 2)
    await shop.delivery(made["delivered"], 0)
    await shop.delivery(made["failed"], 2)
    await shop.delivery(made["canceled"], 4)
    await shop.message(age=5)
    return made


async def test_messages_of_an_endpoint_say_how_far_they_are(client: httpx.AsyncClient, shop: Shop) -> None:
    made = await _every_state(shop)
    page = await page_of(client, _messages(shop), expanded_statuses=True)
    assert [item["id"] for item in page["data"]] == list(made.values())
    assert [(item["status"], item["statusText"]) for item in page["data"]] == [
        (1, "pending"),
        (1, "pending"),
        (1, "pending"),
        (0, "success"),
        (2, "fail"),
        (4, "canceled"),
    ]
    next_attempts = [item.get("nextAttempt") for item in page["data"]]
    assert next_attempts[3:] == [None, None, None]
    assert datetime.fromisoformat(next_attempts[1]) == shop.now + timedelta(seconds=300)
    ListResponseEndpointMessageOut.model_validate(page)


async def test_who_does_not_know_the_status_canceled_is_told_success(client: httpx.AsyncClient, shop: Shop) -> None:
    """As the specification has it: some SDKs cannot read a list in which they find a status that they do not know."""
    canceled = await shop.message()
    await shop.delivery(canceled, 4)
    destinations = _destinations(shop, canceled)
    for path, shown in ((_messages(shop), canceled), (destinations, shop.endpoint)):
        page = await page_of(client, path)
        assert [(item["id"], item["status"], item["statusText"]) for item in page["data"]] == [(shown, 0, "success")]
    page = await page_of(client, destinations, expanded_statuses=True)
    assert [(item["status"], item["statusText"]) for item in page["data"]] == [(4, "canceled")]
    assert await ids_of(client, _messages(shop), status=0) == []


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (0, ["delivered"]),
        (1, ["untried", "retried", "resent"]),
        (2, ["failed"]),
        (3, []),
        (4, ["canceled"]),
    ],
)
async def test_messages_of_an_endpoint_are_filtered_by_status(
    client: httpx.AsyncClient, shop: Shop, status: int, expected: list[str]
) -> None:
    made = await _every_state(shop)
    assert await ids_of(client, _messages(shop), status=status) == [made[name] for name in expected]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"channel": "eu"}, ["a", "b"]),
        ({"event_types": "order.made"}, ["b"]),
        ({"event_types": "invoice.paid,order.made", "limit": 1}, ["a"]),
        ({"tag": "vip"}, ["c"]),
    ],
)
async def test_messages_of_an_endpoint_are_filtered_by_what_they_are(
    client: httpx.AsyncClient, shop: Shop, params: Json, expected: list[str]
) -> None:
    made = {
        "a": await shop.message(age=10, channels=["eu"]),
        "b": await shop.message(age=20, channels=["eu"], event_type="order.made"),
        "c": await shop.message(age=30, tags=["vip"]),
    }
    await shop.due(made["a"])
    await shop.delivery(made["b"])
    await shop.delivery(made["c"])
    assert await ids_of(client, _messages(shop), **params) == [made[name] for name in expected]


async def test_messages_of_an_endpoint_are_paged_over_both_tables(client: httpx.AsyncClient, shop: Shop) -> None:
    made = [await shop.message(age=10 * (number + 1)) for number in range(7)]
    for number, message in enumerate(made):
        if number % 3:
            await shop.due(message)
        if number % 3 != 1:
            await shop.delivery(message)
    seen: list[str] = []
    iterator, done = None, False
    while not done:
        page = await page_of(client, _messages(shop), limit=2, **({"iterator": iterator} if iterator else {}))
        seen += [item["id"] for item in page["data"]]
        iterator, done = page["iterator"], page["done"]
    assert seen == made
    back = await page_of(client, _messages(shop), limit=3, iterator=f"-{made[5]}")
    assert ([item["id"] for item in back["data"]], back["done"]) == (made[2:5], False)
    at = (shop.now - timedelta(seconds=35)).isoformat()
    assert await ids_of(client, _messages(shop), after=at) == made[:3]
    assert await ids_of(client, _messages(shop), before=at) == made[3:]


async def test_a_payload_is_given_back_byte_for_byte(client: httpx.AsyncClient, shop: Shop) -> None:
    await shop.due(await shop.message(payload=_EXACT))
    response = await client.get(_messages(shop))
    assert b'"payload":' + _EXACT in response.content


@pytest.mark.parametrize(
    ("payload", "with_content", "shown"),
    [(None, "true", {"expired": True}), (b'{"a":1}', "false", {}), (None, "false", {}), (b'{"a":1}', "true", {"a": 1})],
)
async def test_a_payload_is_shown_if_it_is_kept_and_asked_for(
    client: httpx.AsyncClient, shop: Shop, payload: bytes | None, with_content: str, shown: Json
) -> None:
    await shop.delivery(await shop.message(payload=payload))
    page = await page_of(client, _messages(shop), with_content=with_content)
    assert [item["payload"] for item in page["data"]] == [shown]


async def test_destinations_of_a_message_say_how_far_it_is_there(client: httpx.AsyncClient, shop: Shop) -> None:
    pool, message = shop.database.pool, await shop.message(event_id="paid-1")
    retried, deleted, unconcerned = [
        (await factories.create_endpoint(client, shop.application))["id"] for _ in range(3)
    ]
    await shop.delivery(message)
    at = clock.now() + timedelta(seconds=60)
    await factories.record_delivery(pool, shop.application, message, retried, 1)
    await factories.queue_delivery(pool, shop.application, message, retried, at, 1)
    await factories.record_delivery(pool, shop.application, message, deleted, 2)
    await client.delete(f"/app/{shop.application}/endpoint/{deleted}")
    for name in (message, "paid-1"):
        page = await page_of(client, _destinations(shop, name))
        found = {item["id"]: (item["status"], item["statusText"]) for item in page["data"]}
        assert found == {shop.endpoint: (0, "success"), retried: (1, "pending"), deleted: (2, "fail")}
        assert unconcerned not in found
        by_id = {item["id"]: item for item in page["data"]}
        assert datetime.fromisoformat(by_id[retried]["nextAttempt"]) == at
        assert "nextAttempt" not in by_id[deleted]
        assert (by_id[shop.endpoint]["uid"], by_id[shop.endpoint]["url"]) == ("till", factories.URL)
    ListResponseMessageEndpointOut.model_validate(page)


async def test_destinations_are_in_the_order_of_their_ids_and_done_only_when_no_more_follow(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    pool, message = shop.database.pool, await shop.message()
    made = [(await factories.create_endpoint(client, shop.application))["id"] for _ in range(3)]
    for endpoint in made:
        await factories.record_delivery(pool, shop.application, message, endpoint)
    made.sort()
    first = await page_of(client, _destinations(shop, message), limit=2)
    assert ([item["id"] for item in first["data"]], first["done"]) == (made[:2], False)
    last = await page_of(client, _destinations(shop, message), limit=2, iterator=first["iterator"])
    assert ([item["id"] for item in last["data"]], last["done"]) == (made[2:], True)
    back = await page_of(client, _destinations(shop, message), limit=1, iterator=last["prevIterator"])
    assert ([item["id"] for item in back["data"]], back["done"]) == (made[1:2], False)
    assert (await page_of(client, _destinations(shop, message), limit=3))["done"] is True


@pytest.mark.parametrize("state", [0, 2, 4, None])
async def test_a_resend_is_one_attempt_now_outside_of_any_schedule(
    client: httpx.AsyncClient, shop: Shop, state: int | None
) -> None:
    message = await shop.message(event_id="paid-2")
    if state is not None:
        await shop.delivery(message, state)
    response = await client.post(_resend(shop, "paid-2"))
    assert (response.status_code, response.json()) == (202, {})
    row = await shop.database.pool.fetchrow(
        "SELECT *, next_attempt_at <= now() AS due FROM pending_deliveries WHERE message_id = $1", message
    )
    assert (row["endpoint_id"], row["shard"], row["trigger"], row["tries"], row["due"]) == (
        shop.endpoint,
        shard_of(shop.endpoint),
        1,
        -1,
        True,
    )


async def test_a_resend_of_what_waits_keeps_its_place_in_the_schedule(client: httpx.AsyncClient, shop: Shop) -> None:
    message = await shop.message()
    await shop.due(message, after=7200, tries=3)
    assert (await client.post(_resend(shop, message))).status_code == 202
    row = await shop.database.pool.fetchrow(
        "SELECT trigger, tries, next_attempt_at <= now() AS due FROM pending_deliveries WHERE message_id = $1", message
    )
    assert tuple(row) == (1, 3, True)


async def test_a_resend_rings_for_the_endpoints_shard(client: httpx.AsyncClient, shop: Shop, redis_dsn: str) -> None:
    with redis.Redis.from_url(redis_dsn) as broker:
        broker.delete("postrider:postrider")
        assert (await client.post(_resend(shop, await shop.message()))).status_code == 202
        for _ in range(500):
            if any(shard_of(shop.endpoint) in shards for shards in _tasks(broker)):
                return
            await asyncio.sleep(0.02)
    pytest.fail("no worker was told within ten seconds")


def _tasks(broker: redis.Redis) -> list[list[int]]:
    """The shards of each task that waits for a worker."""
    tasks = broker.lrange("postrider:postrider", 0, -1)
    return [json.loads(b64decode(json.loads(task)["body"]))[0][0] for task in tasks]


@pytest.mark.parametrize("what", ["expunged", "disabled", "deleted", "no message", "no endpoint"])
async def test_what_cannot_be_resent_is_refused_and_nothing_is_queued(
    client: httpx.AsyncClient, shop: Shop, what: str
) -> None:
    message = await shop.message(payload=None if what == "expunged" else b"{}")
    endpoint = f"/app/{shop.application}/endpoint/{shop.endpoint}"
    path = _resend(shop, message)
    status, code = 404, "not_found"
    match what:
        case "expunged":
            status, code = 400, "missing_payload"
        case "disabled":
            status, code = 400, "generic_error"
            assert (await client.patch(endpoint, json={"disabled": True})).is_success
        case "deleted":
            assert (await client.delete(endpoint)).is_success
        case "no message":
            path = _resend(shop, "msg_1srOrx2ZWZBpBUvZwXKQmoEYga2")
        case _:
            path = path.replace(shop.endpoint, "ep_1srOrx2ZWZBpBUvZwXKQmoEYga2")
    response = await client.post(path)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert await shop.queued() == 0
