"""One HTTP/1.1 connection to a receiver: it sends a request, reads one answer, and can do so again.

Written on asyncio's protocols and httptools' parser because general clients cost several times the rest of a delivery.
Headers are not turned into objects: the one that matters, Retry-After, is looked for in the raw head of a refusal.
"""

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Final, Protocol, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from app.delivery.exchange import Timings
from app.delivery.faults import CUT, JUNK, LARGE_HEAD, LATE, MOST_HEAD_BYTES, fault_of_interim
from app.delivery.head import ends_with_connection, final_head, retry_after
from app.delivery.outcome import Delivered, Outcome, Refused, Unreachable, UnreachableReason
from app.delivery.tls import unanswered

_WIRE_BYTES_PER_BODY_BYTE: Final = 8
"""A body in chunks of one byte takes six; what takes more than this is not a body that is worth reading on."""
_WHOLE: Final = 65_536
"""Bodies up to this many bytes are sent in one write, larger ones in pieces of it as the receiver takes them."""
_FIRST_FINAL: Final = 200
_FIRST_NOT_SUCCESS: Final = 300


class Keeper(Protocol):
    """Who a connection belongs to while nothing is sent on it."""

    def give_back(self, connection: "Connection") -> None:
        """The connection is free and can be used again."""

    def forget(self, connection: "Connection") -> None:
        """The connection is gone; called exactly once."""


class _EnoughRead(Exception):
    """Stops the parser: what follows does not matter."""


