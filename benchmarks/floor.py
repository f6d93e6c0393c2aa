"""What no code of ours can go below: the machine's own prices, one small loop for each part of a message's way."""

import asyncio
import os
import socket
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time, time
from typing import cast

import asyncpg
import psutil
import uvloop
from httptools import HttpRequestParser

from app import ids
from app.api.message.models import MessageIn
from app.delivery.signing import SigningKey, sign
from benchmarks.generator import Request
from benchmarks.listener import ACCEPTED, Headers, Listener

_SECONDS = 0.3
"""Each loop runs so long, after it has run once."""
_BATCH = 64


@dataclass(frozen=True, slots=True)
class Price:
    """Microseconds for one: elapsed, of this process's CPU, and of Postgres' CPU."""

    name: str
    hops: str
    elapsed_us: float
    cpu_us: float
    postgres_us: float = 0.0


def measure_floor(dsn: str, folder: Path) -> list[Price]:
    """The prices on this machine; `folder` lies on the disk of the database of `dsn`."""
    return [*_python(), *_sockets(), _fsync(folder), *uvloop.run(_loop_and_database(dsn))]


def _loop(name: str, hops: str, body: Callable[[], object], *, times: int = 100) -> Price:
    body()
    count, begun, cpu = 0, perf_counter(), process_time()
    while perf_counter() - begun < _SECONDS:
        for _ in range(times):
            body()
        count += times
    return Price(name, hops, *_each(count, perf_counter() - begun, process_time() - cpu))


def _each(count: int, *seconds: float) -> Iterable[float]:
    return [round(value / count * 1e6, 2) for value in seconds]


def _python() -> list[Price]:
    request = Request("http://127.0.0.1:8071", "t" * 200, [ids.new_id("app")], idempotent=False).encode(1)
    body = request.partition(b"\r\n\r\n")[2]
    keys, message_id = [SigningKey.generate("hmac256")], ids.new_id("msg")
    return [
        _loop("httptools: parse the request", "1", lambda: HttpRequestParser(object()).feed_data(request)),
        _loop("Pydantic: validate the message", "1", lambda: MessageIn.parse(body)),
        _loop("an id", "2, 5", lambda: ids.new_id("msg")),
        _loop("HMAC-SHA256 over the payload", "6", lambda: sign(message_id, int(time()), body, keys)),
    ]


def _sockets() -> list[Price]:
    """One message there and one back, both ends in one thread, so that nothing but system calls is paid."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        one = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
    data = b"x" * 900
    with one, other:
        for end in (one, other):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def there_and_back() -> None:
            one.sendall(data)
            other.recv(2000)
            other.sendall(ACCEPTED)
            one.recv(2000)

        return [_loop("TCP on loopback: request and answer, four system calls", "1, 6", there_and_back)]


def _fsync(folder: Path) -> Price:
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(2**20))
        page = bytes(8192)

        def write() -> None:
            os.pwrite(file.fileno(), page, 0)
            os.fdatasync(file.fileno())

        return _loop("the disk: write 8 KiB and wait for it", "3, 5", write, times=1)


class _Echo(Listener):
    """Answers everything at once."""

    def answer(self, path: bytes, headers: Headers, body: bytes) -> bytes:
        return ACCEPTED


class _Client(asyncio.Protocol):
    """Sends a request, counts the answer, sends the next."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self.count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.count += 1
        self._transport.write(self._request)


async def _loop_and_database(dsn: str) -> list[Price]:
    return [await _http(), *await _database(dsn)]


async def _http() -> Price:
    """A bare HTTP server and a client that hardly looks, on one event loop."""
    echo = _Echo()
    port = int((await echo.start()).rpartition(":")[2])
    request = Request("http://127.0.0.1:8071", "t" * 200, [ids.new_id("app")], idempotent=False).encode(1)
    begun, cpu = perf_counter(), process_time()
    transport, client = await asyncio.get_running_loop().create_connection(lambda: _Client(request), "127.0.0.1", port)
    await asyncio.sleep(_SECONDS)
    each = _each(client.count, perf_counter() - begun, process_time() - cpu)
    transport.close()
    await echo.stop()
    return Price("uvloop and httptools: a request and its answer, both ends", "1, 6", *each)


async def _database(dsn: str) -> list[Price]:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS bench_floor (id text PRIMARY KEY, body bytea)")
        body = bytes(300)
        many = "INSERT INTO bench_floor SELECT i, $2 FROM unnest($1::text[]) AS i"

        async def insert(count: int) -> None:
            await connection.execute(many, [ids.new_id("msg") for _ in range(count)], body)

        return [
            await _query("asyncpg: SELECT 1", "3, 5", connection, lambda: connection.fetchval("SELECT 1"), 1),
            await _query("INSERT of one row with one index, committed", "3", connection, lambda: insert(1), 1),
            await _query(
                f"the same row among {_BATCH} in one statement", "3", connection, lambda: insert(_BATCH), _BATCH
            ),
        ]
    finally:
        await connection.execute("DROP TABLE IF EXISTS bench_floor")
        await connection.close()


async def _query(
    name: str, hops: str, connection: asyncpg.Connection, body: Callable[[], Awaitable[object]], rows: int
) -> Price:
    backend = psutil.Process(connection.get_server_pid())
    await body()
    count, begun, cpu, server = 0, perf_counter(), process_time(), sum(backend.cpu_times()[:2])
    while perf_counter() - begun < _SECONDS:
        await body()
        count += rows
    used = sum(backend.cpu_times()[:2]) - server
    return Price(name, hops, *_each(count, perf_counter() - begun, process_time() - cpu, used))
