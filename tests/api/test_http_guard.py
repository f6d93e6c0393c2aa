"""What the front of the API refuses, tried with raw sockets on a real server."""

import json
import socket
import time
from collections.abc import Iterator

import pytest
from fastapi import FastAPI, Request
from starlette.responses import StreamingResponse

from app.api import problems
from app.api.middleware import RequestMiddleware
from tests.api.live_server import LIMITS, serve

SLACK = 1.5


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    app = FastAPI()
    problems.install(app)
    app.add_middleware(RequestMiddleware, max_body_bytes=4096, log_level="error")

    @app.post("/echo")
    async def echo(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    @app.get("/hello")
    async def hello() -> dict[str, str]:
        return {"hello": "world"}

    @app.get("/flood")
    async def flood() -> StreamingResponse:
        return StreamingResponse(iter([b"x" * 1_000_000] * 200))

    with serve(app) as number:
        yield number


@pytest.fixture
def client(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        yield connection


def read_all(connection: socket.socket) -> bytes:
    """Everything until the server closes."""
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    return received


def exchange(connection: socket.socket, request: bytes) -> tuple[int, dict[str, object]]:
    """Send, and read one answer until the server closes: its status and JSON."""
    connection.sendall(request)
    return parse(read_all(connection))


def parse(answer: bytes) -> tuple[int, dict[str, object]]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 "), answer[:200]
    return int(head.split()[1]), json.loads(body)


def is_alive(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        request = b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        return exchange(connection, request) == (200, {"hello": "world"})


def test_a_good_request_is_answered_and_the_connection_kept(client: socket.socket) -> None:
    for _ in range(3):
        client.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = client.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"connection: close" not in answer


def test_headers_that_drip_are_cut_with_408_although_bytes_keep_coming(client: socket.socket) -> None:
    started = time.perf_counter()
    client.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n")
    client.settimeout(0.05)
    answer = b""
    while not answer and time.perf_counter() - started < 5:
        client.sendall(b"X: y\r\n")
        try:
            answer = client.recv(65536)
        except TimeoutError:
            continue
    took = time.perf_counter() - started
    assert parse(answer)[0] == 408
    assert LIMITS.header_timeout <= took < LIMITS.header_timeout + SLACK


def test_a_body_that_drips_is_cut_with_408(client: socket.socket) -> None:
    started = time.perf_counter()
    client.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n")
    client.sendall(b"x")
    time.sleep(0.2)
    client.sendall(b"x")
    status, body = parse(read_all(client))
    assert (status, body["code"]) == (408, "request_timeout")
    assert LIMITS.body_timeout <= time.perf_counter() - started < LIMITS.body_timeout + SLACK


def test_a_connection_that_never_speaks_is_closed(port: int) -> None:
    # From before the connecting: the server counts from when it accepts, which may be before this test goes on.
    started = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        assert read_all(client) == b""
    assert LIMITS.idle_timeout <= time.perf_counter() - started < LIMITS.idle_timeout + SLACK


def test_an_idle_connection_is_closed_after_its_answer(client: socket.socket) -> None:
    client.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.recv(65536).startswith(b"HTTP/1.1 200")
    started = time.perf_counter()
    assert read_all(client) == b""
    assert LIMITS.idle_timeout / 2 < time.perf_counter() - started < LIMITS.idle_timeout + SLACK


def test_a_client_that_does_not_read_its_answer_is_cut_off(client: socket.socket) -> None:
    client.sendall(b"GET /flood HTTP/1.1\r\nHost: a\r\n\r\n")
    time.sleep(LIMITS.body_timeout + 0.4)
    # What the kernel has buffered still comes; the rest of the 200 MB does not.
    assert 0 < len(read_all(client)) < 100_000_000


@pytest.mark.parametrize("size", [70_000, 10_000_000])
def test_headers_over_the_cap_get_431_and_the_connection_closes(client: socket.socket, size: int) -> None:
    lines = b"".join(b"X-%d: %b\r\n" % (n, b"y" * 990) for n in range(size // 1000))
    status, body = exchange(client, b"GET /hello HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n")
    assert (status, body["code"]) == (431, "headers_too_large")


def test_one_header_that_never_ends_gets_431(client: socket.socket) -> None:
    assert exchange(client, b"GET /hello HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 1_000_000)[0] == 431


def test_a_path_over_the_cap_gets_431(client: socket.socket) -> None:
    assert exchange(client, b"GET /" + b"y" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n")[0] == 431


def test_headers_under_the_cap_are_served(client: socket.socket) -> None:
    request = b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: " + b"y" * 60_000 + b"\r\n\r\n"
    assert exchange(client, request)[0] == 200


def test_trailers_over_the_cap_get_431(client: socket.socket) -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
    assert exchange(client, head + b"".join(b"T%d: %b\r\n" % (n, b"y" * 990) for n in range(100)))[0] == 431


_POST = b"POST /echo HTTP/1.1\r\nHost: a\r\n"
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n"
_NEXT = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"

MALFORMED = {
    "content-length and transfer-encoding": (
        b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "transfer-encoding and content-length": (
        b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"
    ),
    "two content-lengths": b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "negative content-length": b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    "two hosts": b"GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "no host": b"GET /hello HTTP/1.1\r\nX: y\r\n\r\n",
    "two hosts in HTTP/1.0": b"GET /hello HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
    "folded header": b"GET /hello HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
    "line feeds only": b"GET /hello HTTP/1.1\nHost: a\n\n",
    "space before the colon": b"GET /hello HTTP/1.1\r\nHost : a\r\n\r\n",
    "NUL in a header": b"GET /hello HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
    "not HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "bad chunk": b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "path that is not ASCII": b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
    "two transfer-encodings": _CHUNKED + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "transfer-encoding that does not end chunked": _POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "space before the colon of transfer-encoding": _POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "vertical tab before chunked": _POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "both in HTTP/1.0": (b"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"),
    "the same content-length twice": _POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "content-length as a list": _POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "content-length with a sign": _POST + b"Content-Length: +3\r\n\r\nabc",
    "content-length in hexadecimal": _POST + b"Content-Length: 0x3\r\n\r\nabc",
    "empty content-length": _POST + b"Content-Length: \r\n\r\nabc",
    "content-length of 24 digits": _POST + b"Content-Length: 999999999999999999999999\r\n\r\nabc",
    "folded content-length": _POST + b"Content-Length:\r\n 3\r\n\r\nabc",
    "chunk with 0x": _CHUNKED + b"\r\n0x3\r\nabc\r\n0\r\n\r\n",
    "chunk of negative size": _CHUNKED + b"\r\n-3\r\nabc\r\n0\r\n\r\n",
    "chunk of 18 digits": _CHUNKED + b"\r\nffffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "chunks with line feeds only": _CHUNKED + b"\r\n3\nabc\n0\n\n",
    "chunk that is longer than it says": _CHUNKED + b"\r\n3\r\nabcX\r\n0\r\n\r\n",
    "lone carriage return": b"GET /hello HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
    "one line feed": b"GET /hello HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
    "space before the first header": b"GET /hello HTTP/1.1\r\n Host: a\r\n\r\n",
    "header without a name": b"GET /hello HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
    "space in the path": b"GET /hel lo HTTP/1.1\r\nHost: a\r\n\r\n",
    "authority instead of a path": b"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "CONNECT": b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP/0.9": b"GET /hello\r\n\r\n",
    "HTTP/1.2": b"GET /hello HTTP/1.2\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("request_bytes", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_request_gets_400_in_the_documented_shape(
    client: socket.socket, port: int, request_bytes: bytes
) -> None:
    # What follows is not served, whatever it looks like.
    client.sendall(request_bytes + _NEXT)
    answer = read_all(client)
    status, body = parse(answer)
    assert (status, body["code"]) == (400, "bad_request")
    assert answer.count(b"\r\n\r\n") == 1
    assert set(body) == {"code", "detail", "correlation_id", "timestamp"}
    assert len(str(body["correlation_id"])) == 32
    assert is_alive(port)


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"identity", b"xchunked"])
def test_a_transfer_coding_that_nobody_undoes_here_gets_501(client: socket.socket, coding: bytes) -> None:
    status, body = exchange(client, _POST + b"Transfer-Encoding: %b\r\n\r\n0\r\n\r\n" % coding)
    assert (status, body["code"]) == (501, "not_implemented")


WHOLE = {
    "whole URL instead of a path": b"GET http://b/hello HTTP/1.1\r\nHost: a\r\n\r\n",
    "empty lines before it": b"\r\n\r\n" + _NEXT,
    "a body that nobody wants": b"GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(_NEXT) + _NEXT,
    "a header that only looks like it": _POST + b"Transfer_Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
    "a chunk with an extension": _CHUNKED + b"\r\n3;a=b\r\nabc\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("request_bytes", WHOLE.values(), ids=WHOLE.keys())
def test_an_odd_request_that_is_right_is_one_request(client: socket.socket, request_bytes: bytes) -> None:
    client.sendall(request_bytes + b"GET /hello HTTP/1.0\r\n\r\n")
    answer = read_all(client)
    assert answer.count(b"HTTP/1.1 200 OK") == answer.count(b"HTTP/1.1 ") == 2


def test_http_1_0_needs_no_host(client: socket.socket) -> None:
    assert exchange(client, b"GET /hello HTTP/1.0\r\n\r\n")[0] == 200


def test_pipelined_requests_are_answered_in_order(client: socket.socket) -> None:
    post = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b"
    client.sendall(post % (3, b"abc") + post % (5, b"abcde") + b"GET /hello HTTP/1.0\r\n\r\n")
    answer = read_all(client)
    assert answer.index(b'{"bytes":3}') < answer.index(b'{"bytes":5}') < answer.index(b'{"hello":"world"}')


def test_a_malformed_request_does_not_take_the_answer_of_the_one_before_it(client: socket.socket) -> None:
    client.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" + b"\0garbage\r\n\r\n")
    answer = read_all(client)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b'{"bytes":3}' in answer


def test_what_follows_an_offered_upgrade_is_never_taken_for_a_request(client: socket.socket) -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 41\r\n\r\n"
    client.sendall(head + b"GET /hello HTTP/1.1\r\nHost: a\r\nX-Y: zz\r\n\r\n")
    answer = read_all(client)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"hello" not in answer
