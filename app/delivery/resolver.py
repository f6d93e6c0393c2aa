"""Asking the system's name servers for a host's addresses, without a thread for each question.

`getaddrinfo` of the C library holds a thread until the last name server has been given up, and cannot be interrupted:
names whose servers never answer would hold all of them, and every other name would wait. c-ares reads the same
`resolv.conf` and `hosts` and waits for any number of answers at once.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Final

import pycares

AddressInfo = tuple[int, int, int, str, tuple[str | int | bytes, ...]]
"""One row of `socket.getaddrinfo`."""
Resolver = Callable[[str, int], Awaitable[Sequence[AddressInfo]]]

LOOK_UP_SECONDS: Final = 10.0
"""After this the name has no address; what an attempt has left of its own time may end its waiting before."""
_TRIES: Final = 5
_FIRST_TRY_SECONDS: Final = 1.0
"""Until it is known how fast the name servers are; each of the tries waits twice as long as the one before."""
_TICK_SECONDS: Final = 0.05
_LONGEST_MEMORY: Final = 60.0
"""Seconds. c-ares keeps an answer for as long as it says, up to an hour; and an empty one that says nothing, too."""


class SystemResolver:
    """The system's name servers, or others. Belongs to the event loop in which it is first asked.

    Attempts at the same name share one look-up, which goes on when an attempt's time is over, so that the next attempt
    may find its answer. OSError if there is no address, or no answer in time.
    """

    def __init__(self, servers: Sequence[str] = (), *, clock: Callable[[], float] = monotonic) -> None:
        """`servers` are asked instead of the system's: `address:port`."""
        self._servers = servers
        self._clock = clock
        self._channel: _Channel | None = None
        self._began_at = 0.0
        self._running: dict[str, asyncio.Task[Sequence[AddressInfo]]] = {}

    async def __call__(self, host: str, _port: int) -> Sequence[AddressInfo]:
        running = self._running.get(host)
        if running is None:
            running = self._running[host] = asyncio.create_task(self._look_up(host))
            running.add_done_callback(lambda done: self._forget(host, done))
        return await asyncio.shield(running)

    def close(self) -> None:
        """Give up every look-up."""
        for running in self._running.values():
            running.cancel()
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    async def _look_up(self, host: str) -> Sequence[AddressInfo]:
        channel = self._current()
        async with asyncio.timeout(LOOK_UP_SECONDS):
            found = await channel.ask(host)
        return [(node.family, node.socktype, node.protocol, "", (node.addr[0].decode(),)) for node in found.nodes]

    def _current(self) -> "_Channel":
        now = self._clock()
        if self._channel is not None and now - self._began_at >= _LONGEST_MEMORY:
            self._channel.retire()
            self._channel = None
        if self._channel is None:
            self._channel = _Channel(asyncio.get_running_loop(), self._servers)
            self._began_at = now
        return self._channel

    def _forget(self, host: str, done: "asyncio.Task[Sequence[AddressInfo]]") -> None:
        del self._running[host]
        if not done.cancelled():
            done.exception()  # whoever waited has seen it; when nobody waits any more it is not worth a warning


class _Channel:
    """c-ares with the configuration that it finds now, on an event loop, without a thread of its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop, servers: Sequence[str]) -> None:
        self._loop = loop
        self._sockets: set[int] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._asked = 0
        self._is_retired = self._is_closed = False
        self._ares = pycares.Channel(
            sock_state_cb=self._watch, servers=servers, timeout=_FIRST_TRY_SECONDS, tries=_TRIES
        )

    def ask(self, host: str) -> "asyncio.Future[pycares.AddrInfoResult]":
        """The addresses of a name. socket.gaierror if there are none, or the name is none."""
        answer: asyncio.Future[pycares.AddrInfoResult] = self._loop.create_future()

        def hear(result: pycares.AddrInfoResult | None, failure: int | None) -> None:
            # Once the channel is closed it is a thread of pycares that says so.
            if self._is_closed or answer.done():
                return
            if result is None:
                answer.set_exception(socket.gaierror(failure or 0, "no address"))
            else:
                answer.set_result(result)

        self._asked += 1
        answer.add_done_callback(self._answered)
        try:
            self._ares.getaddrinfo(host, 0, type=socket.SOCK_STREAM, callback=hear)
        except pycares.AresError as error:  # Not a name.
            hear(None, error.args[0])
        return answer

    def retire(self) -> None:
        """Close it once everything that it was asked is answered."""
        self._is_retired = True
        if not self._asked:
            self.close()

    def close(self) -> None:
        """What it was asked is not answered any more."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        for number in self._sockets:
            self._loop.remove_reader(number)
            self._loop.remove_writer(number)
        self._ares.close()

    def _answered(self, _answer: "asyncio.Future[pycares.AddrInfoResult]") -> None:
        self._asked -= 1
        if self._is_retired and not self._asked and not self._is_closed:
            self.close()

    def _watch(self, number: int, readable: bool, writable: bool) -> None:
        """c-ares wants to know when a socket of its can be read, or written; neither: it closes the socket."""
        if self._is_closed:
            return
        if readable:
            self._loop.add_reader(number, self._ares.process_fd, number, pycares.ARES_SOCKET_BAD)
        else:
            self._loop.remove_reader(number)
        if writable:
            self._loop.add_writer(number, self._ares.process_fd, pycares.ARES_SOCKET_BAD, number)
        else:
            self._loop.remove_writer(number)
        if readable or writable:
            self._sockets.add(number)
        else:
            self._sockets.discard(number)
        if self._timer is None:
            self._timer = self._loop.call_later(_TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        """Tries whose time is over are repeated or given up."""
        self._timer = None
        self._ares.process_fd(pycares.ARES_SOCKET_BAD, pycares.ARES_SOCKET_BAD)
        if self._sockets and self._timer is None and not self._is_closed:
            self._timer = self._loop.call_later(_TICK_SECONDS, self._tick)
