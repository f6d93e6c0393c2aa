"""Hop 2: the rules of publishing."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, assert_never

from cachetools import LRUCache

from app import ids
from app.api.fields import UID_PATTERN
from app.api.message.models import MessageIn, MessageOut
from app.db.group_commit import GroupCommit, Overloaded
from app.db.message.publish import NewMessage, Publication, Publishing, Refusal, Stored
from app.doorbell import Doorbell
from app.errors import Conflict, NotFound, Unavailable
from app.tokens import Principal

_EMPTY: Final = b"{}"
_NO_APPLICATION: Final = "Application not found"


class MessageService:
    """Publishes messages. One for each process, because callers that arrive together share a commit."""

    def __init__(self, publishing: Publishing, doorbell: Doorbell) -> None:
        self._publishing = publishing
        self._doorbell = doorbell
        self._group: GroupCommit[NewMessage, Publication] = GroupCommit(self._commit)
        # Only a shortcut: the statement that stores a message checks that the uid still names the application.
        self._uids: LRUCache[tuple[str, str], str] = LRUCache(maxsize=100_000)

    async def publish(
        self, caller: Principal, application: str, body: MessageIn, idempotency_key: str | None, with_content: bool
    ) -> MessageOut:
        """Store a message with what must be delivered of it, and ring for it; returns once both are committed.

        Raises NotFound, Conflict, Unavailable, and what a lost connection raises.
        """
        message = await self._message(caller.organization_id, application, body, idempotency_key)
        result = await self._put(message)
        if result is Refusal.NO_APPLICATION and message.uid is not None:
            # The uid may name another application by now.
            self._uids.pop((message.organization_id, message.uid), None)
            message = await self._message(caller.organization_id, application, body, idempotency_key)
            result = await self._put(message)
        return await self.conclude(message, body, result, with_content)

    def submit(self, message: NewMessage, done: Callable[[Publication | Exception], None]) -> None:
        """Store a message; `done` hears what came of it, for `conclude`. Raises Overloaded, and does nothing then."""
        self._group.submit(message, done)

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
        """What is to be stored; None if nobody knows here, without asking the database, which application is meant."""
        uid = None if application.startswith("app_") else application
        application_id = application if uid is None else self._uids.get((organization_id, uid))
        if application_id is None:
            return None
        key = request_hash = None
        if idempotency_key:
            # Of the application, not of the name that it goes by: that may be another's tomorrow.
            key = _digest(f"{application_id}\0{idempotency_key}".encode())
            request_hash = _digest(body.model_dump_json(exclude={"payload"}).encode() + body.payload)
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
        )

    async def _message(
        self, organization_id: str, application: str, body: MessageIn, idempotency_key: str | None
    ) -> NewMessage:
        """What is to be stored. NotFound if the application's uid is nobody's."""
        message = self.message(organization_id, application, body, idempotency_key)
        if message is None:
            # Whatever is not a uid names nothing.
            found = UID_PATTERN.fullmatch(application) and await self._publishing.application_of(
                organization_id, application
            )
            if not found:
                raise NotFound(_NO_APPLICATION)
            self._uids[organization_id, application] = found
            message = self.message(organization_id, application, body, idempotency_key)
            assert message is not None
        return message

    async def _put(self, message: NewMessage) -> Publication:
        try:
            return await self._group.put(message)
        except Overloaded:
            text = "More messages wait than can be stored right now. Nothing was stored; try again."
            raise Unavailable(text) from None

    async def _replay(self, message: NewMessage, body: MessageIn, with_content: bool) -> MessageOut:
        """The answer to what was published before. Conflict if the key or the event id was another request's."""
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


def _digest(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=16).digest()


def _out(message_id: str, body: MessageIn, created_at: datetime, with_content: bool) -> MessageOut:
    return MessageOut.model_construct(
        id=message_id,
        event_type=body.event_type,
        event_id=body.event_id,
        channels=body.channels,
        payload=body.payload if with_content else _EMPTY,
        timestamp=created_at,
    )
