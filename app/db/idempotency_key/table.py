"""Idempotency keys as a whole; that of one message is written with the message (app/db/message/publish.py)."""

from typing import Final

import asyncpg

from app.db.message.publish import IDEMPOTENCY_HOURS

_TABLES: Final = ("idempotency_keys", "idempotent_responses")
# In bites, so that no transaction is long.
_PURGE: Final = f"""
DELETE FROM {{table}} WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM {{table}} WHERE created_at < now() - interval '{IDEMPOTENCY_HOURS} hours' LIMIT $1))
"""


async def purge_expired(pool: asyncpg.Pool, bite: int = 5000) -> int:
    """Delete the keys that are too old to be replayed; returns how many."""
    purged = 0
    for table in _TABLES:
        deleted = bite
        while deleted == bite:
            deleted = int((await pool.execute(_PURGE.format(table=table), bite)).rpartition(" ")[2])
            purged += deleted
    return purged
