"""Transformations, from the API to what arrived."""

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from loguru import logger
from standardwebhooks import Webhook

from app.db.session import Database
from app.settings import Settings
from app.transformation.pool import process_sandbox
from tests import factories
from tests.receiver import Answer, Receiver
from tests.worker.conftest import eventually
from tests.worker.stage import staged, until_done

Ring = Callable[[], None]

ATTEMPTS = "SELECT * FROM attempts WHERE message_id = $1 ORDER BY id"
ENDED = "SELECT * FROM deliveries WHERE message_id = $1 AND state <> 1"
SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()


@pytest.fixture(scope="module", autouse=True)
def _sandbox() -> None:
    """Made beforehand: where other tests run beside these, it takes longer than a test should wait."""
    process_sandbox()


@pytest.fixture
async def application(client: httpx.AsyncClient) -> str:
    return str((await factories.create_application(client))["id"])


async def endpoint_with(
    client: httpx.AsyncClient, application: str, url: str, body: str, variables: Any = None, **fields: object
) -> str:
    """The path of a new endpoint with a handler."""
    made = await factories.create_endpoint(client, application, url, secret=SECRET, **fields)
    path = f"/app/{application}/endpoint/{made['id']}"
    await change(client, path, body, variables)
    return path


async def change(client: httpx.AsyncClient, path: str, body: str, variables: Any = None) -> None:
    code = f"function handler(webhook) {{\n{body}\nreturn webhook }}"
    patch = {"code": code, "enabled": True, "variables": variables}
    answer = await client.patch(f"{path}/transformation", json=patch)
    assert answer.status_code == 204, answer.text


async def test_what_the_code_makes_of_a_message_is_signed_and_sent(
    client: httpx.AsyncClient, application: str, receiver: Receiver, ring: Ring, database: Database
) -> None:
    body = """
    webhook.payload = {told: [webhook.eventType, webhook.channels, webhook.env.BY, webhook.payload.id]}
    webhook.url += '?by=code'
    webhook.method = 'PUT'
    webhook.headers = {'X-Own': 'code', 'Content-Type': 'application/vnd.acme+json'}
    """
    headers = {"x-own": "endpoint", "X-Other": "kept"}
    await endpoint_with(client, application, receiver.url + "/in", body, {"BY": "me"}, headers=headers)
    message = await factories.publish(client, application, channels=["a"])
    ring()
    [arrival] = await receiver.wait_for(1)
    assert (arrival.method, arrival.path) == ("PUT", "/in?by=code")
    assert json.loads(arrival.body) == {"told": ["invoice.paid", ["a"], "me", "in_1"]}
    assert arrival.headers["webhook-id"] == message["id"]
    assert arrival.headers["x-own"] == "code"
    assert arrival.headers["x-other"] == "kept"
    assert arrival.headers["content-type"] == "application/vnd.acme+json"
    assert Webhook(SECRET).verify(arrival.body, arrival.headers) == json.loads(arrival.body)
    [attempt] = await eventually(database, ATTEMPTS, message["id"])
    assert (attempt["status"], attempt["url"]) == (0, receiver.url + "/in?by=code")


async def test_a_payload_that_the_code_leaves_is_sent_byte_for_byte(
    client: httpx.AsyncClient, application: str, receiver: Receiver, ring: Ring
) -> None:
    await endpoint_with(client, application, receiver.url, "webhook.headers['X-A'] = 'b'")
    content = b'{"eventType": "invoice.paid", "payload": {"id": 12345678901234567890,  "n": 1.50}}'
    await client.post(f"/app/{application}/msg", content=content, headers={"content-type": "application/json"})
    ring()
    [arrival] = await receiver.wait_for(1)
    assert arrival.body == b'{"id": 12345678901234567890,  "n": 1.50}'
    assert arrival.headers["x-a"] == "b"


async def test_code_that_cancels_ends_the_delivery_and_the_books_balance(
    client: httpx.AsyncClient, application: str, receiver: Receiver, ring: Ring, database: Database
) -> None:
    await endpoint_with(client, application, receiver.url, "webhook.cancel = webhook.payload.id !== 'wanted'")
    unwanted = await factories.publish(client, application)
    wanted = await factories.publish(client, application, payload={"id": "wanted"})
    ring()
    [arrival] = await receiver.wait_for(1)
    assert arrival.headers["webhook-id"] == wanted["id"]
    [delivery] = await eventually(database, ENDED, unwanted["id"])
    assert (delivery["state"], delivery["attempts"]) == (4, 0)
    await eventually(database, ENDED, wanted["id"])
    ledger = (await client.get("/ledger")).json()
    assert ledger["balanced"]
    assert (ledger["total"]["accepted"], ledger["total"]["delivered"], ledger["total"]["canceled"]) == (2, 1, 1)


