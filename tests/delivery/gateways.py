"""Proxies on loopback, HTTP CONNECT and SOCKS5, that remember what they were asked for."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Gateway:
    """A proxy. `asked` are the requests for connections, in order; `reply` is what it answers instead of trying."""

    port: int = 0
    asked: list[str] = field(default_factory=list)
    credentials: list[str] = field(default_factory=list)
    reply: bytes | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def connect(self, client: Streams) -> None:
        """Serve one HTTP CONNECT."""
        reader, writer = client
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        request, *lines = head.split("\r\n")
        self.asked.append(request)
        headers = dict(line.split(": ", 1) for line in lines if line)
        if "proxy-authorization" in headers:
            self.credentials.append(headers["proxy-authorization"])
        if self.reply is not None:
            await _say(writer, self.reply)
            return
        host, _, port = request.split(" ")[1].rpartition(":")
        await self._join(client, host.strip("[]"), int(port), b"HTTP/1.1 200 Connection established\r\n\r\n")

    async def socks(self, client: Streams) -> None:
        """Serve one SOCKS5 connection, with a password if one is offered."""
        reader, writer = client
        _, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        writer.write(bytes([5, methods[0]]))
        if methods[0] == 2:
            _, length = await reader.readexactly(2)
            user = await reader.readexactly(length)
            password = await reader.readexactly((await reader.readexactly(1))[0])
            self.credentials.append(f"{user.decode()}:{password.decode()}")
            writer.write(b"\x01\x00")
        _, command, _, kind = await reader.readexactly(4)
        address = {1: IPv4Address, 4: IPv6Address}[kind](await reader.readexactly({1: 4, 4: 16}[kind]))
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.asked.append(f"{command} {address} {port}")
        if self.reply is not None:
            await _say(writer, self.reply)
            return
        # It says that it connects from a name, which RFC 1928 allows, to be as odd as it may be.
        await self._join(client, str(address), port, b"\x05\x00\x00\x03\x04name\x00\x01")

    async def _join(self, client: Streams, host: str, port: int, welcome: bytes) -> None:
        upstream = await asyncio.open_connection(host, port)
        client[1].write(welcome)
        try:
            await asyncio.gather(_copy(client[0], upstream[1]), _copy(upstream[0], client[1]))
        finally:
            await _hang_up(upstream[1])


async def _say(writer: asyncio.StreamWriter, text: bytes) -> None:
    writer.write(text)
    await writer.drain()
    writer.close()


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.close()


@asynccontextmanager
async def proxying(
    kind: Callable[[Gateway, Streams], Awaitable[None]], tls: ssl.SSLContext | None = None
) -> AsyncIterator[Gateway]:
    """A gateway that runs until the end of the block: `Gateway.connect` or `Gateway.socks`."""
    gateway = Gateway()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await kind(gateway, (reader, writer))
        finally:
            await _hang_up(writer)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(serve(reader, writer))
        gateway._tasks.add(task)
        task.add_done_callback(gateway._tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    gateway.port = server.sockets[0].getsockname()[1]
    try:
        yield gateway
    finally:
        server.close()
        for task in list(gateway._tasks):
            task.cancel()
        await asyncio.gather(*gateway._tasks, return_exceptions=True)
        await server.wait_closed()
