"""The receiver of a run: answers each delivery and marks it off, reading no more than it needs."""

import asyncio
import base64
import hmac
import random
from collections.abc import Sequence
from time import perf_counter
from typing import cast

from httptools import HttpParserError, HttpRequestParser

from benchmarks.load import Load
from benchmarks.tally import Tally

_ACCEPTED = b"HTTP/1.1 204 No Content\r\n\r\n"
_REFUSED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
_SEQ = b'"seq":'
Headers = Sequence[tuple[bytes, bytes]]


def sequence_number(body: bytes) -> int:
    """The number after the first `"seq":`, with or without spaces before it; -1 if there is none."""
    at = body.find(_SEQ)
    if at < 0:
        return -1
    at += len(_SEQ)
    digits = body[at : at + 24].lstrip(b" ")
    end = 0
    while end < len(digits) and digits[end : end + 1].isdigit():
        end += 1
    return int(digits[:end]) if end else -1


def endpoint_number(path: bytes) -> int:
    """3 for the path `/3`; -1 for any other kind of path."""
    return int(path[1:]) if path[1:].isdigit() else -1


def signature_holds(headers: Headers, body: bytes, key: bytes) -> bool:
    """Whether one of the `svix-signature`s is the HMAC-SHA256 of id, timestamp and body (Standard Webhooks, `v1`)."""
    values = {name.lower(): value for name, value in headers}
    try:
        signed = b"%b.%b.%b" % (values[b"svix-id"], values[b"svix-timestamp"], body)
        signatures = values[b"svix-signature"].split(b" ")
    except KeyError:
        return False
    wanted = b"v1," + base64.b64encode(hmac.digest(key, signed, "sha256"))
    return any(hmac.compare_digest(wanted, signature) for signature in signatures)


class Receiver:
    """Listens on a free port of loopback; `keys[n]` signs what arrives at the path `/n`."""

    def __init__(self, load: Load, tally: Tally, keys: Sequence[bytes]) -> None:
        self.load = load
        self.tally = tally
        self.keys = keys
        self.transports: set[asyncio.BaseTransport] = set()
        self.complete = asyncio.Event()
        """Set once each pair has arrived."""
        self._server: asyncio.Server | None = None
        self._random = random.Random(load.messages)
        self._requests = 0

    async def start(self) -> str:
        """Starts to listen; the address is `http://127.0.0.1:port`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Incoming(self), "127.0.0.1", 0, backlog=1024)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for transport in list(self.transports):
                transport.close()
            await self._server.wait_closed()

    def judge(self, path: bytes, headers: Headers, body: bytes) -> bytes:
        """Marks the request off and returns the answer to it."""
        now = perf_counter()
        if self.load.fail and self._random.random() < self.load.fail:
            return _REFUSED
        tally, endpoint = self.tally, endpoint_number(path)
        tally.arrived(sequence_number(body), endpoint, now)
        if tally.delivered == tally.pairs:
            self.complete.set()
        self._requests += 1
        if self._requests % self.load.verify_every == 0 and 0 <= endpoint < len(self.keys):
            tally.verified += 1
            tally.bad_signatures += not signature_holds(headers, body, self.keys[endpoint])
        return _ACCEPTED


class _Incoming(asyncio.Protocol):
    """One keep-alive connection of the server."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._delay = receiver.load.delay
        self._parser = HttpRequestParser(self)
        self._path = self._body = b""
        self._headers: list[tuple[bytes, bytes]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio's classes, so isinstance would say no.
        self._transport = cast(asyncio.Transport, transport)
        self._receiver.transports.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._receiver.transports.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except HttpParserError:
            self._receiver.tally.strays += 1
            self._transport.close()

    def on_message_begin(self) -> None:
        self._path = self._body = b""
        self._headers = []

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        answer = self._receiver.judge(self._path, self._headers, self._body)
        if self._delay:
            asyncio.get_running_loop().call_later(self._delay, self._answer, answer)
        else:
            self._transport.write(answer)

    def _answer(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)
