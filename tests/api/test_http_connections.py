"""What all clients of the API may hold together: connections, and bytes of bodies."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from fastapi import FastAPI, Request

from app.api import problems
from app.api.middleware import RequestMiddleware
from app.http_connections import Limits
from app.http_guard import GuardedProtocol
from tests.api.live_server import serve

MOST = 20
LARGEST = 4096
# Sixteen of the largest bodies.
HELD = 16 * LARGEST
HELLO = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"


class CrowdedProtocol(GuardedProtocol):
    """The front of the API, with limits that a test can reach."""

    @classmethod
    def limits_of_process(cls) -> Limits:
        return Limits(2.0, 2.0, 20.0, connections=MOST, held_bytes=HELD)


@pytest.fixture
def go() -> Iterator[threading.Event]:
    """What requests to /wait wait for."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def port(go: threading.Event) -> Iterator[int]:
    app = FastAPI()
    problems.install(app)
    app.add_middleware(RequestMiddleware, max_body_bytes=LARGEST, log_level="error")

    @app.post("/echo")
    async def echo(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    @app.get("/hello")
    async def hello() -> dict[str, str]:
        return {"hello": "world"}

    @app.get("/wait")
    def wait() -> dict[str, str]:
        go.wait(10)
        return {"hello": "late"}

    with serve(app, CrowdedProtocol) as number:
        yield number


@pytest.fixture
def open_to(port: int) -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


def connect(port: int, stack: contextlib.ExitStack, first: bytes = b"") -> socket.socket:
    connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
    connection.sendall(first)
    return connection


def answer(connection: socket.socket) -> tuple[int, dict[str, str], dict[str, object]]:
    """One answer: status, headers, JSON."""
    stream = connection.makefile("rb")
    status = int(stream.readline().split()[1])
    headers = {}
    while line := stream.readline().strip():
        name, _, value = line.decode().partition(": ")
        headers[name] = value
    return status, headers, json.loads(stream.read(int(headers["content-length"])))


def is_closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    finally:
        connection.settimeout(5)


def test_one_connection_too_many_closes_the_one_that_was_idle_for_longest(
    port: int, open_to: contextlib.ExitStack
) -> None:
    silent = connect(port, open_to)
    others = [connect(port, open_to, HELLO) for _ in range(MOST - 1)]
    for connection in others:
        assert answer(connection)[0] == 200
    newest = connect(port, open_to, HELLO)
    assert answer(newest)[0] == 200
    assert silent.recv(1) == b""
    assert not any(map(is_closed, others))
    others[0].sendall(HELLO)
    assert answer(others[0])[0] == 200


def test_ten_times_too_many_idle_connections_leave_as_many_as_may_be(port: int, open_to: contextlib.ExitStack) -> None:
    crowd = [connect(port, open_to) for _ in range(10 * MOST)]
    deadline = time.monotonic() + 5
    while sum(not is_closed(connection) for connection in crowd) > MOST:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    newest = connect(port, open_to, HELLO)
    assert answer(newest)[0] == 200
    assert sum(not is_closed(connection) for connection in crowd) >= MOST - 3, "no more are closed than need be"


def test_while_all_connections_are_busy_one_more_is_told_to_come_again(
    port: int, open_to: contextlib.ExitStack, go: threading.Event
) -> None:
    busy = [connect(port, open_to, HELLO.replace(b"hello", b"wait")) for _ in range(MOST)]
    time.sleep(0.2)
    status, headers, body = answer(connect(port, open_to))
    assert (status, headers["retry-after"], headers["connection"]) == (503, "1", "close")
    assert body["code"] == "unavailable"
    go.set()
    assert {answer(connection)[0] for connection in busy} == {200}
    newest = connect(port, open_to, HELLO)
    assert answer(newest)[0] == 200


def body_of(size: int, *, sent: int) -> bytes:
    head = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size
    return head + b"x" * sent


def test_bodies_that_are_under_way_hold_no_more_bytes_than_all_clients_may(
    port: int, open_to: contextlib.ExitStack
) -> None:
    slow = [connect(port, open_to, body_of(LARGEST, sent=1)) for _ in range(16)]
    time.sleep(0.1)
    status, headers, body = answer(connect(port, open_to, body_of(10, sent=10)))
    assert (status, headers["retry-after"], body["code"]) == (503, "1", "unavailable")
    assert answer(connect(port, open_to, HELLO))[0] == 200, "what has no body is served"
    slow[0].sendall(b"x" * (LARGEST - 1))
    assert answer(slow[0])[2] == {"bytes": LARGEST}
    slow[1].close()
    for _ in range(20):
        assert answer(connect(port, open_to, body_of(LARGEST, sent=LARGEST)))[2] == {"bytes": LARGEST}


def test_a_body_of_undeclared_length_counts_as_it_comes(port: int, open_to: contextlib.ExitStack) -> None:
    slow = [connect(port, open_to, body_of(LARGEST, sent=1)) for _ in range(15)]
    time.sleep(0.1)
    chunked = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    piece = b"400\r\n" + b"x" * 1024 + b"\r\n"
    fits = connect(port, open_to, chunked + 3 * piece + b"0\r\n\r\n")
    assert answer(fits)[2] == {"bytes": 3072}
    waiting = connect(port, open_to, chunked + 3 * piece)
    time.sleep(0.1)
    assert answer(connect(port, open_to, chunked + 3 * piece))[0] == 503
    waiting.sendall(b"0\r\n\r\n")
    assert answer(waiting)[2] == {"bytes": 3072}
    assert not any(map(is_closed, slow))


def test_what_is_larger_than_any_body_may_be_is_told_so_and_holds_nothing(
    port: int, open_to: contextlib.ExitStack
) -> None:
    for _ in range(3):
        assert answer(connect(port, open_to, body_of(10**12, sent=1)))[0] == 413
    assert answer(connect(port, open_to, body_of(LARGEST, sent=LARGEST)))[0] == 200
