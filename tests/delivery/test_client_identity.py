"""Client certificates and private authorities: each endpoint's own, and never another's."""

import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

import pytest
import trustme

from app.delivery.client import DeliveryClient
from app.delivery.guard import Guard
from app.delivery.outcome import Delivered, Unreachable
from app.delivery.tls import Contexts, TlsSettings
from app.delivery.url import Target, parse_url
from tests.delivery.rudeserver import LOOPBACK, Request, RudeServer, on_each_loop, systems_authorities

BODY = b'{"a":1}'
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(scope="module")
def servers_authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def clients_authority() -> trustme.CA:
    return trustme.CA()


def identity(authority: trustme.CA, name: str) -> str:
    issued = authority.issue_cert(common_name=name)
    return (issued.cert_chain_pems[0].bytes() + issued.private_key_pem.bytes()).decode()


def pem(authority: trustme.CA) -> str:
    return authority.cert_pem.bytes().decode()


@asynccontextmanager
async def receiver(
    own: trustme.CA, clients: trustme.CA | None, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> AsyncIterator[RudeServer]:
    """A receiver with TLS, which asks for a certificate if it knows who issues them, and answers with its name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = version
    own.issue_cert("127.0.0.1").configure_cert(context)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        clients.configure_trust(context)
    server = RudeServer()
    await server.start(context)
    try:
        yield server
    finally:
        await server.stop()


async def say_who(request: Request) -> None:
    """Answer with the common name of the client's certificate."""
    certificate = request.writer.get_extra_info("peercert") or {}
    names = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    body = (names[0] if names else "nobody").encode()
    request.writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)


def client_of(authorities: str | None = None) -> DeliveryClient:
    tls = None if authorities else systems_authorities()
    return DeliveryClient(Guard(LOOPBACK), timeout=3.0, tls=tls, authorities=authorities)


def with_tls(target: Target, own_identity: str | None, authorities: str | None) -> Target:
    return replace(target, tls=TlsSettings(own_identity, authorities))


@pytest.mark.parametrize("version", VERSIONS)
@on_each_loop
async def test_a_receiver_that_asks_gets_the_endpoints_certificate(
    servers_authority: trustme.CA, clients_authority: trustme.CA, version: ssl.TLSVersion
) -> None:
    async with receiver(servers_authority, clients_authority, version) as server:
        client = client_of()
        target = with_tls(server.does(say_who), identity(clients_authority, "acme"), pem(servers_authority))
        outcomes = [await client.post(target, b"", BODY) for _ in range(3)]
        await client.close()
        assert [outcome.body for outcome in outcomes if isinstance(outcome, Delivered)] == [b"acme"] * 3
        assert server.connections == 1


