"""What was rejected at sources is kept for a while."""

from datetime import timedelta
from typing import Final

import asyncpg

from app import clock

# In bites, so that no transaction is long.
_PURGE: Final = """
DELETE FROM source_logs
WHERE id = ANY (ARRAY(SELECT id FROM source_logs WHERE created_at < $1 ORDER BY created_at LIMIT $2))
"""


async def purge_source_logs(pool: asyncpg.Pool, days: int, bite: int = 500) -> int:
    """Delete the logs that are older than so many days; returns how many."""
    oldest_kept, purged = clock.now() - timedelta(days=days), 0
    while True:
        deleted = int((await pool.execute(_PURGE, oldest_kept, bite)).rpartition(" ")[2])
        purged += deleted
        if deleted < bite:
            return purged
