"""Whether Postgres answers, as the database that this code needs."""

import asyncio

import asyncpg

from app.db.preflight import is_migrated
from app.db.session import CONNECTION_ERRORS


async def postgres_answers(pool: asyncpg.Pool, seconds: float) -> bool:
    """Whether a connection is free and answers within that time, and the database is migrated."""
    try:
        async with asyncio.timeout(seconds):
            return await is_migrated(pool)
    except (*CONNECTION_ERRORS, asyncpg.PostgresError):
        return False
