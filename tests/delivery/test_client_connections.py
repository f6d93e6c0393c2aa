"""Connecting ends well or on time, and a kept connection that died is replaced without harm."""

import asyncio
import resource
import socket
from collections.abc import Sequence
from ipaddress import ip_network
from time import perf_counter

import pytest

from app.delivery.client import DeliveryClient
from app.delivery.guard import Guard
from app.delivery.outcome import Blocked, Delivered, Outcome, Unreachable
from app.delivery.resolver import AddressInfo
from app.delivery.url import parse_url
from tests.delivery.rudeserver import (
    LOOPBACK,
    OK,
    Request,
    RudeServer,
    close,
    loopback_client,
    on_each_loop,
    refusing_port,
    reset,
)

BODY = b'{"a":1}'


def resolving(*addresses: str) -> Guard:
    """A guard for which every name has these addresses."""

    async def resolver(_host: str, port: int) -> Sequence[AddressInfo]:
        return [(0, 0, 0, "", (address, port)) for address in addresses]

    return Guard(LOOPBACK, resolver)


@on_each_loop
async def test_a_kept_connection_that_died_is_replaced_once_within_the_attempt(
    rude: RudeServer, client: DeliveryClient
) -> None:
    async def answer_then_reset(request: Request) -> None:
        if sum(one.connection == request.connection for one in rude.requests) == 1:
            request.writer.write(OK)
        else:
            await reset(request)

    target = rude.does(answer_then_reset)
    assert isinstance(await client.post(target, b"", BODY), Delivered)
    assert isinstance(await client.post(target, b"", BODY), Delivered)
    assert [request.connection for request in rude.requests] == [1, 1, 2]


@on_each_loop
async def test_a_request_is_not_repeated_once_a_byte_of_an_answer_came(
    rude: RudeServer, client: DeliveryClient
) -> None:
    async def answer_then_cut(request: Request) -> None:
        request.writer.write(OK if len(rude.requests) == 1 else b"H")
        if len(rude.requests) > 1:
            await close(request)

    target = rude.does(answer_then_cut)
    assert isinstance(await client.post(target, b"", BODY), Delivered)
    outcome = await client.post(target, b"", BODY)
    assert isinstance(outcome, Unreachable)
    assert (outcome.reason, len(rude.requests)) == ("reset", 2)


@on_each_loop
async def test_a_receiver_that_always_hangs_up_gets_one_second_chance_only(
    rude: RudeServer, client: DeliveryClient
) -> None:
    async def answer_first(request: Request) -> None:
        if len(rude.requests) == 1:
            request.writer.write(OK)
        else:
            await reset(request)

    target = rude.does(answer_first)
    assert isinstance(await client.post(target, b"", BODY), Delivered)
    outcome = await client.post(target, b"", BODY)
    assert isinstance(outcome, Unreachable)
    assert (outcome.reason, len(rude.requests)) == ("reset", 3)


@on_each_loop
async def test_a_connection_that_the_receiver_closed_while_idle_is_not_used(
    rude: RudeServer, client: DeliveryClient
) -> None:
    target = rude.says(OK, then_close=True)
    for _ in range(5):
        assert isinstance(await client.post(target, b"", BODY), Delivered)
        await asyncio.sleep(0.01)
    assert (rude.connections, len(rude.requests)) == (5, 5)


@on_each_loop
async def test_running_out_of_sockets_is_not_the_receivers_fault(rude: RudeServer, client: DeliveryClient) -> None:
    target = rude.says(OK)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        outcome = await client.post(target, b"", BODY)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert isinstance(outcome, Unreachable)
    assert outcome.reason == "sender"
    assert isinstance(await client.post(target, b"", BODY), Delivered)


@on_each_loop
async def test_a_refused_connection_is_unreachable_at_once(client: DeliveryClient) -> None:
    with refusing_port() as port:
        outcome = await client.post(parse_url(f"http://127.0.0.1:{port}/"), b"", BODY)
    assert isinstance(outcome, Unreachable)
    assert outcome.reason == "connect"
    assert outcome.milliseconds < 500


