"""Payloads that are not in Postgres: read when they are sent, once for all deliveries of a message."""

import asyncio
from collections.abc import Collection

from app.payload_store.store import PayloadStore, StoreAway
from app.payload_store.stored import StoredPayload


class StoredPayloads:
    """Reads from the payload store for one worker process. Belongs to one event loop."""

    def __init__(self, store: PayloadStore | None) -> None:
        self._store = store
        # What is being read, and who else waits for it.
        self._reading: dict[str, asyncio.Task[bytes]] = {}

    async def get(self, stored: StoredPayload) -> bytes:
        """A payload, byte for byte. StoreAway if it cannot be had at the moment."""
        if self._store is None:
            raise StoreAway("POSTRIDER_PAYLOAD_STORE is not set, and this payload is in it")
        task = self._reading.get(stored.message_id)
        if task is None:
            task = self._reading[stored.message_id] = asyncio.create_task(self._store.get(stored))
            task.add_done_callback(lambda done: self._end(stored.message_id, done))
        # Whoever stops waiting does not take it away from the others.
        return await asyncio.shield(task)

    async def forget(self, message_ids: Collection[str]) -> None:
        """Forget the payloads of messages. StoreAway if that cannot be done at the moment."""
        if self._store is None:
            raise StoreAway("POSTRIDER_PAYLOAD_STORE is not set, and these payloads are in it")
        await self._store.delete(message_ids)

    def _end(self, message_id: str, task: asyncio.Task[bytes]) -> None:
        del self._reading[message_id]
        if not task.cancelled():
            # Seen, also if nobody waits any more.
            task.exception()