async def test_code_that_fails_says_so_in_each_attempt_and_is_mended_for_the_next(
    client: httpx.AsyncClient, application: str, receiver: Receiver, ring: Ring, database: Database
) -> None:
    path = await endpoint_with(client, application, receiver.url, "throw new Error('not yet')")
    message = await factories.publish(client, application)
    ring()
    [attempt, *_] = await eventually(database, ATTEMPTS, message["id"])
    assert (attempt["status"], attempt["response_status_code"], attempt["url"]) == (2, 0, receiver.url)
    assert attempt["response"] == b"The endpoint's transformation failed: line 2: Error: not yet"
    await change(client, path, "webhook.payload = {mended: true}")
    ring()
    [arrival] = await receiver.wait_for(1)
    assert json.loads(arrival.body) == {"mended": True}


async def test_code_that_always_fails_uses_the_schedule_up_and_a_resend_tries_again(
    client: httpx.AsyncClient, application: str, receiver: Receiver, ring: Ring, database: Database
) -> None:
    path = await endpoint_with(client, application, receiver.url, "while (true);")
    message = await factories.publish(client, application)
    ring()
    [delivery] = await eventually(database, ENDED, message["id"])
    assert (delivery["state"], delivery["attempts"]) == (2, 3)
    assert {row["response"] for row in await database.pool.fetch(ATTEMPTS, message["id"])} == {
        b"The endpoint's transformation failed: it took too long: it must do less"
    }
    await client.patch(f"{path}/transformation", json={"enabled": False})
    resent = await client.post(f"/app/{application}/msg/{message['id']}/endpoint/{path.rpartition('/')[2]}/resend")
    assert resent.is_success
    ring()
    [arrival] = await receiver.wait_for(1)
    assert json.loads(arrival.body) == {"id": "in_1"}


