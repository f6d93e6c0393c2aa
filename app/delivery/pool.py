"""Connections that are kept for the next delivery to the same scheme, host and port.

The one that was used last is used first, so that the others age and are closed. Idle ones are bounded in number (over
all hosts, the oldest goes first) and in seconds; open ones in number for each origin, and who comes then waits in line.

An origin needs few where a connection becomes free in a moment. So beyond a few, more are opened only while the event
loop has time to spare: otherwise it is not connections that requests wait for, and neither side is helped by more.
"""

import asyncio
from collections import deque
from time import perf_counter
from typing import Final

from app.delivery.connection import Connection
from app.delivery.saturation import Saturation

MOST_IDLE: Final = 2048
"""Idle connections over all origins. As many as a worker has in flight, or they would be opened anew all the time."""
OLDEST: Final = 300.0
"""Seconds after which a connection is not used again, so that a changed DNS record is noticed by a busy endpoint."""


FEW: Final = 64
"""Connections that an origin gets without a question."""
_STUCK_SECONDS: Final = 0.25
"""After so long without an answer an origin gets more in any case: those that it has may all be waiting."""
_GROW_SECONDS: Final = 0.01
"""How often those who wait may open half as many connections as there are."""


class ClientClosed(RuntimeError):
    """The client was closed while, or before, a delivery was under way: our bug, not the receiver's."""


class _Origin:
    __slots__ = ("answered_at", "growing", "idle", "open", "waiting")

    def __init__(self, now: float) -> None:
        self.idle: list[Connection] = []
        self.open = 0
        self.waiting: deque[asyncio.Future[Connection | None]] = deque()
        self.growing: asyncio.TimerHandle | None = None
        # When a request last had its answer, or the first of those under way began.
        self.answered_at = now


class Pool:
    """Keeps connections; does not open them. Belongs to one event loop."""

    def __init__(self, max_connections_per_host: int, idle_seconds: float) -> None:
        self._most_open = max_connections_per_host
        self._saturation = Saturation()
        self._idle_seconds = idle_seconds
        self._origins: dict[str, _Origin] = {}
        self._idle: dict[Connection, None] = {}  # in the order in which they became idle
        self._all: set[Connection] = set()
        self._sweep_handle: asyncio.TimerHandle | None = None
        self._closed = False

    def take(self, origin: str) -> Connection | None:
        """An idle connection, now the caller's, if there is one."""
        place = self._origins.get(origin)
        while place is not None and place.idle:
            connection = place.idle.pop()
            del self._idle[connection]
            if connection.is_open():
                if place.open == len(place.idle) + 1:
                    place.answered_at = perf_counter()
                return connection
            connection.abandon()
        return None

    async def reserve(self, origin: str) -> Connection | None:
        """A connection that just became free, or None: the caller may open one then, and must `add`
        it or `release` its place.

        Waits in line while the origin has the connections that it may have, or that help; the caller sets the deadline.
        """
        if self._closed:
            raise ClientClosed("the delivery client is closed")
        place = self._origins.get(origin)
        if place is not None and place.open >= self._most_open and place.idle:
            place.idle[0].close()  # a new one is wanted although there are idle ones: the oldest makes room
            place = self._origins.get(origin)
        if place is None:
            place = self._origins[origin] = _Origin(perf_counter())
        # One that finds idle connections has just had a dead one of them: a new one is safe.
        if place.open < min(self._most_open, FEW) or place.idle:
            place.open += 1
            return None
        return await self._wait(origin, place)

    def add(self, connection: Connection) -> None:
        """A connection was opened on a reserved place. It is the caller's until it comes back by `give_back`."""
        if self._closed:
            connection.abandon()
        if connection.is_gone:
            self.release(connection.origin)
        else:
            connection.keeper = self
            self._all.add(connection)
        if self._closed:
            raise ClientClosed("the delivery client is closed")

    def release(self, origin: str) -> None:
        """A reserved place is not used after all, or its connection is gone: the next in line gets it."""
        place = self._origins[origin]
        while place.waiting:
            waiter = place.waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        place.open -= 1
        if place.open == 0:
            del self._origins[origin]

    def give_back(self, connection: Connection) -> None:
        """A connection has its answer and can be used again."""
        now = perf_counter()
        place = self._origins[connection.origin]
        place.answered_at = now
        if self._closed or now - connection.born > OLDEST:
            connection.close()
            return
        while place.waiting:
            waiter = place.waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        connection.idle_since = now
        place.idle.append(connection)
        self._idle[connection] = None
        if len(self._idle) > MOST_IDLE:
            next(iter(self._idle)).close()
        if self._sweep_handle is None:
            self._sweep_handle = asyncio.get_running_loop().call_later(self._idle_seconds, self._sweep)

    def forget(self, connection: Connection) -> None:
        """A connection is gone, whoever closed it."""
        self._all.discard(connection)
        if connection in self._idle:
            del self._idle[connection]
            self._origins[connection.origin].idle.remove(connection)
        self.release(connection.origin)

    async def close(self) -> None:
        """Close every connection. A delivery under way ends with ClientClosed."""
        self._closed = True
        self._saturation.close()
        if self._sweep_handle is not None:
            self._sweep_handle.cancel()
        for place in self._origins.values():
            if place.growing is not None:
                place.growing.cancel()
            for waiter in place.waiting:
                if not waiter.done():
                    waiter.set_exception(ClientClosed("the delivery client was closed while a delivery waited"))
            place.waiting.clear()
        for connection in list(self._all):
            connection.abandon(ClientClosed("the delivery client was closed during a delivery"))
        await asyncio.sleep(0)  # the transports close in the loop's next round

    async def _wait(self, origin: str, place: _Origin) -> Connection | None:
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        place.waiting.append(waiter)
        self._grow_later(place)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                # Time ran out in the moment in which the place was handed over: the next in line gets it.
                connection = waiter.result()
                if connection is None:
                    self.release(origin)
                else:
                    self.give_back(connection)
            raise

    def _grow_later(self, place: _Origin) -> None:
        if place.growing is None and place.open < self._most_open:
            place.growing = asyncio.get_running_loop().call_later(_GROW_SECONDS, self._grow, place)

    def _grow(self, place: _Origin) -> None:
        """Let those who wait open connections, if that helps by now."""
        place.growing = None
        is_stuck = perf_counter() - place.answered_at > _STUCK_SECONDS
        more = place.open // 2 if is_stuck or not self._saturation.is_full() else 0
        more = min(more, self._most_open - place.open)
        while place.waiting and more > 0:
            waiter = place.waiting.popleft()
            if not waiter.done():
                more -= 1
                place.open += 1
                waiter.set_result(None)
        if place.waiting:
            self._grow_later(place)

    def _sweep(self) -> None:
        """Close what has been idle for too long, and come again when the next one could be."""
        self._sweep_handle = None
        now = perf_counter()
        while self._idle:
            oldest = next(iter(self._idle))
            rest = oldest.idle_since + self._idle_seconds - now
            if rest > 0:
                self._sweep_handle = asyncio.get_running_loop().call_later(rest, self._sweep)
                return
            oldest.close()
