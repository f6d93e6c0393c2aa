"""The sender of a run: a fixed number of keep-alive connections that post messages encoded beforehand."""

import asyncio
import secrets
from collections import deque
from collections.abc import Sequence
from time import perf_counter
from typing import Protocol, cast
from urllib.parse import urlsplit

from httptools import HttpParserError, HttpResponseParser

from benchmarks.load import Load
from benchmarks.tally import Tally

PAD_BYTES = 300
PATIENCE = 60.0
"""Seconds without any answer, or any arrival, after which a run is given up."""
# A timer of less than a millisecond is a busy loop in uvloop, and would be paid by the server under test.
_SHORTEST_TIMER = 0.001
_DIGITS = 10


class Requests(Protocol):
    """What is posted."""

    def encode(self, seq: int) -> bytes:
        """Request number `seq`, complete with its headers."""
        ...


class Request:
    """One POST of a message, to each application in turn. Its body's length is constant."""

    def __init__(self, url: str, token: str, application_ids: Sequence[str], *, idempotent: bool) -> None:
        body_size = len(b'{"eventType":"invoice.paid","payload":{"seq":,"pad":""}}') + _DIGITS + PAD_BYTES
        rest = (
            f"Host: {urlsplit(url).netloc}\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {body_size}\r\n"
        )
        heads = [f"POST /api/v1/app/{application_id}/msg/ HTTP/1.1\r\n{rest}" for application_id in application_ids]
        self._key = f"idempotency-key: auto_{secrets.token_hex(8)}_".encode() if idempotent else b""
        self._heads = [head.encode() for head in heads]
        self._start = b'\r\n{"eventType":"invoice.paid","payload":{"seq":'
        self._ends = [b',"pad":"%b"}}' % (b"x" * (PAD_BYTES + _DIGITS - digits)) for digits in range(_DIGITS + 1)]

    def encode(self, seq: int) -> bytes:
        """Message number `seq`, complete with its headers."""
        number = b"%d" % seq
        key = b"%b%b\r\n" % (self._key, number) if self._key else b""
        head = self._heads[seq % len(self._heads)]
        return b"%b%b%b%b%b" % (head, key, self._start, number, self._ends[len(number)])


class Generator:
    """Posts the messages of one load; `run` returns when each has been answered or given up."""

    def __init__(self, load: Load, tally: Tally, url: str, requests: Requests) -> None:
        parts = urlsplit(url)
        self.tally = tally
        self.requests = requests
        self._load = load
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._next = 0
        self._idle: deque[_Connection] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._connecting: set[asyncio.Task[None]] = set()
        self._open: set[_Connection] = set()
        self._closed = False
        self._finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """OSError if the server refuses the first connections."""
        for _ in range(self._load.connections):
            await self._connect()
        self.tally.started = perf_counter()
        self.tally.last_answer = self.tally.started
        self._dispatch()
        try:
            while not self._done():
                await asyncio.wait([self._finished], timeout=1.0)
                if perf_counter() - self.tally.last_answer > PATIENCE:
                    self._give_up(f"no answer for {PATIENCE:.0f} s")
        finally:
            self._closed = True
            for connection in self._open:
                connection.close()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: _Connection(self), self._host, self._port)
        self._open.add(connection)
        self._idle.append(connection)

    def _dispatch(self) -> None:
        """Sends what is due over the connections that are free, and comes back when the next one is due."""
        self._timer = None
        load, now = self._load, perf_counter()
        due = load.messages
        if load.rate:
            due = min(due, int((now - self.tally.started) * load.rate) + 1)
        while self._idle and self._next < due:
            seq, self._next = self._next, self._next + 1
            self._idle.popleft().send(seq)
        if self._idle and self._next < load.messages and load.rate:
            wait = self.tally.started + self._next / load.rate - now
            self._timer = asyncio.get_running_loop().call_later(max(_SHORTEST_TIMER, wait), self._dispatch)

    def _done(self) -> bool:
        done = self.tally.accepted + self.tally.errors >= self._load.messages
        if done and not self._finished.done():
            self._finished.set_result(None)
        return done

    def answered(self, connection: "_Connection", *, reusable: bool) -> None:
        """The connection has had its answer."""
        if reusable:
            self._idle.append(connection)
        else:
            connection.close()
        if not self._done() and self._timer is None:
            self._dispatch()

    def lost(self, connection: "_Connection", seq: int) -> None:
        """The server closed the connection, before it answered message `seq` unless that is -1."""
        self._open.discard(connection)
        if self._closed:
            return
        if connection in self._idle:
            self._idle.remove(connection)
        if seq >= 0:
            self.tally.failed("the server closed the connection without an answer", perf_counter())
        if not self._done():
            task = asyncio.get_running_loop().create_task(self._reconnect())
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _reconnect(self) -> None:
        try:
            await self._connect()
        except OSError as error:
            if not self._open:
                self._give_up(f"the server is gone: {error}")
        else:
            if self._timer is None:
                self._dispatch()

    def _give_up(self, reason: str) -> None:
        while self.tally.accepted + self.tally.errors < self._load.messages:
            self.tally.failed(reason, perf_counter())
        self._done()


class _Connection(asyncio.Protocol):
    """One connection with at most one message under way."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._parser = HttpResponseParser(self)
        self._seq = -1
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio's classes, so isinstance would say no.
        self._transport = cast(asyncio.Transport, transport)

    def send(self, seq: int) -> None:
        data = self._generator.requests.encode(seq)
        self._seq = seq
        self._body = b""
        self._generator.tally.sent(seq, perf_counter())
        self._transport.write(data)

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except HttpParserError:
            self._transport.close()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        status, seq, self._seq = self._parser.get_status_code(), self._seq, -1
        tally, now = self._generator.tally, perf_counter()
        if 200 <= status < 300:
            tally.answered(seq, now)
        else:
            tally.failed(f"{status} {self._body[:200].decode(errors='replace')}", now)
        self._generator.answered(self, reusable=self._parser.should_keep_alive())

    def connection_lost(self, exc: Exception | None) -> None:
        seq, self._seq = self._seq, -1
        self._generator.lost(self, seq)
