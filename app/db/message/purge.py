"""Forgetting the payloads of all messages of an application, in bites."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import asyncpg

# So many messages at a time, with and without a payload: some tens of milliseconds.
BITE: Final = 1000

_NEXT: Final = """
SELECT id, payload IS NOT NULL OR stored_digest IS NOT NULL OR transformations_params IS NOT NULL AS has_payload,
       stored_digest IS NOT NULL AS is_stored
FROM messages WHERE application_id = $1 AND id > $2 AND id < $3 ORDER BY id LIMIT $4
"""
# What it protects: nobody waits in a line for what will not be sent.
_FORGET: Final = """
WITH forgotten AS (
    UPDATE messages SET payload = NULL, stored_bytes = NULL, stored_digest = NULL, transformations_params = NULL,
           received = NULL
    WHERE id = ANY ($2) AND application_id = $1
)
UPDATE pending_deliveries SET next_attempt_at = now()
WHERE message_id = ANY ($2) AND application_id = $1 AND position IS NOT NULL AND isfinite(next_attempt_at)
RETURNING shard
"""


class Purgeable(NamedTuple):
    """A message, whether there is a payload to forget, and whether that is in the payload store."""

    id: str
    has_payload: bool
    is_stored: bool


async def next_messages(
    connection: asyncpg.Connection, application_id: str, after: str, before: str
) -> Sequence[Purgeable]:
    """The next messages of an application between two ids, at most BITE of them."""
    return [Purgeable(*row) for row in await connection.fetch(_NEXT, application_id, after, before, BITE)]


async def forget_payloads(connection: asyncpg.Connection, application_id: str, message_ids: Sequence[str]) -> set[int]:
    """Forget payloads for good; the shards in which something is due by it."""
    return {row["shard"] for row in await connection.fetch(_FORGET, application_id, message_ids)}
