"""Where tests publish without the API, for one application."""

from dataclasses import replace
from typing import Any

import asyncpg

from app import ids
from app.db.message.new import NewMessage, Refusal
from app.db.message.publish import Publishing


class Desk:
    """Publishes for one application, and says what is stored of it."""

    def __init__(self, pool: asyncpg.Pool, organization_id: str, application: str) -> None:
        self.pool = pool
        self.publishing = Publishing(pool)
        self.organization_id = organization_id
        self.application = application

    def new(self, **fields: Any) -> NewMessage:
        plain = NewMessage(
            id=ids.new_id("msg"),
            organization_id=self.organization_id,
            application_id=self.application,
            uid=None,
            event_type="invoice.paid",
            event_id=None,
            channels=None,
            payload=b'{"a": 1.10}',
            key=None,
            request_hash=b"hash" if "key" in fields else None,
        )
        return replace(plain, **fields)

    async def stored(self) -> set[str]:
        rows = await self.pool.fetch("SELECT id FROM messages WHERE application_id = $1", self.application)
        return {row["id"] for row in rows}

    async def queued(self, message: NewMessage) -> set[str]:
        """The endpoints that the message is to be delivered to."""
        query = "SELECT endpoint_id FROM pending_deliveries WHERE message_id = $1 AND application_id = $2"
        return {row["endpoint_id"] for row in await self.pool.fetch(query, message.id, message.application_id)}

    async def publish(self, *batch: NewMessage) -> list[str]:
        """What came of each, as one word."""
        results, _ = await self.publishing.publish(batch)
        return [result.value if isinstance(result, Refusal) else type(result).__name__ for result in results]
