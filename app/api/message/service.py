"""Hop 2: the rules of publishing."""

import hashlib
from collections.abc import Sequence
from typing import Final

from cachetools import LRUCache

from app import ids
from app.api.fields import UID_PATTERN
from app.api.message.models import MessageIn, MessageOut
from app.db.group_commit import GroupCommit, Overloaded
from app.db.message.publish import NewMessage, Publication, Publishing, Refusal, Replay, Stored
from app.doorbell import Doorbell
from app.errors import Conflict, NotFound, Unavailable
from app.tokens import Principal

_EMPTY: Final = b"{}"


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
        """Store a message with what must be delivered of it, and ring for it; returns once both are committed."""
        message_id = ids.new_id("msg")
        key = request_hash = None
        if idempotency_key:
            key = _digest(f"{application}\0{idempotency_key}".encode())
            request_hash = _digest(body.model_dump_json(exclude={"payload"}).encode() + body.payload)
        result = await self._store(caller, application, body, message_id, key, request_hash)
        if isinstance(result, Stored):
            return _out(message_id, body, result, with_content)
        if result is Refusal.TAKEN and key and request_hash:
            earlier = await self._publishing.replay_of(caller.organization_id, key)
            if earlier is not None:
                return _replay(earlier, request_hash, body, with_content)
        if result is Refusal.TAKEN:
            raise Conflict("A message with that eventId already exists. Use another one; nothing was published.")
        raise NotFound("Application not found")

    async def _store(
        self,
        caller: Principal,
        application: str,
        body: MessageIn,
        message_id: str,
        key: bytes | None,
        request_hash: bytes | None,
    ) -> Publication:
        uid = None if application.startswith("app_") else application
        if not UID_PATTERN.fullmatch(application):
            return Refusal.NO_APPLICATION
        known = application if uid is None else self._uids.get((caller.organization_id, application))
        for fresh in (False, True):
            if uid is not None and (fresh or known is None):
                known = await self._publishing.application_of(caller.organization_id, uid)
                if known is None:
                    return Refusal.NO_APPLICATION
                self._uids[caller.organization_id, uid] = known
            assert known is not None
            channels = tuple(body.channels) if body.channels else None
            message = NewMessage(
                message_id,
                caller.organization_id,
                known,
                uid,
                body.event_type,
                body.event_id,
                channels,
                body.payload,
                key,
                request_hash,
            )
            try:
                result = await self._group.put(message)
            except Overloaded:
                raise Unavailable(
                    "More messages wait than can be stored right now. Nothing was stored; try again."
                ) from None
            if result is not Refusal.NO_APPLICATION or uid is None:
                break
        return result

    async def _commit(self, batch: Sequence[NewMessage]) -> list[Publication]:
        results, shards = await self._publishing.publish(batch)
        self._doorbell.ring(shards)
        return results

    async def close(self) -> None:
        """Wait for what is being stored."""
        await self._group.drain()


def _digest(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=16).digest()


def _out(message_id: str, body: MessageIn, stored: Stored, with_content: bool) -> MessageOut:
    return MessageOut.model_construct(
        id=message_id,
        event_type=body.event_type,
        event_id=body.event_id,
        channels=body.channels,
        payload=body.payload if with_content else _EMPTY,
        timestamp=stored.created_at,
    )


def _replay(earlier: Replay, request_hash: bytes, body: MessageIn, with_content: bool) -> MessageOut:
    """The first answer again; the request is the same, so that only the id and the time are the first one's."""
    if earlier.request_hash != request_hash:
        raise Conflict("This idempotency key was used with another body. Use a new key; nothing was published.")
    return _out(earlier.message_id, body, Stored(earlier.created_at), with_content)
