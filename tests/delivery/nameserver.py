"""A name server on loopback (RFC 1035, UDP and TCP) that answers as a test tells it to."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address

A, CNAME, AAAA = 1, 5, 28
_TRUNCATED = 0x0200
_MOST_IN_A_DATAGRAM = 1232


@dataclass(frozen=True)
class Zone:
    """What is said of one name: addresses of either kind, an alias, an error (its number), or nothing at all."""

    addresses: Sequence[str] = ()
    alias: str = ""
    error: int = 0
    is_silent: bool = False
    ttl: int = 0


Teller = Callable[[str], Zone]
NXDOMAIN = Zone(error=3)
SERVFAIL = Zone(error=2)
SILENCE = Zone(is_silent=True)


@dataclass
class NameServer:
    """`zones` are by name; a function says each time anew what is said."""

    zones: dict[str, Zone | Teller] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)
    port: int = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def reply(self, query: bytes, most: int) -> bytes | None:
        """The answer to a query, truncated if it is longer than that; None for none."""
        labels, place = [], 12
        while length := query[place]:
            labels.append(query[place + 1 : place + 1 + length].decode())
            place += 1 + length
        name, kind = ".".join(labels).lower(), int.from_bytes(query[place + 1 : place + 3], "big")
        self.asked.append((name, kind))
        records, zone = self._records(name, kind)
        if zone.is_silent:
            return None
        question, answer = query[12 : place + 5], b"".join(records)
        flags, count = 0x8180 | zone.error, len(records)
        if 12 + len(question) + len(answer) > most:
            flags, answer, count = flags | _TRUNCATED, b"", 0
        return query[:2] + struct.pack(">HHHHH", flags, 1, count, 0, 0) + question + answer

    def _records(self, name: str, kind: int) -> tuple[list[bytes], Zone]:
        """As a resolver that looks behind aliases answers: they come first, then what is at their end."""
        records: list[bytes] = []
        zone = self._zone(name)
        while zone.alias:
            records.append(_record(name, CNAME, zone.ttl, _encoded(zone.alias)))
            name = zone.alias
            zone = self._zone(name)
        for text in zone.addresses:
            address = ip_address(text)
            if kind == (A if address.version == 4 else AAAA):
                records.append(_record(name, kind, zone.ttl, address.packed))
        return records, zone

    def _zone(self, name: str) -> Zone:
        zone = self.zones.get(name, NXDOMAIN)
        return zone if isinstance(zone, Zone) else zone(name)


def _encoded(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def _record(name: str, kind: int, ttl: int, data: bytes) -> bytes:
    return _encoded(name) + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # it is one
        self._transport = transport

    def datagram_received(self, data: bytes, address: tuple[str | int, ...]) -> None:
        if (reply := self._server.reply(data, _MOST_IN_A_DATAGRAM)) is not None:
            self._transport.sendto(reply, address)


@asynccontextmanager
async def naming(zones: dict[str, Zone | Teller]) -> AsyncIterator[NameServer]:
    """A name server that runs until the end of the block."""
    server = NameServer(zones)

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(2), "big")
                reply = server.reply(await reader.readexactly(length), 65_535)
                if reply is not None:
                    writer.write(len(reply).to_bytes(2, "big") + reply)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()

    streams = await asyncio.start_server(converse, "127.0.0.1", 0)
    server.port = streams.sockets[0].getsockname()[1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", server.port))
        bound.setblocking(False)
        loop = asyncio.get_running_loop()
        datagrams, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(server), sock=bound)
        try:
            yield server
        finally:
            datagrams.close()
            streams.close()
