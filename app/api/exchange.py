"""Requests that are served straight from their connection (app/http_direct.py), and how too many are sent away."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from app.api.problems import response_to
from app.db.group_commit import Late, Overloaded
from app.errors import Unavailable
from app.logs import correlation_id

MOST_BYTES: Final = 65_536
"""Larger bodies gain nothing, and are not to be parsed between two reads of other connections."""
# Those who cannot be served are told so at this pace, 4,000 in a second. Told at once, clients that come again at once
# would take all the time that there is; libuv reads from sockets for as long as so many have something to say.
_TELLING_SECONDS: Final = 0.05
_TOLD_AT_ONCE: Final = 200


class Exchange(Protocol):
    """A POST that has arrived whole, and the way to answer it. Header names are in lower case, each there once.

    `target` is what its path names; `query` what follows the `?`, as it came.
    """

    target: str
    query: str
    headers: Mapping[bytes, bytes]
    body: bytes
    request_id: bytes

    def answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send the response; nothing happens if the client has left. `headers`: all but our own; None: JSON's."""


class Taker(Protocol):
    """What serves exchanges."""

    most_bytes: int
    """The largest body that is to come here."""

    def take(self, exchange: Exchange) -> bool:
        """Serve an exchange, now or later. False, and nothing was done, if it must take the usual way."""


class SentAway:
    """Exchanges that could not be served. Belongs to one event loop."""

    def __init__(self, reason_of: Callable[[Overloaded | Late], Unavailable]) -> None:
        self._reason_of = reason_of
        self._waiting: deque[tuple[Exchange, Overloaded | Late]] = deque()
        self._telling = False

    def add(self, exchange: Exchange, error: Overloaded | Late) -> None:
        """Tell it, in its turn, to come again."""
        self._waiting.append((exchange, error))
        if not self._telling:
            self._telling = True
            asyncio.get_running_loop().call_later(_TELLING_SECONDS, self._tell_in_time)

    def close(self) -> None:
        """Tell all who wait."""
        while self._waiting:
            self._tell()

    def _tell_in_time(self) -> None:
        self._tell()
        self._telling = bool(self._waiting)
        if self._telling:
            asyncio.get_running_loop().call_later(_TELLING_SECONDS, self._tell_in_time)

    def _tell(self) -> None:
        for _ in range(min(_TOLD_AT_ONCE, len(self._waiting))):
            exchange, error = self._waiting.popleft()
            told = correlation_id.set(exchange.request_id.decode("ascii"))
            answer_error(exchange, self._reason_of(error))
            correlation_id.reset(told)


def answer_error(exchange: Exchange, error: Exception) -> None:
    """Answer as the API answers an exception; the correlation id must have been set."""
    response = response_to(error)
    exchange.answer(response.status_code, bytes(response.body), response.headers)
