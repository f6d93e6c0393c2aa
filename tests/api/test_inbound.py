"""What providers post to sources: taken in once it is stored, exactly as it came, and once."""

import asyncio
import gzip
from typing import Any

import httpx
import orjson
import pytest
from svix.webhooks import Webhook

from app.db.session import Database
from app.receiving.record import HIDDEN, Received, unpack
from app.settings import Settings
from tests import factories
from tests.api.api_server import ApiServer, both_ways
from tests.api.arriving import Inlet, open_inlet, signed, stripe_event
from tests.factories import Json

BINARY = b"\xff\xfe\x00\x01{" * 20


@pytest.fixture
async def inlet(client: httpx.AsyncClient, application: str) -> Inlet:
    return await open_inlet(client, applicationId=application)


async def messages_of(inlet: Inlet) -> list[Json]:
    application = inlet.source["applicationId"]
    found: list[Json] = (await inlet.client.get(f"/app/{application}/msg", params={"limit": 250})).json()["data"]
    return found


async def logs_of(inlet: Inlet) -> list[Json]:
    path = factories.ingest(inlet.client, f"/source/{inlet.source['id']}/log")
    answer = await inlet.client.get(path, params={"limit": 250})
    found: list[Json] = answer.json()["data"]
    return found


async def kept(database: Database, message: Json) -> Received:
    received = await database.pool.fetchval("SELECT received FROM messages WHERE id = $1", message["id"])
    return unpack(received)


@both_ways
async def test_an_event_that_is_the_providers_becomes_a_message_with_its_name_and_its_bytes(inlet: Inlet) -> None:
    body = b'{ "id": "evt_1", "type": "invoice.paid",\n  "n": 1e400, "data": "\\u0000" }'
    for query in ("", "?a=b&c"):
        answer = await inlet.post(body.replace(b"evt_1", b"evt_1" + query[:1].encode()), query=query)
        assert (answer.status_code, answer.content) == (200, b"")
    # Made within four milliseconds they may be in either order.
    first, second = sorted(await messages_of(inlet), key=lambda message: not message["eventId"].endswith(".evt_1"))
    assert first["eventType"] == second["eventType"] == "stripe.invoice.paid"
    assert first["eventId"] == f"{inlet.source['id']}.evt_1"
    assert second["eventId"] != first["eventId"]
    raw = await inlet.client.get(f"/app/{inlet.source['applicationId']}/msg/{first['id']}")
    assert body in raw.content


async def test_events_of_the_usual_form_are_served_straight_from_their_connection(
    api_server: ApiServer, token: str
) -> None:
    async with api_server.client(token) as client:
        inlet = await open_inlet(client)
        # The first one finds the source.
        assert (await inlet.post(stripe_event())).status_code == 200
        before = api_server.app.requests
        for _ in range(3):
            assert (await inlet.post(stripe_event())).status_code == 200
        assert api_server.app.requests == before
        # What is refused takes the usual way, on the same connection.
        assert (await inlet.post(b"{}", signed(b"{ }"))).status_code == 401
        assert api_server.app.requests == before + 1
        assert len(await messages_of(inlet)) == 4


