"""How receivers are reached, from the API to what arrived: credentials, tokens, certificates, timeouts, the proxy."""

import base64
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trustme
from pydantic import SecretStr

from app.db.session import Database
from app.settings import Settings
from tests import factories
from tests.delivery.gateways import Gateway, proxying
from tests.delivery.rudeserver import OK, Request, RudeServer
from tests.factories import running
from tests.receiver import Answer, Arrival, Receiver
from tests.worker.conftest import delivering, eventually

Ring = Callable[[], None]

ATTEMPTS = "SELECT * FROM attempts WHERE message_id = $1 ORDER BY id"


@pytest.fixture
async def application(client: httpx.AsyncClient) -> str:
    return str((await factories.create_application(client))["id"])


async def put(client: httpx.AsyncClient, path: str, body: factories.Json) -> None:
    answer = await client.put(path, json=body)
    assert answer.status_code == 204, answer.text


async def endpoint_at(client: httpx.AsyncClient, application: str, url: str, **fields: object) -> str:
    """The path of a new endpoint."""
    made = await factories.create_endpoint(client, application, url, **fields)
    return f"/app/{application}/endpoint/{made['id']}"


async def test_a_credential_reaches_the_receiver_once_and_a_change_is_seen_at_once(
    client: httpx.AsyncClient, application: str, ring: Ring, database: Database
) -> None:
    server = RudeServer()
    await server.start()
    url = url_of(server, server.says(OK).path_and_query)
    endpoint = await endpoint_at(client, application, url, headers={"Authorization": "old", "X-Key": "old"})
    for credential in (
        {"type": "basic", "username": "ü", "password": "p:w"},
        {"type": "header", "name": "x-key", "value": "new"},
    ):
        await put(client, f"{endpoint}/authentication", credential)
        message = await factories.publish(client, application)
        ring()
        await eventually(database, ATTEMPTS, message["id"])
    first, second = server.requests
    await server.stop()
    # Not the custom header of the same name beside it.
    assert first.header("authorization") == [f"Basic {base64.b64encode('ü:p:w'.encode()).decode()}"]
    assert first.header("x-key") == ["old"]
    assert (second.header("authorization"), second.header("x-key")) == (["old"], ["new"])


