"""TLS is verified against the name in the URL, whatever address is dialled."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import perf_counter

import pytest
import trustme

from app.delivery.client import DeliveryClient
from app.delivery.guard import Guard
from app.delivery.outcome import Delivered, Outcome, Unreachable
from app.delivery.resolver import AddressInfo
from app.delivery.tls import tls_context
from app.delivery.url import parse_url
from tests.delivery import certificates
from tests.delivery.rudeserver import LOOPBACK, OK, RudeServer, loopback_client, on_each_loop

BODY = b'{"a":1}'


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = tls_context(verify=True)
    authority.configure_trust(context)
    return context


@asynccontextmanager
async def https(context: ssl.SSLContext) -> AsyncIterator[RudeServer]:
    server = RudeServer()
    await server.start(context)
    try:
        yield server
    finally:
        await server.stop()


async def post_once(server: RudeServer, host: str, client_context: ssl.SSLContext) -> Outcome:
    async def resolver(_host: str, port: int) -> Sequence[AddressInfo]:
        return [(0, 0, 0, "", ("127.0.0.1", port))]

    client = DeliveryClient(Guard(LOOPBACK, resolver), tls=client_context, timeout=2.0)
    try:
        return await client.post(server.says(OK, host=host), b"", BODY)
    finally:
        await client.close()


@pytest.mark.parametrize("host", ["receiver.example", "RECEIVER.example.", "127.0.0.1"])
@on_each_loop
async def test_a_certificate_of_a_trusted_authority_for_the_host_is_accepted(authority: trustme.CA, host: str) -> None:
    async with https(server_context(authority.issue_cert("receiver.example", "127.0.0.1"))) as server:
        outcome = await post_once(server, host, trusting(authority))
    assert isinstance(outcome, Delivered)
    assert outcome.body == b"ok"


@on_each_loop
async def test_tls_connections_are_kept_too_and_large_bodies_pass(authority: trustme.CA) -> None:
    async with https(server_context(authority.issue_cert("127.0.0.1"))) as server:
        client = loopback_client(tls=trusting(authority))
        target = server.says(OK)
        for body in (BODY, b"x" * 3_000_000, BODY):
            assert isinstance(await client.post(target, b"", body), Delivered)
        assert (server.connections, len(server.requests[1].body)) == (1, 3_000_000)
        await client.close()


@on_each_loop
async def test_a_certificate_of_an_unknown_authority_is_refused_before_anything_is_sent(authority: trustme.CA) -> None:
    async with https(server_context(trustme.CA().issue_cert("receiver.example"))) as server:
        outcome = await post_once(server, "receiver.example", trusting(authority))
        assert server.requests == []
    assert isinstance(outcome, Unreachable)
    assert (outcome.reason, "certificate" in outcome.detail) == ("tls", True)


@on_each_loop
async def test_a_certificate_for_another_host_is_refused(authority: trustme.CA) -> None:
    async with https(server_context(authority.issue_cert("other.example"))) as server:
        outcome = await post_once(server, "receiver.example", trusting(authority))
    assert isinstance(outcome, Unreachable)
    assert outcome.reason == "tls"


@on_each_loop
async def test_without_verification_any_certificate_will_do() -> None:
    async with https(server_context(trustme.CA().issue_cert("other.example"))) as server:
        outcome = await post_once(server, "receiver.example", tls_context(verify=False))
    assert isinstance(outcome, Delivered)


@on_each_loop
async def test_a_receiver_without_tls_is_refused_on_https(client: DeliveryClient) -> None:
    async def complain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 The plain HTTP request was sent to HTTPS port\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(complain, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    outcome = await client.post(parse_url(f"https://127.0.0.1:{port}/"), b"", BODY)
    assert isinstance(outcome, Unreachable)
    assert outcome.reason == "tls"
    server.close()


@on_each_loop
async def test_a_handshake_that_stalls_ends_on_time() -> None:
    async def stall(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.4)
        writer.transport.abort()

    server = await asyncio.start_server(stall, "127.0.0.1", 0)
    client = loopback_client()
    started = perf_counter()
    outcome = await client.post(parse_url(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"), b"", BODY, 0.2)
    assert perf_counter() - started < 0.7
    assert isinstance(outcome, Unreachable)
    assert outcome.reason == "timeout"
    await client.close()
    server.close()
    await asyncio.sleep(0.25)


def test_the_default_is_tls_1_2_or_newer_and_verified() -> None:
    context = tls_context(verify=True)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)


@pytest.mark.parametrize("variant", certificates.BAD)
@on_each_loop
async def test_a_bad_certificate_is_refused_with_its_reason_before_anything_is_sent(
    authority: trustme.CA, variant: certificates.Variant
) -> None:
    async with https(variant(authority)) as server:
        outcome = await post_once(server, "127.0.0.1", trusting(authority))
        assert server.requests == []
    assert isinstance(outcome, Unreachable)
    assert outcome.reason == "tls"
    assert certificates.BAD[variant] in outcome.detail
    assert outcome.milliseconds < 1500
