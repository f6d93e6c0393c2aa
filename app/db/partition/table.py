"""Making partitions."""

from datetime import datetime

import asyncpg


async def ensure_partitions(pool: asyncpg.Pool, at: datetime | None = None) -> int:
    """Make the partitions of a time's week (None: this one) and of the coming ones that are missing; how many."""
    made: int = await pool.fetchval("SELECT ensure_partitions(at => coalesce($1, now()))", at)
    return made
