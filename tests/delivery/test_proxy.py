"""Through a proxy: names are still looked up and vetted here, TLS ends at the receiver, and refusals have reasons."""

import asyncio
import base64
import ssl
from collections.abc import Sequence
from ipaddress import ip_address

import pytest
import trustme
import uvloop

from app.delivery.client import DeliveryClient
from app.delivery.guard import Guard
from app.delivery.outcome import Blocked, Delivered, Outcome, Unreachable
from app.delivery.proxy import Proxy, parse_proxy
from app.delivery.resolver import AddressInfo
from app.delivery.tls import tls_context
from app.delivery.url import Target, parse_url
from tests.delivery.gateways import Gateway, proxying
from tests.delivery.rudeserver import LOOPBACK, OK, RudeServer, on_each_loop, refusing_port

BODY = b'{"a":1}'
KINDS = {"http": Gateway.connect, "socks5": Gateway.socks}


async def resolver(host: str, port: int) -> Sequence[AddressInfo]:
    """Every name is this machine, but for one that leads inside."""
    return [(0, 0, 0, "", ("10.0.0.1" if host == "inside.example" else "127.0.0.1", port))]


def client_through(proxy: Proxy, *, tls: ssl.SSLContext | None = None, timeout: float = 3.0) -> DeliveryClient:
    context = tls or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return DeliveryClient(Guard(LOOPBACK, resolver), tls=context, proxy=proxy, timeout=timeout)


async def post(client: DeliveryClient, *targets: Target) -> list[Outcome]:
    try:
        return [await client.post(target, b"", BODY) for target in targets]
    finally:
        await client.close()


@pytest.mark.parametrize(("scheme", "asked"), [("http", "CONNECT 127.0.0.1:{} HTTP/1.1"), ("socks5", "1 127.0.0.1 {}")])
@on_each_loop
async def test_the_proxy_is_asked_for_the_vetted_address_and_the_tunnel_is_kept(
    rude: RudeServer, scheme: str, asked: str
) -> None:
    target = rude.says(OK, host="receiver.example")
    async with proxying(KINDS[scheme]) as gateway:
        client = client_through(parse_proxy(f"{scheme}://127.0.0.1:{gateway.port}"))
        outcomes = await post(client, target, target, target)
    assert [type(outcome) for outcome in outcomes] == [Delivered] * 3
    assert gateway.asked == [asked.format(rude.port)]
    assert gateway.credentials == []
    assert rude.connections == 1
    assert rude.requests[0].header("host") == [f"receiver.example:{rude.port}"]
    assert rude.requests[0].body == BODY


@pytest.mark.parametrize("scheme", KINDS)
@on_each_loop
async def test_the_proxy_gets_its_credentials_and_the_receiver_does_not(rude: RudeServer, scheme: str) -> None:
    target = rude.says(OK)
    async with proxying(KINDS[scheme]) as gateway:
        client = client_through(parse_proxy(f"{scheme}://us%40er:p%3Aw@127.0.0.1:{gateway.port}"))
        (outcome,) = await post(client, target)
    assert isinstance(outcome, Delivered)
    plain = "us@er:p:w"
    encoded = f"Basic {base64.b64encode(plain.encode()).decode()}"
    assert gateway.credentials == [encoded if scheme == "http" else plain]
    assert b"proxy-" not in rude.requests[0].head.lower()


@pytest.mark.parametrize(("scheme", "asked"), [("http", "CONNECT [::1]:80 HTTP/1.1"), ("socks5", "1 ::1 80")])
@on_each_loop
async def test_the_proxy_is_asked_for_ipv6_and_then_for_the_next_address(scheme: str, asked: str) -> None:
    async def both(_host: str, port: int) -> Sequence[AddressInfo]:
        return [(0, 0, 0, "", (address, port)) for address in ("::1", "127.0.0.1")]

    async with proxying(KINDS[scheme]) as gateway:
        gateway.reply = b"HTTP/1.1 502 x\r\n\r\n" if scheme == "http" else b"\x05\x05\x00\x01\0\0\0\0\0\0"
        proxy = parse_proxy(f"{scheme}://127.0.0.1:{gateway.port}")
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client = DeliveryClient(Guard(LOOPBACK, both), tls=tls, proxy=proxy, timeout=3.0)
        (outcome,) = await post(client, parse_url("http://receiver.example/"))
    assert isinstance(outcome, Unreachable)
    assert gateway.asked == [asked, asked.replace("[::1]", "127.0.0.1").replace("::1", "127.0.0.1")]


