"""From a published message to what the receiver got and what was recorded, through the real queue and HTTP."""

import asyncio
from collections.abc import Callable

import httpx
import pytest
from standardwebhooks import Webhook
from svix.webhooks import Webhook as SvixWebhook

from app.db.session import Database
from app.settings import Settings
from tests import factories
from tests.factories import running
from tests.receiver import Answer, Receiver
from tests.worker.conftest import delivering, eventually

Ring = Callable[[], None]

ENDED = (
    "SELECT * FROM deliveries WHERE message_id = $1 AND state <> 1 "
    "AND NOT EXISTS (SELECT FROM pending_deliveries p WHERE p.message_id = $1)"
)
ATTEMPTS = "SELECT * FROM attempts WHERE message_id = $1 ORDER BY id"


@pytest.fixture
async def application(client: httpx.AsyncClient) -> str:
    return str((await factories.create_application(client))["id"])


async def secret_of(client: httpx.AsyncClient, application: str, endpoint: factories.Json) -> str:
    return str((await client.get(f"/app/{application}/endpoint/{endpoint['id']}/secret")).json()["key"])


async def test_a_message_arrives_signed_byte_for_byte_as_it_was_published(
    client: httpx.AsyncClient, application: str, receiver: Receiver, ring: Ring
) -> None:
    endpoint = await factories.create_endpoint(client, application, receiver.url + "/in?a=b")
    payload = '{"a": 1.10, "a": 2, "é": "\\u0000 ü", "big": 12345678901234567890123}'.encode()
    published = await client.post(
        f"/app/{application}/msg", content=b'{"eventType": "invoice.paid", "payload": %b }' % payload
    )
    assert published.status_code == 202
    ring()
    (arrival,) = await receiver.wait_for(1)
    assert arrival.body == payload
    assert arrival.path == "/in?a=b"
    assert arrival.headers["content-type"] == "application/json"
    assert arrival.headers["webhook-id"] == arrival.headers["svix-id"] == published.json()["id"]
    secret = await secret_of(client, application, endpoint)
    Webhook(secret).verify(arrival.body, arrival.headers)
    SvixWebhook(secret).verify(arrival.body, arrival.headers)
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(secret).verify(arrival.body + b" ", arrival.headers)


async def test_only_endpoints_that_want_the_event_type_and_channel_get_the_message(
    client: httpx.AsyncClient, application: str, receiver: Receiver, ring: Ring, database: Database
) -> None:
    await factories.create_event_type(client, "invoice.paid")
    await factories.create_event_type(client, "user.created")
    wishes: dict[str, factories.Json] = {
        "all": {},
        "type": {"eventTypes": ["invoice.paid", "user.created"]},
        "other-type": {"eventTypes": ["user.created"]},
        "channel": {"channels": ["a", "b"]},
        "other-channel": {"channels": ["c"]},
        "disabled": {"disabled": True},
    }
    for path, fields in wishes.items():
        await factories.create_endpoint(client, application, f"{receiver.url}/{path}", **fields)
    message = await factories.publish(client, application, channels=["b", "x"])
    without_channel = await factories.publish(client, application)
    ring()
    await receiver.wait_for(5)
    await eventually(database, ENDED, message["id"])
    await eventually(database, ENDED, without_channel["id"])
    paths = sorted(arrival.path for arrival in receiver.arrivals if arrival.headers["webhook-id"] == message["id"])
    assert paths == ["/all", "/channel", "/type"]
    assert len(receiver.arrivals) == 5


async def test_a_failing_receiver_is_tried_again_with_the_same_id_and_body_and_a_new_signature(
    client: httpx.AsyncClient, application: str, receiver: Receiver, ring: Ring, database: Database
) -> None:
    receiver.answer = lambda _: Answer(500 if len(receiver.arrivals) < 3 else 200, body=b"answer")
    endpoint = await factories.create_endpoint(client, application, receiver.url)
    message = await factories.publish(client, application)
    ring()
    arrivals = await receiver.wait_for(3)
    (delivery,) = await eventually(database, ENDED, message["id"])
    assert (delivery["state"], delivery["attempts"]) == (0, 3)
    assert len({(arrival.headers["webhook-id"], arrival.body) for arrival in arrivals}) == 1
    first, *_, last = [int(arrival.headers["webhook-timestamp"]) for arrival in arrivals]
    assert last > first
    secret = await secret_of(client, application, endpoint)
    for arrival in arrivals:
        Webhook(secret).verify(arrival.body, arrival.headers)
    attempts = await database.pool.fetch(ATTEMPTS, message["id"])
    assert [(a["status"], a["response_status_code"], a["response"]) for a in attempts] == [
        (2, 500, b"answer"),
        (2, 500, b"answer"),
        (0, 200, b"answer"),
    ]


