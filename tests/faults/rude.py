"""Receivers that do what no receiver should, each at a URL, with what an attempt says of them."""

import asyncio
import contextlib
import gzip
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import trustme

from tests.delivery import certificates
from tests.delivery.rudeserver import OK, Behaviour, Request, RudeServer, close, dripping, hang, refusing_port, reset

# What a terminal, a page, a database's text and a decoder would stumble over.
CONTROLS: Final = "\x1b[31mred\x07\0<script>\u202e"
NOT_TEXT: Final = b"red\xff\xfe\xed\xa0\x80"

_LATE: Final = "did not answer completely in time"
_UNCONNECTED: Final = "in time"
_CUT: Final = "closed the connection before its answer was complete"
_SILENT: Final = "closed the connection without answering"
_JUNK: Final = "not valid HTTP/1.1"
_CHUNKED: Final = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
_EMPTY: Final = b"content-length: 0\r\n\r\n"


@dataclass(frozen=True)
class Rude:
    """One receiver. The attempt has this status, and 0 if there was none, and this text in its response."""

    name: str
    url: str
    status: int
    text: str = ""
    # What was sent is known to be delivered.
    delivered: bool = False
    # Whether each attempt says the same: a reset may come before a connection is set up, or after.
    steady: bool = True


@dataclass
class Rudeness:
    """All of them, and what they saw."""

    server: RudeServer
    receivers: list[Rude] = field(default_factory=list)
    # Of the receivers that are reached by TLS, all but one of their certificates are of this authority.
    authority: trustme.CA = field(default_factory=trustme.CA)

    def add(self, name: str, behaviour: Behaviour, status: int, text: str = "", *, delivered: bool = False) -> None:
        target = self.server.does(behaviour)
        url = f"http://{target.host}:{target.port}{target.path_and_query.decode()}"
        self.receivers.append(Rude(name, url, status, text, delivered))

    def says(self, name: str, answer: bytes, status: int, text: str = "") -> None:
        async def say(request: Request) -> None:
            request.writer.write(answer)
            await close(request)

        self.add(name, say, status, text, delivered=200 <= status < 300)


def flooding(start: bytes, piece: bytes, times: int) -> Behaviour:
    """Say the start, and the piece so many times."""

    async def flood(request: Request) -> None:
        request.writer.write(start)
        for _ in range(times):
            request.writer.write(piece)
            await request.writer.drain()
        await close(request)

    return flood


async def half_close(request: Request) -> None:
    """Say that nothing more will come, and stay."""
    request.writer.write_eof()
    await hang(request)


async def half_answer_and_reset(request: Request) -> None:
    request.writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
    await request.writer.drain()
    await asyncio.sleep(0.05)
    await reset(request)


