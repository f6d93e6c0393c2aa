"""The HTTP front of the API: uvicorn's httptools protocol, with limits on time and size that it does not have.

Use it with `uvicorn --http app.http_guard:GuardedProtocol`. It closes connections whose headers or body arrive too
slowly, idle ones and those whose answer nobody reads; refuses headers that are too large and requests whose `Host` is
missing or doubled (RFC 9112 §3.2), connections beyond a number, and bodies while others hold as much as they may; and
answers what it refuses in the API's shape of errors.

A request costs a few attribute writes and reads of the loop's clock: there are no timers per request. One sweep per
process looks at the deadlines of all its connections (app/http_connections.py).
"""

import asyncio
from http import HTTPStatus
from math import inf
from random import getrandbits
from typing import Any, Final, cast

import httptools
from loguru import logger
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from app.api.problems import problem_body
from app.api.security_headers import LINES
from app.http_connections import Connection, Limits, connections_of
from app.logs import correlation_id

MAX_HEAD_BYTES: Final = 65_536
# How long a refused connection stays half open, so that its client can read why before it is reset.
_LINGER: Final = 1.0

_VERSIONS: Final = frozenset({"1.0", "1.1"})
_MALFORMED: Final = (400, "bad_request", "The request is not valid HTTP/1.1: one header line or the framing is wrong.")
_CODING: Final = (501, "not_implemented", "The only transfer coding that is served is chunked.")
_HOST: Final = (400, "bad_request", "An HTTP/1.1 request must have exactly one Host header.")
_HEAD_TOO_LARGE: Final = (431, "headers_too_large", "The headers are larger than 64 KB: send fewer or shorter ones.")
_HEAD_TOO_SLOW: Final = (408, "request_timeout", "The headers did not arrive in time: send them at once.")
_BODY_TOO_SLOW: Final = (408, "request_timeout", "The body did not arrive in time: send it faster, or less at once.")
_FULL: Final = (503, "unavailable", "More connections than can be served are open. Nothing was stored; try again.")
_BODIES_FULL: Final = (503, "unavailable", "More is being sent than can be held. Nothing was stored; try again.")


class _Refused(Exception):
    """Ends the parsing of a request; carries status, code and detail of the answer."""


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
        self._ended = self._makes_room = self._undeclared = False
        # Bytes of bodies, as declared or as they came, that are accounted for with all the others'.
        self._held = 0

    @classmethod
    def limits_of_process(cls) -> Limits:
        return Limits.from_settings()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.deadline = self._now() + self.limits.idle_timeout
        own = cast("set[Connection]", self.server_state.connections)
        self._everybody = connections_of(self.server_state, own, self.loop, self.limits)
        if not self._everybody.admit():
            self._refuse(*_FULL)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.release()
        if self._makes_room:
            self._everybody.parted()

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
        if self.parser.get_http_version() not in _VERSIONS:
            raise _Refused(*_MALFORMED)
        for name, value in self.headers:
            if name == b"content-length":
                # What is larger than any body may be is refused without being read.
                self.hold(size if (size := int(value)) <= self.limits.largest_body else 0)
            elif name == b"transfer-encoding":
                if value.lower() != b"chunked":
                    raise _Refused(*_CODING)
                self._undeclared = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._undeclared:
            self.hold(len(body))
        super().on_body(body)

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
        if self._held:
            self.release()
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

    def hold(self, size: int) -> None:
        """Account for a body of so many bytes; refuses the request if all bodies together would be too many."""
        self._held += size
        self._everybody.bytes_left -= size
        if self._everybody.bytes_left < 0:
            raise _Refused(*_BODIES_FULL)

    def release(self) -> None:
        """The bodies that were accounted for are not held any more."""
        self._everybody.bytes_left += self._held
        self._held = 0
        self._undeclared = False

    @property
    def is_idle(self) -> bool:
        return not (self._ended or self._in_head) and (self.cycle is None or self.cycle.response_complete)

    def part(self) -> None:
        self._makes_room = True
        self._end()
        self.transport.close()

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
        end = b"retry-after: 1\r\n\r\n" if status == HTTPStatus.SERVICE_UNAVAILABLE else b"\r\n"
        self.transport.write(
            b"%b%bcontent-type: application/json\r\ncontent-length: %d\r\nx-request-id: %b\r\n"
            b"connection: close\r\n%b%b" % (STATUS_LINE[status], LINES, len(body), request_id.encode(), end, body)
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
