"""Idempotency keys as a whole; that of one message is written with the message (app/db/message/publish.py)."""

import asyncpg

from app.db.message.publish import IDEMPOTENCY_HOURS

# In bites, so that no transaction is long.
_PURGE = f"""
DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM idempotency_keys WHERE created_at < now() - interval '{IDEMPOTENCY_HOURS} hours' LIMIT $1))
"""


async def purge_expired(pool: asyncpg.Pool, bite: int = 5000) -> int:
    """Delete the keys that are too old to be replayed; returns how many."""
    purged = 0
    while True:
        deleted = int((await pool.execute(_PURGE, bite)).rpartition(" ")[2])
        purged += deleted
        if deleted < bite:
            return purged