@both_ways
async def test_a_providers_second_try_gets_its_2xx_and_creates_no_second_message(inlet: Inlet) -> None:
    body = stripe_event("evt_again")
    answers = [await inlet.post(body) for _ in range(2)]
    # At the same moment, too.
    other = stripe_event("evt_at_once")
    answers += await asyncio.gather(*(inlet.post(other) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    names = [message["eventId"].partition(".")[2] for message in await messages_of(inlet)]
    assert names == ["evt_at_once", "evt_again"]


@both_ways
async def test_what_has_arrived_is_an_event_type_that_endpoints_can_ask_for(inlet: Inlet) -> None:
    for name in ("customer.created", "invoice.voided", "invoice.voided"):
        assert (await inlet.post(stripe_event(type=name))).status_code == 200
    async with asyncio.timeout(5):
        while (found := await inlet.client.get("/event-type/stripe.invoice.voided")).status_code != 200:
            await asyncio.sleep(0.02)
    assert found.json()["groupName"] == "stripe"
    wanted = ["stripe.invoice.voided"]
    await factories.create_endpoint(inlet.client, inlet.source["applicationId"], filterTypes=wanted)


async def test_two_sources_of_one_application_may_each_have_an_event_of_the_same_id(inlet: Inlet) -> None:
    other = await open_inlet(inlet.client, applicationId=inlet.source["applicationId"])
    for one in (inlet, other):
        assert (await one.post(stripe_event("evt_1"))).status_code == 200
    assert len(await messages_of(inlet)) == 2


@both_ways
async def test_what_is_not_the_providers_is_refused_and_kept_with_the_reason(inlet: Inlet) -> None:
    body = stripe_event()
    # So that it is known, and the shortcut would be taken.
    assert (await inlet.post(body)).status_code == 200
    refused = await inlet.post(body + b" ", signed(body))
    assert refused.status_code == 401
    assert refused.json()["code"] == "not_verified"
    unsigned = await inlet.post(b"{}", [("content-type", "application/json")])
    assert (unsigned.status_code, "stripe-signature is missing" in unsigned.text) == (401, True)
    # Within four milliseconds there is no order.
    first, last = sorted(await logs_of(inlet), key=lambda log: bool(log["error_text"] == unsigned.json()["detail"]))
    assert (first["status_code"], first["error_text"]) == (401, refused.json()["detail"])
    assert first["payload"] == body.decode() + " "
    assert first["headers"]["content-type"] == "application/json; charset=utf-8"
    assert last["error_text"] == unsigned.json()["detail"]
    assert len(await messages_of(inlet)) == 1


async def test_a_source_that_does_not_want_them_keeps_no_rejected_requests(client: httpx.AsyncClient) -> None:
    inlet = await open_inlet(client, keepRejected=False)
    assert (await inlet.post(b"{}", signed(b"[]"))).status_code == 401
    assert await logs_of(inlet) == []


async def test_of_many_rejected_requests_only_some_are_kept(inlet: Inlet) -> None:
    answers = await asyncio.gather(*(inlet.post(b"{}", [("x-n", str(n))]) for n in range(150)))
    assert {answer.status_code for answer in answers} == {401}
    assert 100 <= len(await logs_of(inlet)) < 150


BODIES: list[Any] = [
    pytest.param("application/x-www-form-urlencoded", b"a=1&a=2&b=%C3%A4", id="form"),
    pytest.param("application/xml", "<?xml version='1.0'?><a>ä</a>\r\n".encode(), id="XML"),
    pytest.param("text/plain; charset=latin-1", "ä".encode("latin-1"), id="latin-1"),
    pytest.param("application/octet-stream", BINARY, id="binary"),
    pytest.param("application/json", b'[{"email": "a@example.com"}]', id="a JSON array"),
    pytest.param("application/json", b'{"a": 1', id="half of JSON"),
    pytest.param("application/json", b'\xef\xbb\xbf{"a": 1}', id="JSON with a byte order mark"),
    pytest.param("application/json", b'{"a": 1} ', id="JSON and a blank"),
    pytest.param("text/plain", b"", id="nothing"),
]


@pytest.mark.parametrize(("content_type", "body"), BODIES)
@both_ways
async def test_any_body_is_kept_to_the_byte_with_its_headers(
    client: httpx.AsyncClient, database: Database, content_type: str, body: bytes
) -> None:
    inlet = await open_inlet(client, "generic-webhook")
    headers = [("content-type", content_type), ("x-first", "1"), ("x-second", "2")]
    for _ in range(2):
        assert (await inlet.post(body, headers)).status_code == 200
    for message in await messages_of(inlet):
        received = await kept(database, message)
        payload = message["payload"]
        assert isinstance(payload, dict)
        if received.body is None:
            # Then it is the payload itself.
            stored = await database.pool.fetchval("SELECT payload FROM messages WHERE id = $1", message["id"])
            assert stored == body
        else:
            assert received.body == body
            assert payload["contentType"] == content_type
        names = [name for name, _ in received.headers]
        assert names.index("content-type") < names.index("x-first") < names.index("x-second")


async def test_repeated_headers_compressed_bodies_and_queries_are_kept_as_they_came(
    client: httpx.AsyncClient, database: Database
) -> None:
    inlet = await open_inlet(client, "generic-webhook")
    body = gzip.compress(b'{"a": 1}')
    headers = [("x-a", "2"), ("content-encoding", "gzip"), ("x-a", "1"), ("authorization", "Bearer of-theirs")]
    assert (await inlet.post(body, headers, "?b=%20&a")).status_code == 200
    (message,) = await messages_of(inlet)
    received = await kept(database, message)
    assert (received.body, received.query, received.method) == (body, "b=%20&a", "POST")
    assert [value for name, value in received.headers if name == "x-a"] == ["2", "1"]
    # A credential is the provider's secret, and that of whoever reads this.
    assert dict(received.headers)["authorization"] == HIDDEN


async def test_a_url_that_is_nobodys_is_not_found(inlet: Inlet) -> None:
    url = inlet.source["ingestUrl"]
    for wrong in (f"{url[:-1]}{'a' if url[-1] != 'a' else 'b'}", f"{url}a", url[:-1], url.rpartition("/")[0] + "/x"):
        answer = await inlet.client.post(wrong, content=b"{}")
        assert answer.status_code == 404, wrong


@both_ways
async def test_what_is_changed_about_a_source_holds_a_second_later(inlet: Inlet) -> None:
    assert (await inlet.post(stripe_event())).status_code == 200
    path = factories.ingest(inlet.client, f"/source/{inlet.source['id']}")
    changed = await inlet.client.patch(path, json={"config": {"secret": "whsec_new", "otherSecrets": []}})
    assert changed.status_code == 200
    # What is not the old secret's may be the new one's, in each process.
    other = stripe_event()
    assert (await inlet.post(other, signed(other, "whsec_new"))).status_code == 200
    async with asyncio.timeout(5):
        while (await inlet.post(stripe_event())).status_code != 401:
            await asyncio.sleep(0.1)
    body = stripe_event()
    assert (await inlet.post(body, signed(body, "whsec_new"))).status_code == 200
    assert (await inlet.client.delete(path)).status_code == 204
    async with asyncio.timeout(5):
        while (await inlet.post(body, signed(body, "whsec_new"))).status_code != 404:
            await asyncio.sleep(0.1)


async def test_a_rotated_url_and_the_one_before_are_good_for_now(inlet: Inlet) -> None:
    path = factories.ingest(inlet.client, f"/source/{inlet.source['id']}/token/rotate")
    rotated = (await inlet.client.post(path)).json()["ingestUrl"]
    assert rotated != inlet.source["ingestUrl"]
    for url in (rotated, inlet.source["ingestUrl"]):
        body = stripe_event()
        assert (await inlet.client.post(url, content=body, headers=signed(body))).status_code == 200


async def test_methods_addresses_and_sizes_that_are_not_allowed_are_refused(
    client: httpx.AsyncClient, settings: Settings
) -> None:
    inlet = await open_inlet(client)
    refused = await client.get(inlet.source["ingestUrl"])
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    large = await inlet.post(b"x" * (settings.max_body_bytes + 1), [])
    assert large.status_code == 413
    elsewhere = await open_inlet(client, allowedIps=["203.0.113.0/24"])
    answer = await elsewhere.post(stripe_event())
    assert (answer.status_code, answer.json()["code"]) == (403, "address_not_allowed")
    (log,) = await logs_of(elsewhere)
    text = "This source takes no requests from 127.0.0.1: add it to the source's allowedIps."
    assert (log["status_code"], log["error_text"], answer.json()["detail"]) == (403, text, text)
    assert await messages_of(elsewhere) == []
    here = await open_inlet(client, allowedIps=["127.0.0.1", "::1/128"], methods=["POST", "PUT"])
    body = stripe_event()
    assert (await client.put(here.source["ingestUrl"], content=body, headers=signed(body))).status_code == 200


async def test_a_handshake_is_answered_and_is_no_message(client: httpx.AsyncClient) -> None:
    inlet = await open_inlet(client, "slack", config={"secret": "s3cr3t"})
    body = b'{"type": "url_verification", "challenge": "3eZbrw1aB"}'
    answer = await inlet.post(body, signed(body, "s3cr3t", "slack"))
    assert (answer.status_code, answer.text) == (200, "3eZbrw1aB")
    assert answer.headers["content-type"].startswith("text/plain")
    assert (await inlet.post(body, signed(body, "other", "slack"))).status_code == 401
    assert await messages_of(inlet) == []


async def test_a_secret_that_a_handshake_tells_is_kept_and_used_from_then_on(client: httpx.AsyncClient) -> None:
    inlet = await open_inlet(client, "asana")
    told = await inlet.post(b"", [("x-hook-secret", "b537207f20cbfa02357cf448134da559")])
    assert (told.status_code, told.headers["x-hook-secret"]) == (200, "b537207f20cbfa02357cf448134da559")
    body = b'{"events": [{"action": "changed", "resource": {"gid": "1", "resource_type": "task"}}]}'
    headers = signed(body, "b537207f20cbfa02357cf448134da559", "asana")
    assert (await inlet.post(body, headers)).status_code == 200
    # Nobody else can tell another one.
    assert (await inlet.post(b"", [("x-hook-secret", "another-one-of-somebody-else")])).status_code in {400, 401}
    assert (await inlet.post(body, signed(body, "another-one-of-somebody-else", "asana"))).status_code == 401
    assert len(await messages_of(inlet)) == 1


@pytest.mark.parametrize("told", ["x" * 5000, "\u00ff\u0085", "a\u00a0\u2028".encode().decode("latin-1")])
async def test_a_handshake_cannot_tell_what_is_no_secret(client: httpx.AsyncClient, told: str) -> None:
    inlet = await open_inlet(client, "notion")
    answer = await inlet.post(orjson.dumps({"verification_token": told}), [("content-type", "application/json")])
    assert answer.status_code == 400
    assert "secret" in answer.json()["detail"]


async def test_an_event_of_a_standard_sender_is_verified_by_the_official_library(client: httpx.AsyncClient) -> None:
    secret = "whsec_" + "QUJDREVG" * 4
    inlet = await open_inlet(client, "svix", config={"secret": secret})
    body = b'{"type": "user.created", "data": {}}'
    headers = signed(body, secret, "svix")
    Webhook(secret).verify(body, dict(headers))  # Raises if it does not hold.
    assert (await inlet.post(body, headers)).status_code == 200
    (message,) = await messages_of(inlet)
    assert message["eventType"] == "svix.user.created"


async def test_what_was_received_is_forgotten_with_the_payload(inlet: Inlet, database: Database) -> None:
    assert (await inlet.post(stripe_event())).status_code == 200
    (message,) = await messages_of(inlet)
    path = f"/app/{inlet.source['applicationId']}/msg/{message['id']}/content"
    assert (await inlet.client.delete(path)).status_code == 204
    row = await database.pool.fetchrow("SELECT payload, received FROM messages WHERE id = $1", message["id"])
    assert row is not None
    assert (row["payload"], row["received"]) == (None, None)