@contextmanager
def refusing_receiver(own: trustme.CA, clients: trustme.CA, version: ssl.TLSVersion) -> Iterator[int]:
    """The port of a receiver that says why it ends a handshake, which servers on an event loop of Python do not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    own.issue_cert("127.0.0.1").configure_cert(context)
    clients.configure_trust(context)

    def serve(listening: socket.socket) -> None:
        accepted, _ = listening.accept()
        accepted.settimeout(5)
        secured = context.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False)
        with pytest.raises(ssl.SSLError):
            secured.do_handshake()
        with socket.socket(fileno=secured.detach()) as plain:
            plain.settimeout(5)
            plain.shutdown(socket.SHUT_WR)
            # What has arrived and is not read would reset the connection, and with it what was said.
            while plain.recv(65536):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        yield listening.getsockname()[1]
        thread.join(10)


@pytest.mark.parametrize("version", VERSIONS)
@on_each_loop
async def test_without_a_certificate_the_reason_says_that_one_is_required(
    servers_authority: trustme.CA, clients_authority: trustme.CA, version: ssl.TLSVersion
) -> None:
    with refusing_receiver(servers_authority, clients_authority, version) as port:
        client = client_of()
        target = parse_url(f"https://127.0.0.1:{port}/")
        outcome = await client.post(with_tls(target, None, pem(servers_authority)), b"", BODY)
        await client.close()
    assert isinstance(outcome, Unreachable)
    assert (outcome.reason, "requires a client certificate (mTLS)" in outcome.detail) == ("tls", True), outcome


@pytest.mark.parametrize("version", VERSIONS)
@on_each_loop
async def test_a_certificate_that_the_receiver_does_not_trust_has_its_own_reason(
    servers_authority: trustme.CA, clients_authority: trustme.CA, version: ssl.TLSVersion
) -> None:
    with refusing_receiver(servers_authority, clients_authority, version) as port:
        client = client_of()
        target = parse_url(f"https://127.0.0.1:{port}/")
        stranger = identity(trustme.CA(), "stranger")
        outcome = await client.post(with_tls(target, stranger, pem(servers_authority)), b"", BODY)
        await client.close()
    assert isinstance(outcome, Unreachable)
    refused = "did not accept the endpoint's client certificate" in outcome.detail
    assert (outcome.reason, refused) == ("tls", True), outcome


@on_each_loop
async def test_no_connection_of_one_certificate_is_ever_used_for_another(
    servers_authority: trustme.CA, clients_authority: trustme.CA
) -> None:
    async with receiver(servers_authority, clients_authority) as server:
        client = client_of()
        plain = server.does(say_who)
        named = {
            name: with_tls(plain, identity(clients_authority, name), pem(servers_authority))
            for name in ("acme", "zenith")
        }
        seen = []
        for name in ("acme", "zenith", "zenith", "acme", "acme", "zenith"):
            outcome = await client.post(named[name], b"", BODY)
            assert isinstance(outcome, Delivered)
            seen.append((name, outcome.body.decode()))
        without = await client.post(with_tls(plain, None, pem(servers_authority)), b"", BODY)
        await client.close()
    assert all(name == body for name, body in seen)
    assert isinstance(without, Unreachable)
    # One for each; that without a certificate did not come so far.
    assert server.connections == 2


@on_each_loop
async def test_a_private_authority_is_trusted_for_its_endpoint_only(servers_authority: trustme.CA) -> None:
    async with receiver(servers_authority, None) as server:
        client = client_of()
        target = server.does(say_who)
        trusting = await client.post(with_tls(target, None, pem(servers_authority)), b"", BODY)
        others = [
            await client.post(target, b"", BODY),
            await client.post(with_tls(target, None, pem(trustme.CA())), b"", BODY),
        ]
        await client.close()
    assert isinstance(trusting, Delivered)
    for outcome in others:
        assert isinstance(outcome, Unreachable)
        assert outcome.reason == "tls"
        assert "set that as the endpoint's authority" in outcome.detail
    assert len(server.requests) == 1


@on_each_loop
async def test_a_receivers_own_certificate_may_be_named_instead_of_its_authority(servers_authority: trustme.CA) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued = servers_authority.issue_cert("127.0.0.1")
    issued.configure_cert(context)
    server = RudeServer()
    await server.start(context)
    client = client_of()
    pinned = with_tls(server.does(say_who), None, issued.cert_chain_pems[0].bytes().decode())
    outcome = await client.post(pinned, b"", BODY)
    await client.close()
    await server.stop()
    assert isinstance(outcome, Delivered)


@on_each_loop
async def test_an_authority_of_the_operator_is_trusted_for_every_endpoint(
    servers_authority: trustme.CA, clients_authority: trustme.CA
) -> None:
    async with receiver(servers_authority, clients_authority) as server:
        client = client_of(pem(servers_authority))
        named = replace(server.does(say_who), tls=TlsSettings(identity(clients_authority, "acme"), None))
        outcome = await client.post(named, b"", BODY)
        await client.close()
    async with receiver(servers_authority, None) as server:
        client = client_of(pem(servers_authority))
        plain = await client.post(server.does(say_who), b"", BODY)
        await client.close()
    assert isinstance(outcome, Delivered)
    assert isinstance(plain, Delivered)


@on_each_loop
async def test_a_certificate_that_cannot_be_used_is_a_failed_attempt() -> None:
    client = client_of()
    target = replace(parse_url("https://127.0.0.1:9999/"), tls=TlsSettings("not PEM", None))
    outcomes = [await client.post(target, b"", BODY) for _ in range(2)]
    await client.close()
    for outcome in outcomes:
        assert isinstance(outcome, Unreachable)
        assert (outcome.reason, "set it again" in outcome.detail) == ("tls", True)


@on_each_loop
async def test_endpoints_that_set_the_same_share_a_context(servers_authority: trustme.CA) -> None:
    contexts = Contexts(base=systems_authorities())
    texts = (pem(servers_authority), pem(servers_authority), pem(trustme.CA()))
    one, same, other = [await contexts.of(TlsSettings(None, text)) for text in texts]
    assert one is same
    assert one is not other
    assert await contexts.of(None) is contexts.base


def test_nothing_secret_shows_in_what_is_printed(clients_authority: trustme.CA) -> None:
    secret = identity(clients_authority, "acme")
    target = replace(parse_url("https://127.0.0.1/"), tls=TlsSettings(secret, None))
    assert "PRIVATE KEY" in secret
    assert "PRIVATE" not in repr(target)
