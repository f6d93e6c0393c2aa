"""The POST of a delivery: guard, connect or reuse, send, read the answer, all within one deadline.

No redirects, no cookies, no proxies from the environment, no decompression: what is sent is what was signed, to where
the guard said that it may go, and nothing of one delivery is remembered for the next but the open connection.
"""

import asyncio
import ssl
import time
from collections.abc import Callable
from time import perf_counter
from typing import Final

from app.delivery.connection import Connection
from app.delivery.dial import Dialer, Opening
from app.delivery.guard import BlockedAddress, Guard, ResolutionFailed
from app.delivery.outcome import Blocked, Outcome, Unreachable
from app.delivery.pool import Pool
from app.delivery.proxy import Proxy
from app.delivery.tls import Contexts
from app.delivery.tunnel import DialFailed
from app.delivery.url import Target

MAX_RESPONSE_BYTES: Final = 20_000
"""Bytes of an answer's body that are kept, as Svix keeps them."""


class DeliveryClient:
    """Posts deliveries and keeps connections. Belongs to one event loop; make it inside of that loop."""

    def __init__(
        self,
        guard: Guard,
        *,
        timeout: float = 30.0,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        verify_tls: bool = True,
        tls: ssl.SSLContext | None = None,
        authorities: str | None = None,
        proxy: Proxy | None = None,
        max_connections_per_host: int = 500,
        idle_seconds: float = 30.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`timeout` is the default, in seconds, for one whole attempt. `authorities` (PEM) are trusted beside the
        system's; `tls` is used instead of both for targets that set nothing. `proxy` is asked for vetted addresses, and
        none is otherwise. `now` is the wall clock in unix seconds, which Retry-After dates are compared with."""
        self._guard = guard
        self._timeout = timeout
        self._max_response_bytes = max_response_bytes
        self._dialer = Dialer(Contexts(verify=verify_tls, authorities=authorities, base=tls), proxy)
        self._now = now
        self._pool = Pool(max_connections_per_host, idle_seconds)

    async def post(self, target: Target, headers: bytes, body: bytes, timeout: float | None = None) -> Outcome:  # noqa: ASYNC109 - the whole attempt's, an Outcome when it is over
        """One attempt. `headers` are encoded lines (`name: value\\r\\n`), without Host and Content-Length.

        `timeout` is in seconds, for everything from the look-up of the name to the answer's last byte. Whatever the
        receiver or the network does is an Outcome; only ClientClosed and cancellation are raised.
        """
        started = perf_counter()
        seconds = self._timeout if timeout is None else timeout
        head = b"%bcontent-length: %d\r\n%b\r\n" % (target.head, len(body), headers)
        loop = asyncio.get_running_loop()
        connection = self._pool.take(target.origin)
        for _ in range(2):
            if connection is None:
                opened = await self._open(target, started, seconds)
                if not isinstance(opened, Connection):
                    return opened
                connection = opened
            try:
                outcome = await connection.send(head, body, started, seconds - (perf_counter() - started), loop)
            except asyncio.CancelledError:
                connection.abandon()
                raise
            if outcome is not None:
                return outcome
            # A kept connection had died while it was idle. Once, that is nobody's failure.
            connection = None
        return Unreachable("reset", "The receiver closes connections without answering.", _since(started))

    async def close(self) -> None:
        """Close every connection. Call it when nothing is under way: a delivery that is ends with ClientClosed."""
        await self._pool.close()
        self._guard.close()

    async def _open(self, target: Target, started: float, seconds: float) -> Connection | Unreachable | Blocked:
        """A connection that may be sent on now, newly opened unless one became free first."""
        deadline = asyncio.get_running_loop().time() + seconds - (perf_counter() - started)
        opening = Opening()
        try:
            async with asyncio.timeout_at(deadline):
                return await self._pool.reserve(target.origin) or await self._dial(target, deadline, opening)
        except TimeoutError:
            text = "There was no connection to the receiver in time."
            return Unreachable("timeout", text, _since(started), opening.timings())
        except DialFailed as failure:
            return Unreachable(failure.reason, failure.detail, _since(started), opening.timings())
        # How long these took would tell whether a name server of ours knows the name.
        except ResolutionFailed as failure:
            return Unreachable("dns", str(failure), 0)
        except BlockedAddress as failure:
            return Blocked("address", str(failure), 0)

    async def _dial(self, target: Target, deadline: float, opening: Opening) -> Connection:
        """Connect on the place that was reserved, and give the place up if that fails in any way."""

        def new_connection() -> Connection:
            return Connection(target.origin, self._max_response_bytes, self._now)

        try:
            opening.resolve()
            addresses = await self._guard.resolve(target.host, target.port)
            opening.resolved()
            connection = await self._dialer.dial(target, addresses, new_connection, deadline, opening)
        except BaseException:
            self._pool.release(target.origin)
            raise
        connection.opening = opening.timings()
        self._pool.add(connection)
        return connection


def _since(started: float) -> int:
    return round((perf_counter() - started) * 1000)
