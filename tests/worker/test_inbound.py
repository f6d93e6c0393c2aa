"""What arrived at a source is delivered: the bytes and headers that came, signed anew, with the same guarantees."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest
from svix.webhooks import Webhook

from app.settings import Settings
from tests import factories
from tests.api.arriving import Inlet, open_inlet, signed, stripe_event
from tests.receiver import Arrival, Receiver
from tests.worker.stage import Stage, staged, until_done
from worker.release import release_held

SECRET = "whsec_" + "QUJDREVG" * 4
CODE = (
    "function handler(webhook) { if (webhook.payload.change) { webhook.payload = { changed: true } } return webhook }"
)


@pytest.fixture
async def stage(settings: Settings, empty_dsn: str, token: str) -> AsyncIterator[Stage]:
    async with staged(settings.model_copy(update={"db_dsn": empty_dsn}), token) as opened:
        yield opened


async def inlet_of(stage: Stage, kind: str = "generic-webhook", **fields: Any) -> Inlet:
    return await open_inlet(stage.client, kind, applicationId=stage.application, **fields)


async def take(inlet: Inlet, *bodies: tuple[bytes, str], query: str = "") -> None:
    for body, content_type in bodies:
        assert (await inlet.post(body, [("content-type", content_type), ("x-event", "1")], query)).status_code == 200


def bodies(receiver: Receiver) -> list[bytes]:
    return sorted(arrival.body for arrival in receiver.arrivals)


async def test_stripes_bytes_and_signature_reach_the_endpoint_which_can_verify_both_senders(
    stage: Stage, receiver: Receiver
) -> None:
    await stage.endpoint(receiver.url, secret=SECRET)
    inlet = await inlet_of(stage, "stripe")
    body = stripe_event("evt_1") + b"\n"
    headers = signed(body)
    assert (await inlet.post(body, headers)).status_code == 200
    async with stage.draining():
        await until_done(stage)
    (arrival,) = receiver.arrivals
    assert arrival.body == body
    assert arrival.headers["stripe-signature"] == dict(headers)["stripe-signature"]
    assert arrival.headers["content-type"] == "application/json; charset=utf-8"
    Webhook(SECRET).verify(arrival.body, arrival.headers)  # Raises if it does not hold.


@pytest.mark.parametrize(
    ("forward", "form", "binary", "content_type"),
    [
        ("original", b"a=1&b=2", b"\xff\x00", "application/x-www-form-urlencoded"),
        (
            "payload",
            b'{"contentType":"application/x-www-form-urlencoded","body":"a=1&b=2"}',
            b'{"contentType":"application/octet-stream","bodyBase64":"/wA="}',
            "application/json",
        ),
    ],
)
async def test_endpoints_get_the_body_as_it_came_or_as_json_as_the_source_says(
    stage: Stage, receiver: Receiver, forward: str, form: bytes, binary: bytes, content_type: str
) -> None:
    await stage.endpoint(receiver.url, secret=SECRET)
    inlet = await inlet_of(stage, forward=forward)
    await take(inlet, (b"a=1&b=2", "application/x-www-form-urlencoded"), (b"\xff\x00", "application/octet-stream"))
    async with stage.draining():
        await until_done(stage)
    assert bodies(receiver) == sorted([form, binary])
    types = {arrival.body: arrival.headers["content-type"] for arrival in receiver.arrivals}
    assert types[form] == content_type
    # The official library takes texts only.
    for arrival in receiver.arrivals:
        if arrival.body == form:
            Webhook(SECRET).verify(arrival.body, arrival.headers)  # Raises if it does not hold.


async def test_headers_about_the_event_are_passed_on_and_none_that_frame_route_or_authenticate(
    stage: Stage, receiver: Receiver
) -> None:
    endpoint = await stage.endpoint(receiver.url)
    path = f"/app/{stage.application}/endpoint/{endpoint}/headers"
    assert (await stage.client.put(path, json={"headers": {"X-Mine": "the endpoint's"}})).status_code == 204
    inlet = await inlet_of(stage, forward="payload")
    headers = [
        *(("x-event", "push"), ("x-mine", "the provider's"), ("webhook-id", "theirs"), ("user-agent", "Acme/1")),
        *(("authorization", "Basic c2VjcmV0"), ("cookie", "a=b"), ("x-forwarded-for", "203.0.113.7")),
        *(
            ("te", "trailers"),
            ("x-latin", "caf\xe9"),
            ("x-http-method-override", "DELETE"),
            ("x-original-url", "/admin"),
        ),
        *(("content-encoding", "gzip"), ("x-forwarded-user", "root")),
    ]
    raw = httpx.Headers([(name.encode(), value.encode("latin-1")) for name, value in headers])
    answer = await inlet.client.post(inlet.source["ingestUrl"], content=b"{}", headers=raw)
    assert answer.status_code == 200
    async with stage.draining():
        await until_done(stage)
    (arrival,) = receiver.arrivals
    got = arrival.headers
    assert (got["x-event"], got["x-mine"], got["x-latin"]) == ("push", "the endpoint's", "caf\xe9")
    assert (got["x-original-webhook-id"], got["x-original-user-agent"]) == ("theirs", "Acme/1")
    assert got["webhook-id"].startswith("msg_")
    assert got["user-agent"].startswith("Postrider/")
    assert not {"authorization", "cookie", "x-forwarded-for", "x-forwarded-user", "te"} & got.keys()
    assert not {"x-http-method-override", "x-original-url", "content-encoding"} & got.keys()
    attempts = (await stage.client.get(f"/app/{stage.application}/attempt/endpoint/{endpoint}")).json()["data"]
    said = await stage.client.get(
        f"/app/{stage.application}/msg/{attempts[0]['msgId']}/attempt/{attempts[0]['id']}/headers"
    )
    assert said.json()["sentHeaders"]["x-event"] == "push"


async def test_code_sees_the_payload_and_what_it_leaves_alone_goes_as_it_came(stage: Stage, receiver: Receiver) -> None:
    endpoint = await stage.endpoint(receiver.url)
    path = f"/app/{stage.application}/endpoint/{endpoint}/transformation"
    assert (await stage.client.patch(path, json={"code": CODE, "enabled": True})).status_code == 204
    inlet = await inlet_of(stage)
    await take(inlet, (b"a=1", "text/x-form"), (b'{"change": 1}', "application/vnd.acme+json"))
    async with stage.draining():
        await until_done(stage)
    types = {arrival.body: arrival.headers["content-type"] for arrival in receiver.arrivals}
    assert types == {b"a=1": "text/x-form", b'{"changed":true}': "application/json"}
    assert all(arrival.headers["x-event"] == "1" for arrival in receiver.arrivals)


async def test_a_resend_and_a_retry_send_the_same_bytes_and_headers(stage: Stage, receiver: Receiver) -> None:
    endpoint = await stage.endpoint(receiver.url)
    inlet = await inlet_of(stage)
    await take(inlet, (b"<a/>", "text/xml"))
    async with stage.draining():
        await until_done(stage)
        (message,) = (await stage.client.get(f"/app/{stage.application}/msg")).json()["data"]
        path = f"/app/{stage.application}/msg/{message['id']}"
        assert (await stage.client.post(f"{path}/endpoint/{endpoint}/resend")).status_code == 202
        first, second = await receiver.wait_for(2)
    assert (await stage.client.get(f"{path}/raw")).json() == {"payload": "<a/>"}

    def sent(arrival: Arrival) -> tuple[bytes, dict[str, str]]:
        changing = ("webhook-timestamp", "webhook-signature", "svix-timestamp", "svix-signature")
        return arrival.body, {name: value for name, value in arrival.headers.items() if name not in changing}

    assert sent(first) == sent(second)
    assert (first.body, first.headers["content-type"]) == (b"<a/>", "text/xml")


async def test_a_paused_source_keeps_what_arrives_and_delivers_it_once_it_goes_on(
    stage: Stage, receiver: Receiver
) -> None:
    await stage.endpoint(receiver.url, orderedBy="endpoint")
    inlet = await inlet_of(stage, paused=True)
    expected = [orjson.dumps({"n": number}) for number in range(20)]
    await take(inlet, *((body, "application/json") for body in expected))
    pool = stage.database.pool
    assert await stage.pending() == 0
    await release_held(pool, lambda _shards: None)
    assert await stage.pending() == 0
    path = factories.ingest(stage.client, f"/source/{inlet.source['id']}")
    assert (await stage.client.patch(path, json={"paused": False})).json()["paused"] is False
    rung = set[int]()
    # Two at once do it once.
    await asyncio.gather(*(release_held(pool, rung.update) for _ in range(2)))
    assert await stage.pending() == len(expected)
    assert rung
    async with stage.draining():
        await until_done(stage)
    assert [arrival.body for arrival in receiver.arrivals] == expected
    assert await pool.fetchval("SELECT count(*) FROM held_messages") == 0
    # The ledger counts each, once.
    assert await pool.fetchval("SELECT sum(deliveries) FROM messages") == len(expected)


async def test_what_a_paused_source_holds_is_not_forgotten(stage: Stage) -> None:
    inlet = await inlet_of(stage, paused=True)
    await take(inlet, (b"{}", "application/json"))
    kept = "SELECT count(*) FROM undelivered_messages u JOIN messages m ON m.id = u.message_id WHERE m.source_id = $1"
    assert await stage.database.pool.fetchval(kept, inlet.source["id"]) == 1
    # Nor when the source goes.
    path = factories.ingest(stage.client, f"/source/{inlet.source['id']}")
    assert (await stage.client.delete(path)).status_code == 204
    await stage.endpoint(factories.URL)
    await release_held(stage.database.pool, lambda _shards: None)
    assert await stage.pending() == 1
