"""Listeners on this machine that should never hear anything."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Canaries:
    """On 127.0.0.1, 127.0.0.2, and ::1 where there is one, at the same ports; `heard` is who connected."""

    ports: tuple[int, ...]
    heard: list[object] = field(default_factory=list)


@asynccontextmanager
async def canaries(count: int = 2) -> AsyncIterator[Canaries]:
    """Canaries at so many ports, which have heard all that was said when the block ends."""
    servers: list[asyncio.Server] = []
    found = Canaries(())

    def hear(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.heard.append(writer.get_extra_info("peername"))
        writer.close()

    hosts = ["127.0.0.1", "127.0.0.2", *(["::1"] if socket.has_ipv6 else [])]
    try:
        for _ in range(count):
            port = 0
            for host in hosts:
                servers.append(await asyncio.start_server(hear, host, port))
                port = servers[-1].sockets[0].getsockname()[1]
            found.ports += (port,)
        yield found
        await asyncio.sleep(0.02)  # until those who were accepted last were heard
    finally:
        for server in servers:
            server.close()
