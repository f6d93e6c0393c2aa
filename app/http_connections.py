"""What all connections of one server hold together: how many there are, how many bytes, and which of them are late."""

import asyncio
import resource
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from heapq import nsmallest
from operator import attrgetter
from typing import Final, Protocol, Self
from weakref import WeakKeyDictionary

from uvicorn.server import ServerState

from app.settings import load

# Bytes of bodies that all connections of a process may hold; with all their copies on the way to Postgres three times
# as much. Bodies of the largest size that is allowed fit in sixteen at a time, however large that is.
_HELD_BYTES: Final = 67_108_864
_LARGEST_HELD: Final = 16
# Of the file descriptors of a process, those that its clients do not get: they are for Postgres, Redis and files.
_OWN_SHARE: Final = 4
# So many are closed at once to make room, so that the search for them is not made for each newcomer.
_MAKE_ROOM_SHARE: Final = 50


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that a client has to send the headers, the body, the next request; what all clients may hold."""

    header_timeout: float
    body_timeout: float
    idle_timeout: float
    connections: int = 10_000
    held_bytes: int = _HELD_BYTES

    @property
    def largest_body(self) -> int:
        """Bytes from which on a body is none that could be accepted."""
        return self.held_bytes // _LARGEST_HELD

    @classmethod
    @cache
    def from_settings(cls) -> Self:
        settings = load()
        return cls(
            settings.header_timeout,
            settings.body_timeout,
            settings.idle_timeout,
            settings.max_connections,
            max(_HELD_BYTES, _LARGEST_HELD * settings.max_body_bytes),
        )


class Connection(Protocol):
    """One of them. `deadline` is the loop's time at which its client has had enough time for what it does now."""

    deadline: float

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way on it."""

    def expire(self, now: float) -> None:
        """The deadline has passed."""

    def part(self) -> None:
        """Close it, as idle as it is."""


class Connections:
    """Those of one server: their number and their bytes are bounded, and who lets a deadline pass is told so."""

    def __init__(self, connections: Collection[Connection], loop: asyncio.AbstractEventLoop, limits: Limits) -> None:
        """`connections` are those that are open, the newest included."""
        self._all = connections
        self._loop = loop
        self._interval = min(1.0, min(limits.header_timeout, limits.body_timeout, limits.idle_timeout) / 4)
        self._running = False
        self._most = limits.connections
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if descriptors != resource.RLIM_INFINITY:
            self._most = min(self._most, descriptors - descriptors // _OWN_SHARE)
        # Closed to make room, and still among the open ones.
        self._parting = 0
        # Bytes of bodies that may still come.
        self.bytes_left = limits.held_bytes

    def admit(self) -> bool:
        """Whether there is room for the newest. If need be, the ones that were idle for longest make it."""
        if not self._running:
            self._running = True
            self._loop.call_later(self._interval, self._sweep)
        if len(self._all) - self._parting <= self._most:
            return True
        idle = [connection for connection in self._all if connection.is_idle]
        # The newest is idle too, and the last of them.
        leaving = nsmallest(min(len(idle) - 1, 1 + self._most // _MAKE_ROOM_SHARE), idle, key=attrgetter("deadline"))
        self._parting += len(leaving)
        for connection in leaving:
            connection.part()
        return bool(leaving)

    def parted(self) -> None:
        """One that was closed to make room is gone."""
        self._parting -= 1

    def _sweep(self) -> None:
        now = self._loop.time()
        for connection in [connection for connection in self._all if connection.deadline < now]:
            connection.expire(now)
        self._running = bool(self._all)
        if self._running:
            self._loop.call_later(self._interval, self._sweep)


# Of each server of this process, for as long as it is there.
_of_servers: Final[WeakKeyDictionary[ServerState, Connections]] = WeakKeyDictionary()


def connections_of(
    server: ServerState, connections: Collection[Connection], loop: asyncio.AbstractEventLoop, limits: Limits
) -> Connections:
    """What a server's connections hold together. They are given beside it, so that nothing here keeps it alive."""
    found = _of_servers.get(server)
    if found is None:
        found = _of_servers[server] = Connections(connections, loop, limits)
    return found


def allow_many() -> None:
    """Let this process have as many file descriptors as it may: the usual limit of 1,024 is one for other programs."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError):  # macOS says that there is no limit, and does not take that for one.
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
