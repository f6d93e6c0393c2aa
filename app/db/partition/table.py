"""Making partitions."""

import asyncpg


async def ensure_partitions(pool: asyncpg.Pool) -> int:
    """Make the partitions of this and the coming weeks that are missing; returns how many."""
    made: int = await pool.fetchval("SELECT ensure_partitions()")
    return made
