"""An HTTP server on loopback that reads no more of a request than it is asked about."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import cast

from httptools import HttpParserError, HttpRequestParser

ACCEPTED = b"HTTP/1.1 204 No Content\r\n\r\n"
REFUSED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
Headers = Sequence[tuple[bytes, bytes]]


class Listener(ABC):
    """Listens on a free port; a subclass says what to answer."""

    def __init__(self, delay: float = 0.0) -> None:
        self.delay = delay
        """Seconds until the answer is sent."""
        self.malformed = 0
        """Requests that were not HTTP."""
        self.transports: set[asyncio.Transport] = set()
        self._server: asyncio.Server | None = None

    @abstractmethod
    def answer(self, path: bytes, headers: Headers, body: bytes) -> bytes:
        """The whole response to a request that has arrived completely; empty for one that is never answered."""

    async def start(self, port: int = 0) -> str:
        """Starts to listen, on a free port if it is 0; the address is `http://127.0.0.1:port`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Incoming(self), "127.0.0.1", port, backlog=1024)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for transport in list(self.transports):
                transport.close()
            await self._server.wait_closed()


class _Incoming(asyncio.Protocol):
    """One keep-alive connection of the server."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._parser = HttpRequestParser(self)
        self._path = self._body = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._pending: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio's classes, so isinstance would say no.
        self._transport = cast(asyncio.Transport, transport)
        self._listener.transports.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._listener.transports.discard(self._transport)
        if self._pending:
            self._pending.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except HttpParserError:
            self._listener.malformed += 1
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
        answer = self._listener.answer(self._path, self._headers, self._body)
        if not answer:
            return
        if self._listener.delay:
            self._pending = asyncio.get_running_loop().call_later(self._listener.delay, self._write, answer)
        else:
            self._transport.write(answer)

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)