@pytest.mark.parametrize("scheme", KINDS)
@on_each_loop
async def test_the_guard_refuses_a_private_address_before_the_proxy_is_asked(scheme: str) -> None:
    async with proxying(KINDS[scheme]) as gateway:
        client = client_through(parse_proxy(f"{scheme}://127.0.0.1:{gateway.port}"))
        outcomes = await post(client, parse_url("http://inside.example/"), parse_url("https://10.0.0.1/"))
    assert [type(outcome) for outcome in outcomes] == [Blocked, Blocked]
    assert gateway.asked == []


@pytest.mark.parametrize("scheme", KINDS)
@on_each_loop
async def test_tls_in_the_tunnel_is_with_the_receiver_and_verifies_its_name(scheme: str) -> None:
    await _tls_in_a_tunnel(scheme)


def test_tls_in_the_tunnel_of_a_proxy_with_tls_of_its_own() -> None:
    # On the worker's loop only: asyncio's own fails over a failed handshake in TLS until Python 3.11.8.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_tls_in_a_tunnel("https"))


async def _tls_in_a_tunnel(scheme: str) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("receiver.example", "127.0.0.1").configure_cert(context)
    trusting = tls_context(verify=True)
    authority.configure_trust(trusting)
    server = RudeServer()
    await server.start(context)
    kind = Gateway.socks if scheme == "socks5" else Gateway.connect
    async with proxying(kind, context if scheme == "https" else None) as gateway:
        client = client_through(parse_proxy(f"{scheme}://127.0.0.1:{gateway.port}"), tls=trusting)
        good, wrong = server.says(OK, host="receiver.example"), server.says(OK, host="other.example")
        outcomes = await post(client, good, good, wrong)
    await server.stop()
    assert [type(outcome) for outcome in outcomes] == [Delivered, Delivered, Unreachable]
    refused = outcomes[2]
    assert isinstance(refused, Unreachable)
    assert (refused.reason, "certificate is not trusted" in refused.detail) == ("tls", True)
    assert len(server.requests) == 2
    assert len(gateway.asked) == 2


