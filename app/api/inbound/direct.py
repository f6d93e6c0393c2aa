"""Hop 1 for nearly every event that arrives, without a task, a request and a response of its own.

What `receive` in points.py does, for requests in the usual form to a source that was used a moment ago. Whatever is
unusual, a handshake, or to be refused is declined before anything was done, and takes the usual way.
"""

from http import HTTPStatus
from typing import Final

from loguru import logger

from app import clock
from app.api.exchange import MOST_BYTES, Exchange, SentAway, answer_error
from app.api.inbound.event_types import ArrivedEventTypes
from app.api.inbound.service import answer_to, new_message
from app.api.inbound.sources import TOKEN_LENGTH, Sources
from app.api.message.service import MessageService
from app.db.group_commit import Late, Overloaded
from app.db.message.new import Publication, Stored
from app.logs import correlation_id
from app.receiving.contract import Answer, Event, Moment, Request
from app.receiving.registry import judge

TOKEN: Final = rf"[a-zA-Z0-9_-]{{{TOKEN_LENGTH}}}"


class DirectReceiving:
    """Takes in what arrives in exchanges. Belongs to one event loop."""

    def __init__(
        self, sources: Sources, messages: MessageService, event_types: ArrivedEventTypes, max_body_bytes: int
    ) -> None:
        self.most_bytes = min(max_body_bytes, MOST_BYTES)
        self._sources = sources
        self._messages = messages
        self._event_types = event_types
        self._sent_away = SentAway(messages.sent_away)

    def take(self, exchange: Exchange) -> bool:
        """Store an event, and answer once it is committed. False if the request must take the usual way."""
        if self._messages.is_full:
            # Before anything is spent on it: sending many away must not cost those who are served.
            self._sent_away.add(exchange, Overloaded())
            return True
        source = self._sources.cached(exchange.target)
        if source is None or source.is_over() or "POST" not in source.methods:
            return False
        if source.networks is not None or source.provider.signs_url:
            # The usual way knows what a proxy said of the client, and of the address that it called.
            return False
        try:
            request = _request(exchange)
            verdict = judge(source.provider, request, source.config, Moment(clock.unix()))
            if not isinstance(verdict, Event):
                return False
            message = new_message(source, request, verdict)
            if self._messages.is_large(message.payload):
                return False
            accepted = verdict.answer or source.provider.accepted

            def conclude(result: Publication | Exception) -> None:
                if isinstance(result, Stored):
                    _answer(exchange, accepted)
                    self._event_types.note(source, message.event_type)
                elif isinstance(result, Overloaded | Late):
                    self._sent_away.add(exchange, result)
                else:
                    _conclude(exchange, accepted, result)

            self._messages.submit(message, conclude)
        except Overloaded:
            return False
        except Exception as error:
            # Our bug. Not for the provider to suffer from: the parser would take it for a malformed request.
            logger.opt(exception=error).error("an event could not be taken in directly, and goes the usual way")
            return False
        return True

    async def close(self) -> None:
        """Answer all who wait."""
        self._sent_away.close()


def _request(exchange: Exchange) -> Request:
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in exchange.headers.items())
    # Of providers that do not sign the address: what is before the query says nothing to them.
    return Request("POST", f"?{exchange.query}" if exchange.query else "", headers, exchange.body)


def _conclude(exchange: Exchange, accepted: Answer, result: Publication | Exception) -> None:
    """Answer what was not simply stored."""
    told = correlation_id.set(exchange.request_id.decode("ascii"))
    try:
        if isinstance(result, Exception):
            raise result
        _answer(exchange, answer_to(accepted, result))
    except Exception as error:
        answer_error(exchange, error)
    finally:
        correlation_id.reset(told)


def _answer(exchange: Exchange, answer: Answer) -> None:
    headers = {"content-type": answer.content_type, **answer.headers}
    if answer.status != HTTPStatus.NO_CONTENT:
        headers["content-length"] = str(len(answer.body))  # RFC 9110 §8.6: a 204 has none.
    exchange.answer(answer.status, answer.body, headers)
