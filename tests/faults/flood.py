"""A flood: many connections that publish as fast as they are answered, and heed no Retry-After."""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final, cast
from urllib.parse import urlsplit

_END: Final = b"\r\n\r\n"


@dataclass
class Flood:
    """What was answered. Seconds are those from the request to its answer, by status."""

    statuses: Counter[int] = field(default_factory=Counter)
    accepted: set[str] = field(default_factory=set)
    seconds: dict[int, list[float]] = field(default_factory=dict)
    retry_after: Counter[str] = field(default_factory=Counter)
    # Connections that were closed while an answer was awaited.
    cut: int = 0

    def slowest(self, status: int, share: float) -> float:
        """The time within which that share of the answers came; 0 if there was none."""
        times = sorted(self.seconds.get(status, [0.0]))
        return times[min(int(share * len(times)), len(times) - 1)]


class _Publisher(asyncio.Protocol):
    """One connection."""

    def __init__(self, flood: Flood, request: bytes, until: float) -> None:
        self._flood = flood
        self._request = request
        self._until = until
        self._answer = b""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def _send(self) -> None:
        self._sent = perf_counter()
        if self._sent < self._until:
            self._transport.write(self._request)
        else:
            self._end()

    def _end(self) -> None:
        self._transport.close()
        if not self.ended.done():
            self.ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(_END)
        if not found:
            return
        headers = dict(line.split(": ", 1) for line in head.decode().lower().split("\r\n")[1:])
        if len(body) < int(headers["content-length"]):
            return
        status, self._answer = int(head.split(b" ", 2)[1]), b""
        flood = self._flood
        flood.statuses[status] += 1
        flood.seconds.setdefault(status, []).append(perf_counter() - self._sent)
        if status == 202:
            flood.accepted.add(json.loads(body)["id"])
        else:
            flood.retry_after[headers.get("retry-after", "none")] += 1
        if headers.get("connection") == "close":
            self._end()
        else:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self._flood.cut += 1
            self.ended.set_result(None)


async def flood(
    url: str, token: str, application: str, *, connections: int, seconds: float, payload_bytes: int = 20
) -> Flood:
    """Publish from so many connections for so long; returns once each has had its last answer."""
    parts = urlsplit(url)
    body = json.dumps({"eventType": "invoice.paid", "payload": {"pad": "x" * payload_bytes}}).encode()
    head = (
        f"POST {parts.path}/app/{application}/msg HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    request = head.encode() + body
    counted = Flood()
    assert parts.hostname is not None
    assert parts.port is not None
    until = perf_counter() + seconds
    loop = asyncio.get_running_loop()
    publishers = []
    for _ in range(connections):
        _, publisher = await loop.create_connection(
            lambda: _Publisher(counted, request, until), parts.hostname, parts.port
        )
        publishers.append(publisher)
    await asyncio.wait([publisher.ended for publisher in publishers], timeout=seconds + 30)
    assert all(publisher.ended.done() for publisher in publishers), "requests were never answered"
    return counted