class Connection(asyncio.Protocol):
    """Idle while `_reply` is None. After an answer it goes back to its keeper, or is closed if it cannot be reused."""

    __slots__ = (
        "_chunks",
        "_complete",
        "_error",
        "_first_at",
        "_head",
        "_headers_done",
        "_interim",
        "_keep",
        "_kept",
        "_limit",
        "_now",
        "_parser",
        "_paused",
        "_received",
        "_reply",
        "_reused",
        "_sent_at",
        "_started",
        "_status",
        "_timer",
        "_transport",
        "_truncated",
        "_unsent",
        "born",
        "idle_since",
        "is_gone",
        "keeper",
        "opening",
        "origin",
    )

    def __init__(self, origin: str, max_response_bytes: int, now: Callable[[], float]) -> None:
        self.origin = origin
        self.born = self.idle_since = perf_counter()
        self.keeper: Keeper | None = None
        # How long it took to open it, if it was opened for the request that is sent first.
        self.opening: Timings | None = None
        self._limit = max_response_bytes
        self._now = now
        self._reply: asyncio.Future[Outcome | None] | None = None
        self._unsent: memoryview | None = None
        self._reused = self._paused = self.is_gone = False
        self._head: list[bytes] = []
        self._chunks: list[bytes] = []
        self._reset()

    def _reset(self) -> None:
        self._received = self._kept = self._status = self._interim = 0
        self._headers_done = self._complete = self._truncated = self._keep = False
        self._first_at = 0.0
        self._error: tuple[UnreachableReason, str] | None = None

    def is_open(self) -> bool:
        """Whether nobody has hung up, as far as is known."""
        return not (self.is_gone or self._transport.is_closing())

    def send(
        self, head: bytes, body: bytes, started: float, seconds: float, loop: asyncio.AbstractEventLoop
    ) -> "asyncio.Future[Outcome | None]":
        """Send a request; the future has the outcome.

        None: the connection had been used before and ended without a byte of an answer, which says nothing about this
        request but that it may be sent again (RFC 9110 §9.2.2; a repeated delivery carries the same id).
        `started` is the attempt's start (`perf_counter`), `seconds` what is left of its time.
        """
        self._reply = reply = loop.create_future()
        self._started = started
        self._sent_at = perf_counter()
        self._timer = loop.call_later(seconds, self._expire)
        if self.is_gone:
            self._ended(None)
        elif self._transport.is_closing():
            pass  # the transport is about to call connection_lost
        elif len(body) <= _WHOLE:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._unsent = memoryview(body)
            self._pump()
        return reply

    def abandon(self, error: BaseException | None = None) -> None:
        """Close at once. A reply that is still awaited gets the error."""
        reply, self._reply = self._reply, None
        if reply is not None:
            self._timer.cancel()
            if error is not None and not reply.done():
                reply.set_exception(error)
        self._leave()
        self._transport.abort()

    def close(self) -> None:
        """Close an idle connection in the orderly way of its transport."""
        self._leave()
        self._transport.close()

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # a stream's transport is always one
        self._parser = HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        if self._reply is None:
            # Bytes that nothing was asked for could be taken for the answer to the next request.
            self._error = ("protocol", JUNK)
            self.abandon()
            return
        if not self._received:
            self._first_at = perf_counter()
        self._received += len(data)
        if not self._headers_done:
            self._head.append(data)
            excess = self._received - MOST_HEAD_BYTES
            if excess > 0 and not self._feed(data[:-excess]):
                self._error = self._error or ("protocol", LARGE_HEAD)
            elif excess > 0:
                data = data[-excess:]
        if self._error is None:
            self._feed(data)
        if self._error is not None:
            self._fail(*self._error)
        elif self._complete:
            self._finish()
        elif self._received > MOST_HEAD_BYTES + _WIRE_BYTES_PER_BODY_BYTE * self._limit:
            self._truncated = True
            self._finish()

    def connection_lost(self, error: Exception | None) -> None:
        self._leave()
        del self._parser  # it holds methods of ours: without this, only the garbage collector would end the pair
        if self._reply is not None:
            self._ended(error)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._pump()

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self._complete:
            self._keep = False
            raise _EnoughRead

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= _FIRST_FINAL:
            self._status = status
            self._headers_done = True
            return
        self._interim += 1
        if (fault := fault_of_interim(status, self._interim)) is not None:
            self._error = ("protocol", fault)
            raise _EnoughRead

    def on_body(self, data: bytes) -> None:
        room = self._limit - self._kept
        if len(data) > room:
            self._truncated = self._complete = True
            data = data[:room]
        self._kept += len(data)
        self._chunks.append(data)
        if self._truncated:
            raise _EnoughRead

    def on_message_complete(self) -> None:
        if self._headers_done:
            self._complete = True
            self._keep = self._parser.should_keep_alive()

    # The rest is ours.

    def _ended(self, error: Exception | None) -> None:
        """The connection ended, with or without an error, while an answer was awaited."""
        if self._received == 0 and self._reused:
            self._answer(None)
        elif self._error is not None:
            self._fail(*self._error)
        elif self._received == 0:
            self._fail(*unanswered(error))
        elif error is None and self._headers_done and ends_with_connection(self._final_head()):
            self._finish()
        else:
            self._fail("reset", CUT)

    def _feed(self, data: bytes) -> bool:
        """Parse; whether the final answer's headers are complete now."""
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._keep = False
            if not self._complete and self._error is None:
                self._error = ("protocol", JUNK)
        return self._headers_done

    def _pump(self) -> None:
        while self._unsent is not None and not self._paused and not self.is_gone:
            piece, rest = self._unsent[:_WHOLE], self._unsent[_WHOLE:]
            self._unsent = rest if len(rest) else None
            self._transport.write(piece)

    def _expire(self) -> None:
        self._fail("timeout", LATE)

    def _fail(self, reason: UnreachableReason, detail: str) -> None:
        self._answer(Unreachable(reason, detail, self._milliseconds(), self._timings()))

    def _finish(self) -> None:
        status = self._status
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        answer = (status, body, self._truncated, self._milliseconds())
        if _FIRST_FINAL <= status < _FIRST_NOT_SUCCESS:
            self._answer(Delivered(*answer, self._timings()))
        else:
            head = self._final_head()
            self._answer(Refused(*answer, retry_after(head, self._now()), self._timings(), head))

    def _answer(self, outcome: Outcome | None) -> None:
        reply, self._reply = self._reply, None
        self._timer.cancel()
        self._chunks.clear()
        self._head.clear()
        keep = self._keep and self._unsent is None and not self.is_gone
        self._reset()
        if keep and self.keeper is not None:
            self._reused = True
            self.opening = None
            self.keeper.give_back(self)
        else:
            self._unsent = None
            self._leave()
            self._transport.abort()
        if reply is not None and not reply.done():
            reply.set_result(outcome)

    def _leave(self) -> None:
        if not self.is_gone:
            self.is_gone = True
            if self.keeper is not None:
                self.keeper.forget(self)

    def _milliseconds(self) -> int:
        return round((perf_counter() - self._started) * 1000)

    def _timings(self) -> Timings:
        waited = self._first_at - self._sent_at if self._received else None
        opening = self.opening
        return opening._replace(first_byte=waited) if opening else Timings(self._reused, None, None, None, waited)

    def _final_head(self) -> bytes:
        return final_head(b"".join(self._head), self._interim)
