"""Hop 1 for nearly every message: publishing without a task, a request and a response of its own.

What `create_message` in points.py does, for requests in the form that clients send them. Whatever is unusual about one
is declined before anything was done, and takes the usual way, which also knows how to refuse it.
"""

import asyncio
from collections.abc import Coroutine
from typing import Final

from loguru import logger

from app.api.exact import exact_json
from app.api.exchange import MOST_BYTES, Exchange, SentAway, answer_error
from app.api.message.models import MessageIn, published_json
from app.api.message.service import MessageService
from app.db.group_commit import Late, Overloaded
from app.db.message.new import NewMessage, Publication, Refusal, Stored
from app.errors import PostriderError
from app.logs import correlation_id
from app.tokens import Principal, TokenVerifier

_ACCEPTED: Final = 202


class DirectPublishing:
    """Publishes what arrives in exchanges. Belongs to one event loop."""

    def __init__(self, tokens: TokenVerifier, messages: MessageService, max_body_bytes: int) -> None:
        self.most_bytes = min(max_body_bytes, MOST_BYTES)
        self._tokens = tokens
        self._messages = messages
        self._tasks: set[asyncio.Task[None]] = set()
        self._sent_away = SentAway(messages.sent_away)

    def take(self, exchange: Exchange) -> bool:
        """Publish a message, and answer once it is committed. False if the request must take the usual way."""
        if self._messages.is_full:
            # Before anything is spent on it: sending many away must not cost those who are served.
            self._sent_away.add(exchange, Overloaded())
            return True
        headers = exchange.headers
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer":
            return False
        key = headers.get(b"idempotency-key")
        try:
            caller = self._tokens.verify(token.decode("latin-1").strip())
            if not caller.may_publish:
                return False
            body = MessageIn.parse(exchange.body)
            idempotency_key = None if key is None else key.decode("latin-1")
            message = self._messages.message(caller.organization_id, exchange.target, body, idempotency_key)
            if message is None:
                return False

            def conclude(result: Publication | Exception) -> None:
                if isinstance(result, Stored):
                    exchange.answer(_ACCEPTED, published_json(message.id, body, result.created_at))
                elif isinstance(result, Overloaded | Late):
                    self._sent_away.add(exchange, result)
                else:
                    self._start(self._conclude(exchange, caller, body, message, idempotency_key, result))

            self._messages.submit(message, conclude)
        except (PostriderError, ValueError, Overloaded):
            # Nothing was done yet. The usual way meets the same reason, and answers it.
            return False
        except Exception as error:
            # Our bug. Not for the caller to suffer from: the parser would take it for a malformed request.
            logger.opt(exception=error).error("a message could not be published directly, and goes the usual way")
            return False
        return True

    async def close(self) -> None:
        """Wait for the answers that are being worked out."""
        self._sent_away.close()
        await asyncio.gather(*self._tasks)

    def _start(self, conclusion: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(conclusion)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _conclude(
        self,
        exchange: Exchange,
        caller: Principal,
        body: MessageIn,
        message: NewMessage,
        idempotency_key: str | None,
        result: Refusal | Exception,
    ) -> None:
        """Answer what was not simply stored."""
        correlation_id.set(exchange.request_id.decode("ascii"))
        try:
            if isinstance(result, Exception):
                raise result
            if result is Refusal.NO_APPLICATION:
                # Nothing was stored, and its uid may name another application by now.
                out = await self._messages.publish(caller, exchange.target, body, idempotency_key, True)
            else:
                out = await self._messages.conclude(message, body, result, True)
        except Exception as error:
            answer_error(exchange, error)
        else:
            exchange.answer(_ACCEPTED, exact_json(out))
