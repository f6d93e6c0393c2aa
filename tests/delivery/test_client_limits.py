"""An answer is bounded in bytes and in seconds, and a large request in what it holds back."""

import asyncio
import gzip
from time import perf_counter, time

import pytest

from app.delivery.client import DeliveryClient
from app.delivery.connection import Connection
from app.delivery.outcome import Delivered, Refused, Unreachable
from tests.delivery.rudeserver import OK, Behaviour, Request, RudeServer, dripping, hang, on_each_loop

BODY = b'{"a":1}'
CAP = 20_000


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "behaviour",
    [
        dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65_536, 0),
        dripping(b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n", b"x" * 65_536, 0),
        dripping(CHUNKED, b"1000\r\n" + b"x" * 4096 + b"\r\n", 0),
        dripping(CHUNKED, b"1\r\nx\r\n" * 1000, 0),
    ],
    ids=["until close", "content-length", "chunked", "chunks of one byte"],
)
@on_each_loop
async def test_an_endless_body_is_cut_at_the_cap_and_counts_by_its_status(
    rude: RudeServer, client: DeliveryClient, behaviour: Behaviour
) -> None:
    target = rude.does(behaviour)
    outcome = await client.post(target, b"", BODY)
    assert isinstance(outcome, Delivered)
    assert (len(outcome.body), outcome.truncated) == (CAP, True)
    await asyncio.sleep(0.05)
    assert rude.open_now == 0, "the connection is closed instead of drained"


@pytest.mark.parametrize("size", [CAP - 1, CAP, CAP + 1, 300_000])
@on_each_loop
async def test_exactly_the_cap_is_kept_of_a_body(rude: RudeServer, client: DeliveryClient, size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    target = rude.says(b"HTTP/1.1 500 No\r\ncontent-length: %d\r\n\r\n" % size + body[:size])
    outcome = await client.post(target, b"", BODY)
    assert isinstance(outcome, Refused)
    assert (outcome.body, outcome.truncated) == (body[: min(size, CAP)], size > CAP)


@on_each_loop
async def test_chunk_extensions_and_trailers_without_end_are_not_read_without_end(
    rude: RudeServer, client: DeliveryClient
) -> None:
    extension = await client.post(rude.does(dripping(CHUNKED + b"1;", b"a" * 65_536, 0)), b"", BODY)
    assert isinstance(extension, Delivered)
    assert extension.truncated
    trailer = await client.post(rude.does(dripping(CHUNKED + b"1\r\nx\r\n0\r\nt: ", b"a" * 65_536, 0)), b"", BODY)
    assert isinstance(trailer, Delivered)
    assert (trailer.body, trailer.truncated) == (b"x", True)


@on_each_loop
async def test_headers_of_100_megabytes_end_the_attempt_at_64_kilobytes(
    rude: RudeServer, client: DeliveryClient
) -> None:
    sent = 0

    async def flood(request: Request) -> None:
        nonlocal sent
        request.writer.write(b"HTTP/1.1 200 OK\r\nx: ")
        for _ in range(100):
            request.writer.write(b"a" * 1_000_000)
            await request.writer.drain()
            sent += 1

    outcome = await client.post(rude.does(flood), b"", BODY)
    assert isinstance(outcome, Unreachable)
    assert outcome.reason == "protocol"
    await asyncio.sleep(0.05)
    assert sent < 20, "the rest was not taken"


@on_each_loop
async def test_a_compressed_body_is_kept_as_it_came(rude: RudeServer, client: DeliveryClient) -> None:
    bomb = gzip.compress(b"\0" * 10_000_000)
    target = rude.says(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(bomb) + bomb)
    outcome = await client.post(target, b"", BODY)
    assert isinstance(outcome, Delivered)
    assert outcome.body == bomb[:CAP]


@pytest.mark.parametrize(
    "behaviour",
    [
        hang,
        dripping(b"HTTP/1.1 200 ", b"O", 0.01),
        dripping(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n", 0.01),
        dripping(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", b"x", 0.01),
        dripping(CHUNKED, b"1\r\nx\r\n", 0.01),
        dripping(b"HTTP/1.1 100 Continue\r\n\r\n", b"", 0.05),
    ],
    ids=["silence", "status line", "headers", "body", "chunks", "interim"],
)
@on_each_loop
async def test_an_attempt_ends_on_time_however_slowly_the_answer_comes(
    rude: RudeServer, client: DeliveryClient, behaviour: Behaviour
) -> None:
    started = perf_counter()
    outcome = await client.post(rude.does(behaviour), b"", BODY, 0.25)
    took = perf_counter() - started
    assert isinstance(outcome, Unreachable)
    assert outcome.reason == "timeout"
    assert 0.24 < took < 0.75
    assert abs(outcome.milliseconds - took * 1000) < 50


@on_each_loop
async def test_an_early_refusal_of_a_large_body_is_heard_before_the_body_is_through(
    rude: RudeServer, client: DeliveryClient
) -> None:
    async def refuse(request: Request) -> None:
        request.writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        await hang(request)

    outcome = await client.post(rude.does(refuse, read_body=False), b"", b"x" * 20_000_000)
    assert isinstance(outcome, Refused)
    assert outcome.status == 413
    assert isinstance(await client.post(rude.says(OK), b"", BODY), Delivered)
    assert rude.connections == 2, "what was left of the body must not come before the next request"


@on_each_loop
async def test_no_more_of_a_large_body_waits_in_the_transport_than_the_receiver_takes(rude: RudeServer) -> None:
    target, loop = rude.does(hang, read_body=False), asyncio.get_running_loop()
    transport, connection = await loop.create_connection(
        lambda: Connection(target.origin, CAP, time), target.host, target.port
    )
    body = b"x" * 50_000_000
    reply = connection.send(target.head + b"content-length: 50000000\r\n\r\n", body, perf_counter(), 0.3, loop)
    await asyncio.sleep(0.1)
    assert transport.get_write_buffer_size() < 500_000
    outcome = await reply
    assert isinstance(outcome, Unreachable)
    assert outcome.reason == "timeout"


@on_each_loop
async def test_a_large_body_arrives_whole_at_a_receiver_that_reads_slowly(
    rude: RudeServer, client: DeliveryClient
) -> None:
    body = bytes(range(256)) * 20_000
    received = bytearray()

    async def read_slowly(request: Request) -> None:
        while len(received) < len(body):
            received.extend(await request.reader.read(500_000))
            await asyncio.sleep(0.002)
        request.writer.write(OK)

    target = rude.does(read_slowly, read_body=False)
    assert isinstance(await client.post(target, b"", body), Delivered)
    assert received == body
    received.clear()
    assert isinstance(await client.post(target, b"", body), Delivered)
    assert received == body
    assert rude.connections == 1
