"""Whatever a receiver answers becomes the right outcome, in bounded time."""

import asyncio

import pytest

from app.delivery.client import DeliveryClient
from app.delivery.outcome import Delivered, Refused, Unreachable
from tests.delivery.rudeserver import OK, Request, RudeServer, close, on_each_loop, reset

BODY = b'{"a":1}'
CAP = 20_000


@on_each_loop
async def test_a_request_is_sent_as_one_head_with_host_first_and_the_body_untouched(
    rude: RudeServer, client: DeliveryClient
) -> None:
    target = rude.says(OK)
    outcome = await client.post(target, b"webhook-id: msg_1\r\nx-own: a b\r\n", b"\x00\xff body")
    assert isinstance(outcome, Delivered)
    assert (outcome.status, outcome.body, outcome.truncated) == (200, b"ok", False)
    lines = rude.requests[0].head.split(b"\r\n")
    assert lines[0] == b"POST %b HTTP/1.1" % target.path_and_query
    assert lines[1] == b"host: 127.0.0.1:%d" % rude.port
    assert rude.requests[0].header("content-length") == ["7"]
    assert rude.requests[0].header("x-own") == ["a b"]
    assert rude.requests[0].header("accept-encoding") == ["identity"]
    assert rude.requests[0].body == b"\x00\xff body"


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 200\r\ncontent-length: 1\r\n\r\nx", b"x"),
        (b"HTTP/1.1 202 Accepted\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nt: v\r\n\r\n", b"abc"),
        (b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 16 + OK, b"ok"),
        (b"HTTP/1.1 200 OK\r\nset-cookie: a=b\r\nrefresh: 0\r\ncontent-length: 2\r\n\r\nok", b"ok"),
    ],
)
@on_each_loop
async def test_a_2xx_answer_is_delivered_and_its_connection_is_used_again(
    rude: RudeServer, client: DeliveryClient, answer: bytes, body: bytes
) -> None:
    target = rude.says(answer)
    for _ in range(3):
        outcome = await client.post(target, b"", BODY)
        assert isinstance(outcome, Delivered)
        assert (outcome.body, outcome.truncated) == (body, False)
    assert (rude.connections, len(rude.requests)) == (1, 3)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
        b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
        b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\nconnection: close\r\n\r\nuntil the end",
        b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\nconnection: close\r\n\r\nuntil the end and more",
        b"HTTP/1.1 103 Hint\r\ncontent-length: 9\r\n\r\nHTTP/1.1 200 OK\r\n\r\nuntil the end",
    ],
)
@on_each_loop
async def test_an_answer_that_ends_its_connection_is_complete_and_the_next_has_a_new_one(
    rude: RudeServer, client: DeliveryClient, answer: bytes
) -> None:
    target = rude.says(answer, then_close=True)
    for _ in range(2):
        outcome = await client.post(target, b"", BODY)
        assert isinstance(outcome, Delivered)
        assert outcome.body == b"until the end"
    assert rude.connections == 2


@pytest.mark.parametrize("status", [300, 301, 302, 304, 307, 308, 400, 401, 404, 410, 429, 500, 503, 599, 999])
@on_each_loop
async def test_any_other_status_is_refused_and_no_redirect_is_followed(
    rude: RudeServer, client: DeliveryClient, status: int
) -> None:
    elsewhere = rude.says(OK)
    location = f"http://127.0.0.1:{rude.port}{elsewhere.path_and_query.decode()}"
    target = rude.says(f"HTTP/1.1 {status} No\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n".encode())
    outcome = await client.post(target, b"", BODY)
    assert isinstance(outcome, Refused)
    assert (outcome.status, outcome.body, outcome.retry_after) == (status, b"", None)
    assert len(rude.requests) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (b"retry-after: 7", 7.0),
        (b"Retry-After:\t120 ", 120.0),
        (b"x: y\r\nRETRY-AFTER: 99999999", 86_400.0),
        (b"retry-after: soon", None),
        (b"retry-after: -1", None),
        (b"retry-after: 1000000000000", 86_400.0),
        (b"retry-after: 1e12", None),
        (b"retry-after: NaN", None),
        (b"retry-after: inf", None),
        (b"retry-after: Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        (b"retry-after: 5, 6", None),
        (b"retry-after: \xff", None),
        (b"retry-after:", None),
        (b"retry-after: 5\r\nretry-after: 6", None),
        (b"x-retry-after: 5", None),
    ],
)
@on_each_loop
async def test_retry_after_is_read_from_a_refusals_headers(
    rude: RudeServer, client: DeliveryClient, headers: bytes, seconds: float | None
) -> None:
    interim = b"HTTP/1.1 103 Hint\r\nretry-after: 55\r\n\r\n"
    body = b"\r\nretry-after: 66\r\n"
    target = rude.says(interim + b"HTTP/1.1 503 No\r\n" + headers + b"\r\ncontent-length: 19\r\n\r\n" + body)
    outcome = await client.post(target, b"", BODY)
    assert isinstance(outcome, Refused)
    assert (outcome.status, outcome.retry_after, outcome.body) == (503, seconds, body)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n\x81\x00", "protocol"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "protocol"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "protocol"),
        (b"\x16\x03\x01\x00\xff", "protocol"),
        (b"HTTP/9.9 200 OK\r\ncontent-length: 0\r\n\r\n", "protocol"),
        (b"HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n", "protocol"),
        (b"HTTP/1.1 099 Low\r\ncontent-length: 0\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", "protocol"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "protocol"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 17 + OK, "protocol"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 20_000 + OK, "protocol"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"a" * 66_000 + b"\r\ncontent-length: 0\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: a\r\n" * 20_000 + b"content-length: 0\r\n\r\n", "protocol"),
        (b"", "reset"),
        (b"HTTP/1.1 2", "reset"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab", "reset"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n", "reset"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "reset"),
    ],
)
@on_each_loop
async def test_what_is_not_a_complete_answer_is_unreachable(
    rude: RudeServer, client: DeliveryClient, answer: bytes, reason: str
) -> None:
    outcome = await client.post(rude.says(answer, then_close=True), b"", BODY)
    assert isinstance(outcome, Unreachable)
    assert outcome.reason == reason
    assert "127.0.0.1" not in outcome.detail
    assert outcome.milliseconds < 2000


