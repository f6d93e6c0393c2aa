"""All the SQL about suspects: deliveries that may have ended the process that sent them."""

from collections.abc import Sequence
from typing import Final

import asyncpg

from app.db.pending_delivery.queue import Key

# What a crash left here stays as it is: only `begin` counts on. The statement sees what was there before it.
_NOTE: Final = """
WITH input AS (
    SELECT * FROM unnest($1::text[], $2::text[]) AS i(message_id, endpoint_id) ORDER BY message_id, endpoint_id
), noted AS (
    INSERT INTO suspects (message_id, endpoint_id) SELECT message_id, endpoint_id FROM input ON CONFLICT DO NOTHING
)
SELECT s.message_id, s.endpoint_id, s.begun
FROM input i JOIN suspects s ON s.message_id = i.message_id AND s.endpoint_id = i.endpoint_id
"""

_BEGIN: Final = """
UPDATE suspects SET begun = begun + 1, noted_at = now() WHERE message_id = $1 AND endpoint_id = $2 RETURNING begun - 1
"""

_CLEAR: Final = """
DELETE FROM suspects s USING unnest($1::text[], $2::text[]) AS i(message_id, endpoint_id)
WHERE s.message_id = i.message_id AND s.endpoint_id = i.endpoint_id
"""

# Of deliveries that nobody sent again: they were canceled, or their worker stopped watching before.
_FORGET: Final = "DELETE FROM suspects WHERE noted_at < now() - interval '1 day'"


class SuspectsTable:
    """The suspects of every organization."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def note(self, keys: Sequence[Key]) -> dict[Key, int]:
        """Note what is about to be sent; those that had been noted before, and how often they were begun.

        They were in flight when a process died.
        """
        known = await self._pool.fetch(_NOTE, [key[0] for key in keys], [key[1] for key in keys])
        return {(row["message_id"], row["endpoint_id"]): row["begun"] for row in known}

    async def begin(self, key: Key) -> int:
        """It is about to be sent again; how often that was begun before, and did not end. 0 if it is no suspect."""
        begun: int | None = await self._pool.fetchval(_BEGIN, *key)
        return begun or 0

    async def clear(self, keys: Sequence[Key]) -> None:
        """They ended, and their process goes on. What is a day old is forgotten, too."""
        await self._pool.execute(_CLEAR, [key[0] for key in keys], [key[1] for key in keys])
        await self._pool.execute(_FORGET)