class Desk:
    """Gives tokens at /token, and takes all but the revoked ones elsewhere."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.revoked: set[str] = set()
        self.is_down = False
        receiver.answer = self._answer

    def _answer(self, arrival: Arrival) -> Answer:
        if arrival.path == "/token":
            body = b'{"access_token": "t%d", "token_type": "Bearer", "expires_in": 3600}' % len(self.asked)
            return Answer(503) if self.is_down else Answer(200, body=body)
        return Answer(401 if arrival.headers["authorization"] in self.revoked else 204)

    @property
    def asked(self) -> list[Arrival]:
        return [arrival for arrival in self.receiver.arrivals if arrival.path == "/token"]

    def oauth(self, secret: str = "s") -> factories.Json:
        return {
            "grantType": "clientCredentials",
            "authMethod": "clientSecretBasic",
            "clientId": "id",
            "clientSecret": secret,
            "tokenUrl": f"{self.receiver.url}/token",
        }


async def test_a_token_is_used_for_many_deliveries_and_replaced_when_the_receiver_refuses_it(
    client: httpx.AsyncClient, application: str, receiver: Receiver, ring: Ring, database: Database
) -> None:
    desk = Desk(receiver)
    endpoint = await endpoint_at(client, application, receiver.url + "/in", headers={"Authorization": "old"})
    await put(client, f"{endpoint}/oauth", desk.oauth())
    for _ in range(5):
        await factories.publish(client, application)
    ring()
    await receiver.wait_for(6)
    # A change of something else keeps the token.
    assert (await client.patch(endpoint, json={"description": "changed"})).status_code == 200
    await factories.publish(client, application)
    ring()
    await receiver.wait_for(7)
    assert len(desk.asked) == 1
    # Refused, and tried again at once, with another token.
    desk.revoked = {"Bearer t1"}
    await factories.publish(client, application)
    ring()
    *_, refused, asked, taken = await receiver.wait_for(10)
    assert [refused.headers["authorization"], asked.path] == ["Bearer t1", "/token"]
    assert taken.headers["authorization"] == "Bearer t2"
    assert refused.headers["webhook-id"] == taken.headers["webhook-id"]
    assert len(desk.asked) == 2
    # Another secret is another token.
    await put(client, f"{endpoint}/oauth", desk.oauth("other"))
    await factories.publish(client, application)
    ring()
    await receiver.wait_for(12)
    assert len(desk.asked) == 3
    basic = [arrival.headers["authorization"] for arrival in desk.asked]
    assert basic[0] == basic[1] != basic[2]
    assert desk.asked[0].body == b"grant_type=client_credentials"


async def test_a_token_url_that_fails_is_an_attempt_with_that_reason_and_is_tried_again(
    client: httpx.AsyncClient, application: str, receiver: Receiver, ring: Ring, database: Database
) -> None:
    desk = Desk(receiver)
    desk.is_down = True
    endpoint = await endpoint_at(client, application, receiver.url + "/in")
    await put(client, f"{endpoint}/oauth", desk.oauth())
    message = await factories.publish(client, application)
    ring()
    (attempt,) = (await eventually(database, ATTEMPTS, message["id"]))[:1]
    desk.is_down = False
    delivered = ATTEMPTS.replace("ORDER", "AND response_status_code = 204 ORDER")
    ring()
    await eventually(database, delivered, message["id"])
    assert attempt["response_status_code"] == 0
    assert b"No token: the token URL answered 503" in attempt["response"]


async def test_an_endpoints_own_timeout_ends_its_attempts(
    client: httpx.AsyncClient, application: str, receiver: Receiver, ring: Ring, database: Database
) -> None:
    # The worker's own timeout is two seconds.
    receiver.answer = lambda _arrival: Answer(after=3.0)
    await endpoint_at(client, application, receiver.url, timeoutSeconds=1)
    message = await factories.publish(client, application)
    ring()
    (attempt,) = await eventually(database, ATTEMPTS, message["id"])
    assert (attempt["response_status_code"], b"in time" in attempt["response"]) == (0, True)
    # uvloop's timers may be early by a few milliseconds.
    assert 980 <= attempt["response_duration_ms"] < 1980


@asynccontextmanager
async def tls_receiver(authority: trustme.CA, clients: trustme.CA | None = None) -> AsyncIterator[RudeServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        clients.configure_trust(context)
    server = RudeServer()
    await server.start(context)
    try:
        yield server
    finally:
        await server.stop()


def url_of(server: RudeServer, path: bytes) -> str:
    return f"{server.scheme}://127.0.0.1:{server.port}{path.decode()}"


async def test_a_client_certificate_and_a_private_authority_are_used_from_the_next_delivery_on(
    client: httpx.AsyncClient, application: str, ring: Ring, database: Database
) -> None:
    authority, clients = trustme.CA(), trustme.CA()
    identity = clients.issue_cert(common_name="acme").private_key_and_cert_chain_pem.bytes().decode()
    names: list[object] = []

    async def note(request: Request) -> None:
        names.append(request.writer.get_extra_info("peercert")["subject"])
        request.writer.write(OK)

    async with tls_receiver(authority, clients) as server:
        endpoint = await endpoint_at(client, application, url_of(server, server.does(note).path_and_query))
        message = await factories.publish(client, application)
        ring()
        refused = await eventually(database, ATTEMPTS, message["id"])
        await put(client, f"{endpoint}/ca", {"cert": authority.cert_pem.bytes().decode()})
        await put(client, f"{endpoint}/mtls", {"identity": identity})
        message = await factories.publish(client, application)
        ring()
        await eventually(database, ATTEMPTS.replace("ORDER", "AND status = 0 ORDER"), message["id"])
    assert b"certificate is not trusted" in refused[0]["response"]
    assert (("commonName", "acme"),) in names[0]  # type: ignore[operator]


async def test_the_operators_proxy_authority_and_https_only_hold_for_all(
    client: httpx.AsyncClient, settings: Settings, receiver: Receiver, empty_dsn: str, tmp_path: Path
) -> None:
    authority = trustme.CA()
    (tmp_path / "ca.pem").write_bytes(authority.cert_pem.bytes())
    lax = settings.model_copy(update={"db_dsn": empty_dsn, "retry_schedule": ()})
    database = Database(lax)
    await database.open()
    async with (
        tls_receiver(authority) as server,
        proxying(Gateway.connect) as gateway,
        running(lax) as app,
        factories.client_of(app, client.headers["authorization"][7:]) as own,
    ):
        application = str((await factories.create_application(own))["id"])
        await endpoint_at(own, application, receiver.url)
        await endpoint_at(own, application, url_of(server, server.says(OK).path_and_query))
        proxy = SecretStr(f"http://u:p@127.0.0.1:{gateway.port}")
        strict = {"proxy_addr": proxy, "ca_file": tmp_path / "ca.pem", "endpoint_https_only": True}
        message = await factories.publish(own, application)
        with delivering(lax.model_copy(update=strict)):
            both = f"SELECT 1 FROM attempts WHERE message_id = '{message['id']}' HAVING count(*) = 2"
            await eventually(database, both)
    rows = await database.pool.fetch(ATTEMPTS, message["id"])
    await database.close()
    attempts = {row["response_status_code"]: row["response"] for row in rows}
    text = b"Messages are sent to https URLs only (endpoint_https_only, or the environment's enforceHttps): use one."
    assert attempts == {200: b"ok", 0: text}
    assert receiver.arrivals == []
    assert len(server.requests) == 1
    assert gateway.asked == [f"CONNECT 127.0.0.1:{server.port} HTTP/1.1"]