async def test_a_delivery_fails_when_the_schedule_is_used_up(
    client: httpx.AsyncClient, application: str, receiver: Receiver, ring: Ring, database: Database
) -> None:
    receiver.answer = lambda _: Answer(302, {"location": receiver.url + "/elsewhere"})
    await factories.create_endpoint(client, application, receiver.url + "/here")
    message = await factories.publish(client, application)
    ring()
    (delivery,) = await eventually(database, ENDED, message["id"])
    assert (delivery["state"], delivery["attempts"]) == (2, 3)
    assert {arrival.path for arrival in receiver.arrivals} == {"/here"}, "a redirect was followed"


async def test_the_first_retry_waits_as_the_schedule_says_and_no_less_than_the_receiver_asks(
    client: httpx.AsyncClient, application: str, receiver: Receiver, settings: Settings, empty_dsn: str
) -> None:
    slow = settings.model_copy(update={"db_dsn": empty_dsn, "retry_schedule": (1000,)})
    database = Database(slow)
    await database.open()
    assert settings.jwt_secret is not None
    async with running(slow) as app, factories.client_of(app, client.headers["authorization"][7:]) as own:
        receiver.answer = lambda arrival: Answer(429, {"retry-after": "5000"} if arrival.path == "/asks" else {})
        application = str((await factories.create_application(own))["id"])
        await factories.create_endpoint(own, application, receiver.url + "/asks")
        await factories.create_endpoint(own, application, receiver.url + "/plain")
        await factories.publish(own, application)
        with delivering(slow):
            await receiver.wait_for(2)
            rows = await eventually(
                database,
                "SELECT url, extract(epoch FROM next_attempt_at - now())::float AS wait FROM pending_deliveries p "
                "JOIN endpoints e ON e.id = p.endpoint_id WHERE (SELECT count(*) FROM attempts) = 2",
            )
    await database.close()
    waits = {str(row["url"]).rpartition("/")[2]: row["wait"] for row in rows}
    assert 790 <= waits["plain"] <= 1200
    assert 4990 <= waits["asks"] <= 5500


async def test_410_gone_ends_the_delivery_and_disables_the_endpoint(
    client: httpx.AsyncClient, application: str, receiver: Receiver, ring: Ring, database: Database
) -> None:
    receiver.answer = lambda _: Answer(410)
    endpoint = await factories.create_endpoint(client, application, receiver.url)
    message = await factories.publish(client, application)
    ring()
    (delivery,) = await eventually(database, ENDED, message["id"])
    assert (delivery["state"], delivery["attempts"]) == (2, 1)
    assert (await client.get(f"/app/{application}/endpoint/{endpoint['id']}")).json()["disabled"] is True


async def test_nothing_is_sent_to_an_endpoint_that_was_deleted(
    client: httpx.AsyncClient, application: str, receiver: Receiver, ring: Ring, database: Database
) -> None:
    endpoint = await factories.create_endpoint(client, application, receiver.url)
    message = await factories.publish(client, application)
    # Whether the worker or the deletion comes first must not matter, so the row is made due again afterwards.
    await eventually(database, ENDED, message["id"])
    assert (await client.delete(f"/app/{application}/endpoint/{endpoint['id']}")).status_code == 204
    seen = len(receiver.arrivals)
    await database.pool.execute(
        "INSERT INTO pending_deliveries (message_id, endpoint_id, application_id, shard) "
        "SELECT $1, id, application_id, shard FROM endpoints WHERE id = $2",
        message["id"],
        endpoint["id"],
    )
    ring()
    # It was delivered before, and stays so.
    (delivery,) = await eventually(database, ENDED, message["id"])
    assert (delivery["state"], delivery["attempts"]) == (0, 1)
    assert len(receiver.arrivals) == seen


