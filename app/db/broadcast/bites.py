"""Publishing a broadcast, some applications at a time, in transactions that others commit."""

from dataclasses import dataclass, field
from typing import Final

import asyncpg

from app import ids
from app.db.message.new import Extras, NewMessage, Stored
from app.db.message.publish import store

_FIND: Final = """
SELECT event_type, event_id, channels, payload, payload_hours
FROM broadcasts WHERE id = $1 AND organization_id = $2
"""
_NEXT: Final = """
SELECT id FROM applications
WHERE organization_id = $1 AND id > $2 AND id < $3 AND deleted_at IS NULL AND NOT operational ORDER BY id LIMIT $4
"""
_END: Final = "DELETE FROM broadcasts WHERE id = $1"


@dataclass(frozen=True, slots=True)
class Broadcast:
    """What is published to every application."""

    organization_id: str
    event_type: str
    event_id: str | None
    channels: tuple[str, ...] | None
    payload: bytes = field(repr=False)
    extras: Extras | None

    def to(self, application_id: str) -> NewMessage:
        """The message of one application."""
        return NewMessage(
            ids.new_id("msg"),
            self.organization_id,
            application_id,
            None,
            self.event_type,
            self.event_id,
            self.channels,
            self.payload,
            None,
            None,
            self.extras,
        )


@dataclass(frozen=True, slots=True)
class Published:
    """What came of a bite: the messages by application, and the shards in which something is due by it."""

    messages: dict[str, str]
    shards: set[int]


async def find_broadcast(connection: asyncpg.Connection, organization_id: str, task_id: str) -> Broadcast | None:
    """What a task is to publish."""
    row = await connection.fetchrow(_FIND, task_id, organization_id)
    if row is None:
        return None
    channels = tuple(row["channels"]) if row["channels"] else None
    hours = row["payload_hours"]
    extras = None if hours is None else Extras(payload_hours=hours)
    return Broadcast(organization_id, row["event_type"], row["event_id"], channels, bytes(row["payload"]), extras)


async def next_applications(
    connection: asyncpg.Connection, organization_id: str, after: str, before: str, most: int
) -> list[str]:
    """The organization's next applications, in the order of their ids."""
    return [row["id"] for row in await connection.fetch(_NEXT, organization_id, after, before, most)]


async def publish_to(connection: asyncpg.Connection, broadcast: Broadcast, applications: list[str]) -> Published:
    """Publish to some applications: to those that were not deleted meanwhile, and where the event id is free."""
    messages = [broadcast.to(application_id) for application_id in applications]
    results, shards = await store(connection, messages)
    made = {
        message.application_id: message.id
        for message, result in zip(messages, results, strict=True)
        if isinstance(result, Stored)
    }
    return Published(made, shards)


async def end_broadcast(connection: asyncpg.Connection, task_id: str) -> None:
    """Forget what was published."""
    await connection.execute(_END, task_id)
