"""The HTTP front of the API: uvicorn's httptools protocol, with limits on time and size that it does not have.

Use it with `uvicorn --http app.http_guard:GuardedProtocol`. It closes connections whose headers or body arrive too
slowly, idle ones and those whose answer nobody reads; refuses headers that are too large and requests whose `Host` is
missing or doubled (RFC 9112 §3.2); and answers what it refuses in the API's shape of errors.

A request costs a few attribute writes and reads of the loop's clock: there are no timers per request. One sweep per
process looks at the deadlines of all its connections.
"""

import asyncio
from dataclasses import dataclass
from functools import cache
from math import inf
from random import getrandbits
from typing import Any, Final, Self, cast
from weakref import WeakKeyDictionary

import httptools
from loguru import logger
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from app.api.problems import problem_body
from app.logs import correlation_id
from app.settings import load

MAX_HEAD_BYTES: Final = 65_536
# How long a refused connection stays half open, so that its client can read why before it is reset.
_LINGER: Final = 1.0

_MALFORMED: Final = (400, "bad_request", "The request is not valid HTTP/1.1: one header line or the framing is wrong.")
_HOST: Final = (400, "bad_request", "An HTTP/1.1 request must have exactly one Host header.")
_HEAD_TOO_LARGE: Final = (431, "headers_too_large", "The headers are larger than 64 KB: send fewer or shorter ones.")
_HEAD_TOO_SLOW: Final = (408, "request_timeout", "The headers did not arrive in time: send them at once.")
_BODY_TOO_SLOW: Final = (408, "request_timeout", "The body did not arrive in time: send it faster, or less at once.")


class _Refused(Exception):
    """Ends the parsing of a request; carries status, code and detail of the answer."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that a client has to send the headers, the body, the next request."""

    header_timeout: float
    body_timeout: float
    idle_timeout: float

    @classmethod
    @cache
    def from_settings(cls) -> Self:
        settings = load()
        return cls(settings.header_timeout, settings.body_timeout, settings.idle_timeout)


class GuardedProtocol(HttpToolsProtocol):
    """One connection. `deadline` is the loop's time at which the client has had enough time for what it does now."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.ws_protocol_class = None
        self.limits = self.limits_of_process()
        self.deadline = inf
        self._now = self.loop.time
        self._in_head = False
        self._head_bytes = 0
        self._hosts = 0
        self._ended = False

    @classmethod
    def limits_of_process(cls) -> Limits:
        return Limits.from_settings()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.deadline = self._now() + self.limits.idle_timeout
        sweep = _sweeps.get(self.server_state)
        if sweep is None:
            sweep = _sweeps[self.server_state] = _Sweep(self.server_state, self.loop, self.limits)
        sweep.start()

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # No other protocol is served, so the request is answered as it is (RFC 9110 §7.8). What follows it may be
            # its body or another request: not to guess, it is dropped and the connection closed.
            self._close_after_answer()
        except httptools.HttpParserError as error:
            reason = error.__context__
            self._refuse(*(reason.args if isinstance(reason, _Refused) else _MALFORMED))
            return
        if self._in_head:
            # A header that has not ended is not counted by on_header yet.
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(*_HEAD_TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = self._hosts = 0
        self.deadline = self._now() + self.limits.header_timeout

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if not self._in_head:
            # Trailers: nobody reads them, and the headers are in the application's hands already.
            if self._head_bytes > MAX_HEAD_BYTES:
                raise _Refused(*_HEAD_TOO_LARGE)
            return
        name = name.lower()
        if name == b"host":
            self._hosts += 1
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.check_head()
        super().on_headers_complete()

    def check_head(self) -> None:
        """The headers are complete: refuse what is wrong about them, and wait for the body from now on."""
        if self._head_bytes + len(self.url) > MAX_HEAD_BYTES:
            raise _Refused(*_HEAD_TOO_LARGE)
        if self._hosts != 1 and (self._hosts > 1 or self.parser.get_http_version() == "1.1"):
            raise _Refused(*_HOST)
        self._in_head = False
        self.deadline = self._now() + self.limits.body_timeout

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.deadline = self._now() + self.limits.idle_timeout if self.cycle.response_complete else inf

    def on_response_complete(self) -> None:
        # As uvicorn's, but without its timer for each response.
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif self.deadline == inf:
            self.deadline = self._now() + self.limits.idle_timeout

    def pause_writing(self) -> None:
        super().pause_writing()
        self.deadline = self._now() + self.limits.body_timeout

    def resume_writing(self) -> None:
        super().resume_writing()
        idle = self.cycle is None or self.cycle.response_complete
        self.deadline = self._now() + self.limits.idle_timeout if idle else inf

    def expire(self, now: float) -> None:
        """The deadline has passed: refuse what is incomplete, close what is idle, cut off what was refused before."""
        cycle = self.cycle
        if self._ended or self.flow.write_paused:
            # Refused and lingering, or its client does not read what it is sent.
            self.transport.abort()
        elif self.flow.read_paused:
            # The application has not read what has arrived: the client is not late.
            self.deadline = now + self.limits.body_timeout
        elif self._in_head:
            self._refuse(*_HEAD_TOO_SLOW)
        elif cycle is not None and not cycle.response_complete:
            self._refuse(*_BODY_TOO_SLOW)
        else:
            self._end()
            self.transport.close()

    def _refuse(self, status: int, code: str, detail: str) -> None:
        """Answer, and let go of the connection; what still arrives is dropped."""
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if self._in_head or self.pipeline or not cycle.more_body:
                # Earlier requests are still being answered, and our answer would come before theirs.
                self._close_after_answer()
                return
            cycle.disconnected = True
            cycle.message_event.set()
        self._end()
        if cycle is not None and cycle.response_started and not cycle.response_complete:
            self.transport.abort()
            return
        request_id = f"{getrandbits(128):032x}"
        correlation_id.set(request_id)
        body = problem_body(code, detail)
        self.transport.write(
            b"%bcontent-type: application/json\r\ncontent-length: %d\r\nx-request-id: %b\r\nconnection: close\r\n\r\n%b"
            % (STATUS_LINE[status], len(body), request_id.encode(), body)
        )
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()  # TLS cannot be closed by halves.
        logger.bind(status=status, client=self.client and self.client[0]).info("refused: {}", detail)

    def _close_after_answer(self) -> None:
        self._ended = True
        self.cycle.keep_alive = False
        self.deadline = inf

    def _end(self) -> None:
        self._ended = True
        self.deadline = self._now() + _LINGER


class _Sweep:
    """Looks at the deadlines of one server's connections while there are any."""

    def __init__(self, server_state: ServerState, loop: asyncio.AbstractEventLoop, limits: Limits) -> None:
        # The set itself: keeping the server's state would keep its entry in the weak dictionary alive.
        self._connections = server_state.connections
        self._loop = loop
        self._interval = min(1.0, min(limits.header_timeout, limits.body_timeout, limits.idle_timeout) / 4)
        self._running = False

    def start(self) -> None:
        if not self._running:
            self._running = True
            self._loop.call_later(self._interval, self._sweep)

    def _sweep(self) -> None:
        now = self._loop.time()
        late = [c for c in cast("set[GuardedProtocol]", self._connections) if c.deadline < now]
        for connection in late:
            connection.expire(now)
        self._running = bool(self._connections)
        if self._running:
            self._loop.call_later(self._interval, self._sweep)


_sweeps: Final[WeakKeyDictionary[ServerState, _Sweep]] = WeakKeyDictionary()
