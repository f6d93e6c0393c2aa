"""Hop 2: the rules of publishing."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Final, assert_never

from cachetools import LRUCache
from loguru import logger

from app import ids
from app.api.fields import UID_PATTERN
from app.api.idempotency import digest
from app.api.message.extras import extras_of, is_in_time, out_of_time
from app.api.message.models import MessageIn, MessageOut
from app.db.group_commit import Bounds, GroupCommit, Late, Overloaded
from app.db.message.new import NewMessage, Publication, Refusal, Stored
from app.db.message.publish import Publishing
from app.doorbell import Doorbell
from app.errors import Conflict, NotFound, Unavailable
from app.payload_store.store import PayloadStore, StoreAway
from app.tokens import Principal

_EMPTY: Final = b"{}"
_STORE_AWAY: Final = "The payload store cannot be reached right now. Nothing was stored; try again."
_NO_APPLICATION: Final = "Application not found"
# Whoever would wait longer in line is sent away at once: a refusal that comes early costs both sides least.
_LINE_SECONDS: Final = 1.0
# Of the time in which a caller is answered; the rest is for the answer's way.
_SHARE_OF_COMMIT: Final = 0.9
# Payloads that wait, and those of one statement. Each is copied twice on its way to Postgres.
_WAITING_BYTES: Final = 33_554_432
_BATCH_BYTES: Final = 4_194_304
# At most so often a line is logged about those who were sent away.
_TELLING_SECONDS: Final = 10.0
_TEXTS: Final = {
    Overloaded: "More messages wait than can be stored right now. Nothing was stored; try again.",
    Late: "The database did not answer in time, and whether the message was stored is not known. Send it again, with "
    "the same idempotency key or eventId, if it must not be published twice.",
}


class NothingStored(Exception):
    """What is to store a message has left it alone, for certain."""


# What stores a message. NothingStored, or Conflict, if it did not; after any other error it may be there all the same.
Write = Callable[[NewMessage], Awaitable[Publication]]


class MessageService:
    """Publishes messages. One for each process, because callers that arrive together share a commit."""

    def __init__(
        self, publishing: Publishing, doorbell: Doorbell, patience: float, store: PayloadStore | None = None
    ) -> None:
        """`patience`: seconds after which a caller is answered, whatever the database does."""
        self._store = store
        # From this size on a payload goes to the payload store.
        self._stored_from = sys.maxsize if store is None else store.least_bytes
        self._publishing = publishing
        self._doorbell = doorbell
        self._patience = patience
        bounds = Bounds(
            min(_LINE_SECONDS, patience / 2), patience * _SHARE_OF_COMMIT, _weight, _WAITING_BYTES, _BATCH_BYTES
        )
        self._group: GroupCommit[NewMessage, Publication] = GroupCommit(self._commit, bounds=bounds)
        self._sent_away = 0
        self._told_at = -_TELLING_SECONDS
        # Only a shortcut: the statement that stores a message checks that the uid still names the application.
        self._uids: LRUCache[tuple[str, str], str] = LRUCache(maxsize=100_000)

    async def publish(
        self, caller: Principal, application: str, body: MessageIn, idempotency_key: str | None, with_content: bool
    ) -> MessageOut:
        """Store a message with what must be delivered of it, and ring for it; returns once both are committed.

        Raises ValidationFailed, NotFound, Conflict, Unavailable, and what a lost connection raises.
        """
        message = await self._message(caller, application, body, idempotency_key)
        if not is_in_time(body.deliver_at):
            # The same request again is answered as it was, though its time has come nearer.
            if message.key is None or await self._publishing.replay_of(message.organization_id, message.key) is None:
                raise out_of_time()
            return await self._replay(message, body, with_content)
        result = await self.put(message)
        if result is Refusal.NO_APPLICATION and message.uid is not None:
            # The uid may name another application by now.
            self._uids.pop((message.organization_id, message.uid), None)
            message = await self._message(caller, application, body, idempotency_key)
            result = await self.put(message)
        return await self.conclude(message, body, result, with_content)

    async def publish_first(
        self,
        caller: Principal,
        application_id: str,
        body: MessageIn,
        idempotency_key: str | None,
        with_content: bool,
        write: Write,
    ) -> MessageOut:
        """Store the first message of an application that `write` creates with it, under that id.

        Raises as `publish` does, and what `write` raises.
        """
        if not is_in_time(body.deliver_at):
            raise out_of_time()
        message = self._new(caller.organization_id, application_id, body, idempotency_key)
        assert message is not None  # Its application is named by its id.
        return await self.conclude(message, body, await self.put(message, write), with_content)

    def submit(self, message: NewMessage, done: Callable[[Publication | Exception], None]) -> None:
        """Store a message; `done` hears what came of it, for `conclude`. Raises Overloaded, and does nothing then."""
        self._group.submit(message, done)

    @property
    def is_full(self) -> bool:
        """Whether whoever publishes now is sent away."""
        return self._group.is_full

    def sent_away(self, error: Overloaded | Late) -> Unavailable:
        """What one is told who could not wait."""
        self._sent_away += 1
        now = asyncio.get_running_loop().time()
        if now - self._told_at >= _TELLING_SECONDS:
            text = "more is published than can be stored: requests are sent away with 503, {} since this was last told"
            logger.warning(text, self._sent_away)
            self._told_at, self._sent_away = now, 0
        return Unavailable(_TEXTS[type(error)])

    async def conclude(
        self, message: NewMessage, body: MessageIn, result: Publication, with_content: bool
    ) -> MessageOut:
        """What is answered to the one who published. NotFound, Conflict if it was refused."""
        match result:
            case Stored(created_at=created_at):
                return _out(message.id, body, created_at, with_content)
            case Refusal.NO_APPLICATION:
                raise NotFound(_NO_APPLICATION)
            case Refusal.TAKEN:
                return await self._replay(message, body, with_content)
            case _:
                assert_never(result)

    def message(
        self, organization_id: str, application: str, body: MessageIn, idempotency_key: str | None
    ) -> NewMessage | None:
        """What is to be stored; None if somebody must be waited for first.

        That is the database, if nobody knows here which application is meant, or the payload store, if it goes there.
        """
        if self.is_large(body.payload) or body.takes_long_way:
            return None
        return self._new(organization_id, application, body, idempotency_key)

    def _new(
        self, organization_id: str, application: str, body: MessageIn, idempotency_key: str | None
    ) -> NewMessage | None:
        uid = None if application.startswith("app_") else application
        application_id = application if uid is None else self._uids.get((organization_id, uid))
        if application_id is None:
            return None
        key = request_hash = None
        if idempotency_key:
            # Of the application, not of the name that it goes by: that may be another's tomorrow.
            key = digest(f"{application_id}\0{idempotency_key}".encode())
            request_hash = digest(body.said + body.payload)
        return NewMessage(
            ids.new_id("msg"),
            organization_id,
            application_id,
            uid,
            body.event_type,
            body.event_id,
            tuple(body.channels) if body.channels else None,
            body.payload,
            key,
            request_hash,
            extras_of(body),
        )

    async def _message(
        self, caller: Principal, application: str, body: MessageIn, idempotency_key: str | None
    ) -> NewMessage:
        """What is to be stored. NotFound if the application's uid is nobody's, or it is not the caller's."""
        organization_id = caller.organization_id
        message = self._new(organization_id, application, body, idempotency_key)
        if message is None:
            # Whatever is not a uid names nothing.
            found = UID_PATTERN.fullmatch(application) and await self._application_of(organization_id, application)
            if not found:
                raise NotFound(_NO_APPLICATION)
            self._uids[organization_id, application] = found
            message = self._new(organization_id, application, body, idempotency_key)
            assert message is not None
        if caller.application_id not in {None, message.application_id}:
            raise NotFound(_NO_APPLICATION)
        return message

    def is_large(self, payload: bytes) -> bool:
        """Whether it goes to the payload store, which must be waited for."""
        return len(payload) >= self._stored_from

    async def put(self, message: NewMessage, write: Write | None = None) -> Publication:
        """Store a message in a commit that it shares, or with `write`. Raises Unavailable, and as `write` does."""
        write = write or self._group.put
        if self._store is not None and len(message.payload) >= self._stored_from:
            return await self._put_with_object(self._store, message, write)
        try:
            return await write(message)
        except (Overloaded, Late) as error:
            raise self.sent_away(error) from None

    async def _put_with_object(self, store: PayloadStore, message: NewMessage, write: Write) -> Publication:
        """First the payload, then the message: so that no message ever leads to a payload that is not there."""
        if self.is_full:
            raise self.sent_away(Overloaded())
        try:
            stored = await store.put(message.id, message.payload)
        except StoreAway as away:
            raise Unavailable(_STORE_AWAY) from away
        try:
            result = await write(replace(message, stored=stored))
        except (NothingStored, Conflict):
            await _discard(store, message.id)
            raise
        except (Overloaded, Late) as error:
            # Who comes late may be stored yet, and so may be one whose statement failed.
            if isinstance(error, Overloaded):
                await _discard(store, message.id)
            raise self.sent_away(error) from None
        if not isinstance(result, Stored):
            await _discard(store, message.id)
        return result

    async def _application_of(self, organization_id: str, uid: str) -> str | None:
        # A statement has its time limit, but the wait for a connection has none.
        async with asyncio.timeout(self._patience):
            return await self._publishing.application_of(organization_id, uid)

    async def _replay(self, message: NewMessage, body: MessageIn, with_content: bool) -> MessageOut:
        """The answer to what was published before. Conflict if the key or the event id was another request's."""
        async with asyncio.timeout(self._patience):
            earlier = message.key and await self._publishing.replay_of(message.organization_id, message.key)
        if not earlier:
            raise Conflict("A message with that eventId already exists. Use another one; nothing was published.")
        if earlier.request_hash != message.request_hash:
            raise Conflict("This idempotency key was used with another body. Use a new key; nothing was published.")
        # The request is the same, so that only the id and the time are the first one's.
        return _out(earlier.message_id, body, earlier.created_at, with_content)

    async def _commit(self, batch: Sequence[NewMessage]) -> list[Publication | Exception]:
        results, shards = await self._publishing.publish(batch)
        self._doorbell.ring(shards)
        return results

    async def close(self) -> None:
        """Wait for what is being stored."""
        await self._group.drain()


async def _discard(store: PayloadStore, message_id: str) -> None:
    """Of a message that was refused nothing should be left; what is left all the same goes with its week."""
    with suppress(StoreAway):
        await store.delete([message_id])


def _weight(message: NewMessage) -> int:
    params = message.extras and message.extras.transformations_params
    return len(message.payload) + len(params) if params else len(message.payload)


def _out(message_id: str, body: MessageIn, created_at: datetime, with_content: bool) -> MessageOut:
    return MessageOut.model_construct(
        id=message_id,
        event_type=body.event_type,
        event_id=body.event_id,
        channels=body.channels,
        payload=body.payload if with_content else _EMPTY,
        timestamp=created_at,
        tags=body.tags or None,
        deliver_at=body.deliver_at,
    )