def _http(rude: Rudeness) -> None:
    rude.add("hangs", hang, 0, _LATE)
    rude.add("drips its headers", dripping(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n", 0.2), 0, _LATE)
    rude.add("drips its status line", dripping(b"HTTP/1.1 2", b"0", 0.5), 0, _LATE)
    rude.add("drips its body", dripping(b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n", b"x", 0.2), 0, _LATE)
    rude.add("never ends", dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65_536, 0), 200, "x" * 1000, delivered=True)
    rude.add("never ends its chunks", dripping(_CHUNKED, b"3\r\nxyz\r\n" * 1000, 0), 200, "xyz", delivered=True)
    rude.add("100 MB", flooding(b"HTTP/1.1 500 No\r\n\r\n", b"x" * 1_000_000, 100), 500, "x" * 1000)
    rude.add("100 MB of headers", flooding(b"HTTP/1.1 200 OK\r\nx: ", b"a" * 1_000_000, 100), 0, "65536 bytes")
    rude.add("resets instead of answering", reset, 0, _SILENT)
    rude.add("resets after its headers", half_answer_and_reset, 0, _CUT)
    rude.add("closes its half", half_close, 0, _SILENT)
    rude.add("20,000 early hints", flooding(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 200, 100), 0, "interim (1xx)")
    rude.says("says nothing", b"", 0, _SILENT)
    rude.says("says less than announced", b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc", 0, _CUT)
    rude.says("says more than announced", b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcdef", 200, "abc")
    rude.says("negative length", b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", 0, _JUNK)
    rude.says("garbage", bytes(range(256)) * 100, 0, _JUNK)
    rude.says("101", b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n\x81\x00", 0, "101")
    rude.says("204 with a body", b"HTTP/1.1 204 No Content\r\ncontent-length: 4\r\n\r\njunk", 204)
    rude.says("304", b"HTTP/1.1 304 Not Modified\r\n" + _EMPTY, 304)
    rude.says("999", b"HTTP/1.1 999 What\r\n" + _EMPTY, 999)
    rude.says("HTTP/9.9", b"HTTP/9.9 200 OK\r\n" + _EMPTY, 0, _JUNK)
    bomb = gzip.compress(b"\0" * 50_000_000, 9)
    head = b"HTTP/1.1 500 No\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(bomb)
    rude.says("gzip bomb", head + bomb, 500)
    rude.says("control characters", b"HTTP/1.1 500 \x1b[2J\r\nx: \x1b[2J\r\n" + _EMPTY, 0, _JUNK)
    for name, body in (("control characters in its body", CONTROLS.encode()), ("a body that is not text", NOT_TEXT)):
        rude.says(name, b"HTTP/1.1 500 No\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body), 500, "red")
    rude.says("a cookie", b"HTTP/1.1 500 No\r\nset-cookie: a=b; path=/\r\nrefresh: 0; url=/\r\n" + _EMPTY, 500)
    for asked in (b"-1", b"1e12", b"NaN", b"Wed, 21 Oct 2015 07:28:00 GMT", b"5\r\nretry-after: 6"):
        rude.says(f"retry-after: {asked.decode()!r}", b"HTTP/1.1 500 No\r\nretry-after: %b\r\n" % asked + _EMPTY, 500)
    metadata = b"http://169.254.169.254/latest/meta-data/"
    own = b"http://127.0.0.1:%d/0?followed" % rude.server.port
    for status in (300, 301, 302, 303, 307, 308):
        for place in (metadata, own, b"http://user:pass@127.0.0.1:1/\x0b"):
            line = b"HTTP/1.1 %d Elsewhere\r\nlocation: %b\r\n" % (status, place.strip(b"\x0b"))
            rude.says(f"{status} to {place[:30]!r}", line + _EMPTY, status)


@asynccontextmanager
async def _tcp(rude: Rudeness) -> AsyncIterator[None]:
    """Those that do not get as far as HTTP."""

    async def reset_at_once(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw: socket.socket = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read(-1)
        writer.transport.abort()

    async with AsyncExitStack() as stack:
        rude.receivers.append(
            Rude("nothing listens", f"http://127.0.0.1:{stack.enter_context(refusing_port())}/", 0, "nothing listens")
        )
        deaf = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=100))
        rude.receivers.append(Rude("never accepts", f"http://127.0.0.1:{deaf.getsockname()[1]}/", 0, _LATE))
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(full.getsockname())
        rude.receivers.append(Rude("drops SYNs", f"http://127.0.0.1:{full.getsockname()[1]}/", 0, _UNCONNECTED))
        for name, scheme, behaviour, text in (
            ("resets at once", "http", reset_at_once, "closed the connection"),
            ("stalls in the TLS handshake", "https", stall, _UNCONNECTED),
            ("resets in the TLS handshake", "https", reset_at_once, "before TLS was set up"),
        ):
            server = await asyncio.start_server(behaviour, "127.0.0.1", 0)
            stack.callback(server.close)
            url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            rude.receivers.append(Rude(name, url, 0, text, steady=behaviour is not reset_at_once))
        yield


@asynccontextmanager
async def _tls(rude: Rudeness) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for variant, text in {**certificates.BAD, certificates.good: ""}.items():
            server = RudeServer()
            await server.start(variant(rude.authority))
            stack.push_async_callback(server.stop)
            target = server.says(OK)
            good = variant is certificates.good
            url = f"https://127.0.0.1:{server.port}{target.path_and_query.decode()}"
            rude.receivers.append(Rude(variant.__name__, url, 200 if good else 0, text, delivered=good))
        yield


@asynccontextmanager
async def rude_receivers() -> AsyncIterator[Rudeness]:
    """All of them, until the end of the block."""
    async with AsyncExitStack() as stack:
        rude = Rudeness(RudeServer())
        await rude.server.start()
        stack.push_async_callback(rude.server.stop)
        _http(rude)
        await stack.enter_async_context(_tcp(rude))
        await stack.enter_async_context(_tls(rude))
        yield rude