REFUSED = {
    "our own network": ("webhook.url = 'http://169.254.169.254/latest'", b"does not lead to a public address"),
    "a file": ("webhook.url = 'file:///etc/passwd'", b"http:// or https://"),
    "credentials in the URL": ("webhook.url = 'http://a:b@example.com/'", b"user name"),
    "another Host": ("webhook.headers.Host = 'internal'", b"'Host'"),
    "framing": ("webhook.headers['Transfer-Encoding'] = 'chunked'", b"'Transfer-Encoding'"),
    "a line of its own": ("webhook.headers['X-A'] = 'b\\r\\nX-C: d'", b"'X-A'"),
    "our signature": ("webhook.headers['Webhook-Signature'] = 'v1,x'", b"'Webhook-Signature'"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_code_reaches_nothing_that_its_owner_may_not(
    client: httpx.AsyncClient, application: str, receiver: Receiver, ring: Ring, database: Database, name: str
) -> None:
    body, said = REFUSED[name]
    await endpoint_with(client, application, receiver.url, body)
    message = await factories.publish(client, application)
    ring()
    [attempt, *_] = await eventually(database, ATTEMPTS, message["id"])
    assert attempt["status"] == 2
    assert said in attempt["response"]
    assert not receiver.arrivals


async def test_code_may_say_what_a_raw_payload_becomes(
    client: httpx.AsyncClient, application: str, receiver: Receiver, ring: Ring
) -> None:
    """A raw payload goes out as it is, unless the code makes a body of it."""
    body = "if (webhook.env.CHANGE) webhook.payload = webhook.transformationsParams.rawPayload.toUpperCase()"
    path = await endpoint_with(client, application, receiver.url, body)
    raw = {"rawPayload": "<a/>", "headers": {"content-type": "text/xml"}}
    await factories.publish(client, application, payload={}, transformationsParams=raw)
    ring()
    [left] = await receiver.wait_for(1)
    assert (left.body, left.headers["content-type"]) == (b"<a/>", "text/xml")
    await change(client, path, body, {"CHANGE": "yes"})
    await factories.publish(client, application, payload={}, transformationsParams=raw)
    ring()
    changed = (await receiver.wait_for(2))[1]
    assert (changed.body, changed.headers["content-type"]) == (b"<A/>", "application/json")


async def test_code_does_not_replace_the_token_of_an_endpoint_that_has_one(
    client: httpx.AsyncClient, application: str, receiver: Receiver, ring: Ring
) -> None:
    receiver.answer = lambda arrival: Answer(
        200, body=b'{"access_token": "t", "token_type": "Bearer"}' if arrival.path == "/token" else b""
    )
    path = await endpoint_with(client, application, receiver.url, "webhook.headers.Authorization = 'Basic x'")
    oauth = {
        "grantType": "clientCredentials",
        "authMethod": "clientSecretBasic",
        "clientId": "a",
        "clientSecret": "b",
        "tokenUrl": f"{receiver.url}/token",
    }
    assert (await client.put(f"{path}/oauth", json=oauth)).is_success
    await factories.publish(client, application)
    ring()
    arrival = (await receiver.wait_for(2))[1]
    assert arrival.headers["authorization"] == "Bearer t"


async def test_hostile_code_of_one_customer_does_not_delay_another(
    client: httpx.AsyncClient, application: str, receiver: Receiver, ring: Ring
) -> None:
    other = str((await factories.create_application(client))["id"])
    await endpoint_with(client, application, receiver.url, "while (true);")
    await endpoint_with(client, other, receiver.url, "webhook.payload.seen = 1")
    for _ in range(8):
        await factories.publish(client, application)
    wanted = await factories.publish(client, other)
    ring()
    [arrival] = await receiver.wait_for(1, seconds=1.5)
    assert arrival.headers["webhook-id"] == wanted["id"]


@pytest.mark.chaos
async def test_slow_code_of_one_customer_does_not_take_all_places(
    settings: Settings, token: str, empty_dsn: str, receiver: Receiver
) -> None:
    """Its endpoints might fill what a worker may have in flight, and nobody else's would be read until they ended."""
    own = settings.model_copy(update={"db_dsn": empty_dsn})
    async with staged(own, token) as stage:
        other = str((await factories.create_application(stage.client))["id"])
        slow = "for (let i = 0; i < 2e5; i++); webhook.url += 'slow'"
        for _ in range(10):
            await endpoint_with(stage.client, stage.application, receiver.url + "/", slow)
        await factories.create_endpoint(stage.client, other, receiver.url + "/wanted")
        for _ in range(12):
            await factories.publish(stage.client, stage.application)
        await factories.publish(stage.client, other)
        async with stage.draining(most=70, ceiling=16):
            await until_done(stage)
    places = [arrival.path for arrival in receiver.arrivals]
    assert places.count("/slow") == 120
    # Seventy are in flight: if they might all be one customer's, it would be read after fifty have ended.
    assert places.index("/wanted") < 50


async def test_an_ordered_endpoint_goes_on_after_what_its_code_cancels(
    settings: Settings, token: str, empty_dsn: str, receiver: Receiver
) -> None:
    own = settings.model_copy(update={"db_dsn": empty_dsn, "retry_schedule": (0, 0)})
    async with staged(own, token) as stage:
        body = "webhook.cancel = webhook.payload.n % 2 === 1"
        await endpoint_with(stage.client, stage.application, receiver.url, body, orderedBy="endpoint")
        for n in range(6):
            await factories.publish(stage.client, stage.application, payload={"n": n})
        async with stage.draining():
            await until_done(stage)
    assert [json.loads(arrival.body)["n"] for arrival in receiver.arrivals] == [0, 2, 4]


@pytest.mark.parametrize("whose", ["the installation's", "the environment's"])
async def test_code_chooses_no_other_url_where_only_https_is_sent_to(
    settings: Settings, token: str, empty_dsn: str, whose: str
) -> None:
    own = settings.model_copy(
        update={"db_dsn": empty_dsn, "endpoint_https_only": whose == "the installation's", "retry_schedule": ()}
    )
    async with staged(own, token) as stage:
        if whose == "the environment's":
            await stage.client.patch("/management/environment-settings", json={"enforceHttps": True})
        await endpoint_with(
            stage.client, stage.application, "https://127.0.0.1:1024/", "webhook.url = 'http://127.0.0.1:1024/'"
        )
        message = await factories.publish(stage.client, stage.application)
        async with stage.draining():
            [attempt] = await eventually(stage.database, ATTEMPTS, message["id"])
    assert b"https URLs only" in attempt["response"]


async def test_what_code_throws_is_not_in_our_log(
    client: httpx.AsyncClient, application: str, receiver: Receiver, ring: Ring, database: Database
) -> None:
    await endpoint_with(client, application, receiver.url, "throw 'canary-4711'")
    message = await factories.publish(client, application)
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), level="TRACE", serialize=True)
    ring()
    await eventually(database, ATTEMPTS, message["id"])
    # The line of an attempt comes once it is recorded.
    async with asyncio.timeout(5):
        while not any(message["id"] in line for line in lines):
            await asyncio.sleep(0.01)
    logger.remove(sink)
    told = [line for line in lines if message["id"] in line]
    assert all("transformation" in line and "canary-4711" not in line for line in told)