async def test_what_was_never_sent_to_an_endpoint_that_was_deleted_ends_as_canceled(
    client: httpx.AsyncClient, application: str, receiver: Receiver, ring: Ring, database: Database
) -> None:
    endpoint = await factories.create_endpoint(client, application, receiver.url)
    assert (await client.delete(f"/app/{application}/endpoint/{endpoint['id']}")).status_code == 204
    message = await factories.publish(client, application)
    await database.pool.execute(
        "INSERT INTO pending_deliveries (message_id, endpoint_id, application_id, shard) "
        "SELECT $1, id, application_id, shard FROM endpoints WHERE id = $2",
        message["id"],
        endpoint["id"],
    )
    ring()
    (delivery,) = await eventually(database, ENDED, message["id"])
    assert (delivery["state"], delivery["attempts"]) == (4, 0)
    assert receiver.arrivals == []


async def test_all_live_secrets_sign_during_a_rotation(
    client: httpx.AsyncClient, application: str, receiver: Receiver, ring: Ring
) -> None:
    endpoint = await factories.create_endpoint(client, application, receiver.url)
    old = await secret_of(client, application, endpoint)
    rotated = await client.post(f"/app/{application}/endpoint/{endpoint['id']}/secret/rotate", json={})
    assert rotated.status_code == 204
    new = await secret_of(client, application, endpoint)
    assert new != old
    await factories.publish(client, application)
    ring()
    (arrival,) = await receiver.wait_for(1)
    Webhook(old).verify(arrival.body, arrival.headers)
    Webhook(new).verify(arrival.body, arrival.headers)


async def test_custom_headers_reach_the_receiver_and_a_change_is_seen_at_once(
    client: httpx.AsyncClient, application: str, receiver: Receiver, ring: Ring
) -> None:
    endpoint = await factories.create_endpoint(client, application, receiver.url)
    for value in ("one", "two"):
        changed = await client.put(
            f"/app/{application}/endpoint/{endpoint['id']}/headers", json={"headers": {"X-Custom": value}}
        )
        assert changed.status_code == 204
        await factories.publish(client, application)
        ring()
        arrivals = await receiver.wait_for({"one": 1, "two": 2}[value])
        assert arrivals[-1].headers["x-custom"] == value


async def test_an_address_that_is_not_allowed_is_never_dialled_and_the_attempt_says_why(
    client: httpx.AsyncClient, settings: Settings, receiver: Receiver, empty_dsn: str
) -> None:
    strict = settings.model_copy(update={"db_dsn": empty_dsn, "whitelist_subnets": (), "retry_schedule": ()})
    database = Database(strict)
    await database.open()
    async with running(strict) as app, factories.client_of(app, client.headers["authorization"][7:]) as own:
        application = str((await factories.create_application(own))["id"])
        await factories.create_endpoint(own, application, receiver.url)
        message = await factories.publish(own, application)
        with delivering(strict):
            (delivery,) = await eventually(database, ENDED, message["id"])
    (attempt,) = await database.pool.fetch(ATTEMPTS, message["id"])
    await database.close()
    assert delivery["state"] == 2
    assert attempt["response_status_code"] == 0
    assert b"127.0.0.1" not in attempt["response"], "the reason tells about the inside"
    assert attempt["response"]
    assert receiver.arrivals == []


async def test_what_nobody_rang_for_is_found_by_the_sweep(
    client: httpx.AsyncClient, application: str, receiver: Receiver, worker: object
) -> None:
    await factories.create_endpoint(client, application, receiver.url)
    await factories.publish(client, application)
    await receiver.wait_for(1, seconds=3)


async def test_a_slow_endpoint_does_not_hold_up_another(
    client: httpx.AsyncClient, application: str, receiver: Receiver, ring: Ring
) -> None:
    receiver.answer = lambda arrival: Answer(after=1.5 if arrival.path == "/slow" else 0)
    await factories.create_endpoint(client, application, receiver.url + "/slow")
    for _ in range(50):  # More than the slow one's lane holds.
        await factories.publish(client, application)
    other = str((await factories.create_application(client))["id"])
    await factories.create_endpoint(client, other, receiver.url + "/quick")
    ring()
    await receiver.wait_for(16)
    before = asyncio.get_running_loop().time()
    await factories.publish(client, other)
    ring()
    while not any(arrival.path == "/quick" for arrival in receiver.arrivals):
        await asyncio.sleep(0.005)
    assert asyncio.get_running_loop().time() - before < 1.0
    await receiver.wait_for(51)