@on_each_loop
async def test_the_next_vetted_address_is_tried_and_the_name_stays_in_the_host_header(rude: RudeServer) -> None:
    client = DeliveryClient(resolving("127.0.0.9", "127.0.0.8", "127.0.0.1"))
    target = rude.says(OK, host="Receiver.example.")
    assert isinstance(await client.post(target, b"", BODY), Delivered)
    assert rude.requests[0].header("host") == [f"receiver.example:{rude.port}"]
    await client.close()


@on_each_loop
async def test_a_name_that_does_not_resolve_or_never_answers_is_unreachable(client: DeliveryClient) -> None:
    async def stalled(_host: str, _port: int) -> Sequence[AddressInfo]:
        await asyncio.sleep(3600)
        return []

    unknown = await client.post(parse_url("http://nowhere.invalid/"), b"", BODY)
    assert isinstance(unknown, Unreachable)
    assert unknown.reason == "dns"
    waiting = DeliveryClient(Guard((), stalled), timeout=0.1)
    outcome = await waiting.post(parse_url("http://slow.example/"), b"", BODY)
    assert isinstance(outcome, Unreachable)
    assert (outcome.reason, outcome.milliseconds < 600) == ("timeout", True)
    await waiting.close()


@on_each_loop
async def test_a_full_backlog_ends_on_time() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        client = loopback_client(timeout=0.2)
        started = perf_counter()
        outcomes: list[Outcome] = await asyncio.gather(
            *(client.post(parse_url(f"http://127.0.0.1:{port}/"), b"", BODY) for _ in range(8))
        )
        assert perf_counter() - started < 0.7
        assert {outcome.reason for outcome in outcomes if isinstance(outcome, Unreachable)} == {"timeout"}
        assert len(outcomes) == 8
        await client.close()


@on_each_loop
async def test_a_receiver_that_speaks_first_is_no_http_server() -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await writer.drain()
        await asyncio.sleep(0.2)
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    client = loopback_client()
    outcome = await client.post(parse_url(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"), b"", BODY)
    assert isinstance(outcome, Unreachable)
    assert outcome.reason == "protocol"
    await client.close()
    server.close()
    await asyncio.sleep(0.25)


@on_each_loop
async def test_proxies_of_the_environment_are_ignored(
    rude: RudeServer, client: DeliveryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as proxy:
        proxy.bind(("127.0.0.1", 0))
        proxy.listen(1)
        proxy.setblocking(False)
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        assert isinstance(await client.post(rude.says(OK), b"", BODY), Delivered)
        with pytest.raises(BlockingIOError):
            proxy.accept()


@on_each_loop
async def test_addresses_are_resolved_again_for_a_new_connection_but_not_for_a_kept_one(rude: RudeServer) -> None:
    asked = 0
    clock = [0.0]

    async def resolver(_host: str, port: int) -> Sequence[AddressInfo]:
        nonlocal asked
        asked += 1
        return [(0, 0, 0, "", ("127.0.0.1" if asked == 1 else "10.0.0.1", port))]

    client = DeliveryClient(Guard((ip_network("127.0.0.0/8"),), resolver, clock=lambda: clock[0]))
    target = rude.says(OK, host="rebinding.example")
    for _ in range(3):
        assert isinstance(await client.post(target, b"", BODY), Delivered)
    assert (asked, rude.connections) == (1, 1)
    clock[0] = 6.0
    closing = rude.says(OK, then_close=True, host="rebinding.example")
    assert isinstance(await client.post(closing, b"", BODY), Delivered)
    await asyncio.sleep(0.02)
    assert isinstance(await client.post(target, b"", BODY), Blocked)
    assert (asked, rude.connections) == (2, 1)
    await client.close()