@pytest.mark.parametrize("headers", [b"", b"upgrade: websocket\r\nconnection: upgrade\r\n"])
@on_each_loop
async def test_switching_protocols_is_named_as_what_was_not_asked_for(
    rude: RudeServer, client: DeliveryClient, headers: bytes
) -> None:
    outcome = await client.post(rude.says(b"HTTP/1.1 101 Switching\r\n" + headers + b"\r\n"), b"", BODY)
    assert isinstance(outcome, Unreachable)
    assert (outcome.reason, "101" in outcome.detail) == ("protocol", True)


@on_each_loop
async def test_a_reset_instead_of_an_answer_is_unreachable_after_one_try(
    rude: RudeServer, client: DeliveryClient
) -> None:
    outcome = await client.post(rude.does(reset), b"", BODY)
    assert isinstance(outcome, Unreachable)
    assert outcome.reason == "reset"
    assert rude.connections == 1


@on_each_loop
async def test_cookies_are_never_sent_back(rude: RudeServer, client: DeliveryClient) -> None:
    target = rude.says(b"HTTP/1.1 200 OK\r\nset-cookie: tenant=a; path=/\r\ncontent-length: 0\r\n\r\n")
    for _ in range(2):
        await client.post(target, b"", BODY)
    assert [request.header("cookie") for request in rude.requests] == [[], []]


@on_each_loop
async def test_the_answer_after_the_answer_is_not_taken_for_the_next_one(
    rude: RudeServer, client: DeliveryClient
) -> None:
    smuggled = b"HTTP/1.1 500 Smuggled\r\ncontent-length: 0\r\n\r\n"
    target = rude.says(OK + smuggled, OK)
    assert [type(await client.post(target, b"", BODY)) for _ in range(2)] == [Delivered, Delivered]
    assert rude.connections == 2

    async def later(request: Request) -> None:
        request.writer.write(OK)
        await asyncio.sleep(0.02)
        request.writer.write(smuggled)

    target = rude.does(later)
    assert isinstance(await client.post(target, b"", BODY), Delivered)
    await asyncio.sleep(0.06)
    assert isinstance(await client.post(target, b"", BODY), Delivered)
    assert rude.connections == 3


@on_each_loop
async def test_a_body_after_204_does_not_reach_the_next_delivery(rude: RudeServer, client: DeliveryClient) -> None:
    target = rude.says(b"HTTP/1.1 204 No Content\r\ncontent-length: 4\r\n\r\njunk", OK)
    assert isinstance(await client.post(target, b"", BODY), Delivered)
    assert isinstance(await client.post(target, b"", BODY), Delivered)
    assert rude.connections == 2


@on_each_loop
async def test_an_answer_in_pieces_of_one_byte_is_the_same_answer(rude: RudeServer, client: DeliveryClient) -> None:
    async def stutter(request: Request) -> None:
        for byte in b"HTTP/1.1 503 No\r\nretry-after: 9\r\ncontent-length: 2\r\n\r\nno":
            request.writer.write(bytes([byte]))
            await asyncio.sleep(0)

    outcome = await client.post(rude.does(stutter), b"", BODY)
    assert isinstance(outcome, Refused)
    assert (outcome.body, outcome.retry_after) == (b"no", 9.0)


@on_each_loop
async def test_an_answer_that_ends_with_its_connection_may_come_late(rude: RudeServer, client: DeliveryClient) -> None:
    async def slowly(request: Request) -> None:
        request.writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.sleep(0.05)
        request.writer.write(b"late")
        await close(request)

    outcome = await client.post(rude.does(slowly), b"", BODY)
    assert isinstance(outcome, Delivered)
    assert outcome.body == b"late"
