"""A shortcut from the connection to publishing and receiving, for the two requests whose rate matters.

Use it with `uvicorn --http app.http_direct:DirectProtocol`. A POST of a message, or to a source, in the form that
clients send it (one header of each name, a small body of declared length, nothing else under way on the connection)
goes straight to app/api/message/direct.py or app/api/inbound/direct.py when it has arrived, and its answer straight to
the transport. All others, and those that are declined there, are served by uvicorn and the ASGI application as if this
file were not there.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from math import inf
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from app.api.exchange import Taker
from app.api.inbound.direct import TOKEN
from app.api.middleware import request_id_of
from app.api.security_headers import LINES
from app.http_guard import GuardedProtocol

_PUBLISH: Final = re.compile(rb"/api/v1/app/([a-zA-Z0-9\-_.]{1,256})/msg/?()")
_RECEIVE: Final = re.compile(rb"/in/(%b)/?(?:\?([!-~]*))?" % TOKEN.encode())
# What asks for more than a plain answer.
_UNUSUAL: Final = frozenset({b"expect", b"origin", b"transfer-encoding", b"upgrade", b"content-encoding"})


class _Unheard:
    """In place of the event by which uvicorn wakes the application: nobody waits for it here."""

    def set(self) -> None:
        pass


_UNHEARD: Final = _Unheard()


class DirectExchange:
    """One request and its answer; what uvicorn's protocol knows of its own cycle, it finds here by the same names."""

    __slots__ = (
        "body",
        "disconnected",
        "headers",
        "keep_alive",
        "message_event",
        "more_body",
        "protocol",
        "query",
        "request_id",
        "response_complete",
        "response_started",
        "taker",
        "target",
    )

    def __init__(
        self, protocol: "DirectProtocol", taker: Taker, path: re.Match[bytes], headers: Mapping[bytes, bytes]
    ) -> None:
        self.protocol = protocol
        self.taker = taker
        self.target = path[1].decode("ascii")
        self.query = (path[2] or b"").decode("ascii")
        self.headers = headers
        self.request_id = request_id_of(headers)
        self.body = b""
        self.more_body = True
        self.keep_alive = True
        self.disconnected = False
        self.response_started = False
        self.response_complete = False
        self.message_event = _UNHEARD

    def answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send the response; nothing happens if the client has left. `headers`, if given, are all but our own."""
        self.response_started = self.response_complete = True
        if not self.disconnected:
            self.protocol.respond(self, status, body, headers)


class DirectProtocol(GuardedProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Of the lifespan's state; not there if every request is to be logged.
        self._publishing: Taker | None = self.app_state.get("publishing")
        self._receiving: Taker | None = self.app_state.get("receiving")
        self._exchange: DirectExchange | None = None

    def on_headers_complete(self) -> None:
        self._exchange = self._direct()
        if self._exchange is None:
            super().on_headers_complete()
        else:
            self.check_head()
            self.hold(int(self._exchange.headers[b"content-length"]))
            self.cycle = self._exchange  # type: ignore[assignment]

    def on_body(self, body: bytes) -> None:
        if self._exchange is None:
            super().on_body(body)
        else:
            self._exchange.body += body

    def on_message_complete(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            super().on_message_complete()
            return
        exchange.more_body = False
        if not self.flow.write_paused and exchange.taker.take(exchange):
            # The client has done its part.
            self.deadline = inf
            exchange.body = b""
            return
        # As if it had arrived only now.
        self.cycle = None  # type: ignore[assignment]
        HttpToolsProtocol.on_headers_complete(self)
        if exchange.body:
            super().on_body(exchange.body)
        super().on_message_complete()

    def respond(
        self, exchange: DirectExchange, status: int, body: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        """Write an exchange's response, and go on with what arrived after its request."""
        if self.transport.is_closing():
            return
        if headers is None:
            own = b"content-type: application/json\r\ncontent-length: %d\r\n" % len(body)
        else:
            own = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("latin-1")
        self.transport.write(
            b"%b%b%bx-request-id: %b\r\n%b\r\n%b"
            % (
                STATUS_LINE[status],
                _default_lines(self.server_state),
                own,
                exchange.request_id,
                b"" if exchange.keep_alive else b"connection: close\r\n",
                body,
            )
        )
        if not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _direct(self) -> DirectExchange | None:
        """The exchange of a request whose headers have arrived; None if it is to be served the usual way."""
        if (path := _PUBLISH.fullmatch(self.url)) is not None:
            taker = self._publishing
        elif (path := _RECEIVE.fullmatch(self.url)) is not None:
            taker = self._receiving
        else:
            return None
        if (
            taker is None
            or self.parser.get_method() != b"POST"
            or not (self.cycle is None or self.cycle.response_complete)
            or self.parser.get_http_version() != "1.1"
            or not self.parser.should_keep_alive()
            or self.limit_concurrency is not None
            or self.root_path
        ):
            return None
        headers = dict(self.headers)
        length = headers.get(b"content-length")
        if (
            len(headers) != len(self.headers)
            or not _UNUSUAL.isdisjoint(headers)
            or length is None
            or int(length) > taker.most_bytes
        ):
            return None
        return DirectExchange(self, taker, path, headers)


@lru_cache(maxsize=2)
def _lines(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    return b"".join((*(b"%b: %b\r\n" % header for header in headers), LINES))


def _default_lines(state: ServerState) -> bytes:
    """The date and what else is on each response; the server makes its part anew once a second."""
    return _lines(tuple(state.default_headers))