REFUSALS = [
    ("http", b"HTTP/1.1 403 Forbidden\r\n\r\n", "connect", "refused to connect to the receiver (HTTP 403)"),
    ("http", b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "connect", "could not connect to the receiver (HTTP 502)"),
    ("http", b"HTTP/1.1 407 Who\r\n\r\n", "sender", "does not accept its credentials"),
    ("http", b"SSH-2.0-x\r\n\r\n", "sender", "does not speak the protocol"),
    ("http", b"x" * 20_000, "sender", "does not speak the protocol"),
    ("http", b"", "sender", "closed the connection"),
    ("http", b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n", "connect", "closed the connection while it was set up"),
    ("socks5", b"\x05\x02\x00\x01\0\0\0\0\0\0", "connect", "refused to connect to the receiver (SOCKS reply 2)"),
    ("socks5", b"\x05\x05\x00\x01\0\0\0\0\0\0", "connect", "it refused the connection"),
    ("socks5", b"\x05\x01\x00\x01\0\0\0\0\0\0", "connect", "SOCKS reply 1"),
    ("socks5", b"\x05\x00\x00\x09\0\0\0\0\0\0", "sender", "does not speak the protocol"),
    ("socks5", b"HTTP", "sender", "does not speak the protocol"),
    ("socks5", b"\x05", "sender", "closed the connection"),
]


@pytest.mark.parametrize(("scheme", "reply", "reason", "text"), REFUSALS)
@on_each_loop
async def test_a_refusal_is_an_attempt_with_its_reason(
    rude: RudeServer, scheme: str, reply: bytes, reason: str, text: str
) -> None:
    target = rude.says(OK)
    async with proxying(KINDS[scheme]) as gateway:
        gateway.reply = reply
        (outcome,) = await post(client_through(parse_proxy(f"{scheme}://127.0.0.1:{gateway.port}")), target)
    assert isinstance(outcome, Unreachable)
    assert (outcome.reason, text in outcome.detail) == (reason, True), outcome.detail
    assert len(gateway.asked) == 1
    assert rude.connections == 0


@on_each_loop
async def test_a_proxy_that_is_down_is_not_the_receivers_failure() -> None:
    with refusing_port() as port:
        (outcome,) = await post(
            client_through(parse_proxy(f"http://127.0.0.1:{port}")), parse_url("http://127.0.0.1:9999/")
        )
    assert isinstance(outcome, Unreachable)
    assert (outcome.reason, "the receiver is not at fault" in outcome.detail) == ("sender", True)


@on_each_loop
async def test_a_proxy_that_says_nothing_ends_with_the_attempt(rude: RudeServer) -> None:
    async def silence(gateway: Gateway, streams: tuple[object, object]) -> None:
        gateway.asked.append("something")
        await streams[0].read()  # type: ignore[attr-defined]

    async with proxying(silence) as gateway:
        client = client_through(parse_proxy(f"http://127.0.0.1:{gateway.port}"), timeout=0.2)
        (outcome,) = await post(client, rude.says(OK))
    assert isinstance(outcome, Unreachable)
    assert outcome.reason == "timeout"
    assert outcome.milliseconds < 700


@on_each_loop
async def test_exceptions_are_reached_directly(rude: RudeServer) -> None:
    async with proxying(Gateway.connect) as gateway:
        url = f"http://127.0.0.1:{gateway.port}"
        direct, through = rude.says(OK, host="a.internal.example"), rude.says(OK, host="internal.example.com")
        (outcome,) = await post(client_through(parse_proxy(url, [".internal.example"])), direct)
        assert (type(outcome), gateway.asked) == (Delivered, [])
        (outcome,) = await post(client_through(parse_proxy(url, ["127.0.0.0/8"])), through)
        assert (type(outcome), gateway.asked) == (Delivered, [])
        (outcome,) = await post(client_through(parse_proxy(url, [".internal.example", "10.0.0.0/8"])), through)
        assert (type(outcome), len(gateway.asked)) == (Delivered, 1)


@pytest.mark.parametrize(
    ("exception", "host", "address", "carried"),
    [
        ("example.com", "example.com", "192.0.2.1", False),
        ("example.com", "a.b.example.com", "192.0.2.1", False),
        (".Example.com", "example.com", "192.0.2.1", False),
        ("*.example.com", "a.example.com", "192.0.2.1", False),
        ("example.com", "badexample.com", "192.0.2.1", True),
        ("example.com", "example.com.evil", "192.0.2.1", True),
        ("192.0.2.0/24", "anything.example", "192.0.2.1", False),
        ("192.0.2.1", "192.0.2.1", "192.0.2.1", False),
        ("192.0.2.1", "192.0.2.2", "192.0.2.2", True),
        ("[2001:db8::1]", "x.example", "2001:db8::1", False),
        ("2001:db8::/32", "x.example", "2001:db8::9", False),
        ("192.0.2.0/24", "x.example", "2001:db8::1", True),
        ("*", "x.example", "2001:db8::1", False),
        (".", "x.example", "2001:db8::1", True),
    ],
)
def test_an_exception_is_a_name_with_those_below_it_an_address_or_a_network(
    exception: str, host: str, address: str, carried: bool
) -> None:
    proxy = parse_proxy("http://proxy.example:3128", [exception])
    assert proxy.carries(host, ip_address(address)) is carried


def test_no_password_of_a_proxy_shows() -> None:
    proxy = parse_proxy("socks5h://u:hunter2@proxy.example:1080")
    assert (proxy.scheme, proxy.password) == ("socks5", "hunter2")
    assert "hunter2" not in repr(proxy)
    with pytest.raises(ValueError, match="255 bytes") as refused:
        parse_proxy(f"socks5://hunter2:{'x' * 256}@proxy.example:1080")
    assert "hunter2" not in str(refused.value)
