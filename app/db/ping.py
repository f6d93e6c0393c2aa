"""Whether Postgres answers."""

import asyncio

import asyncpg

from app.db.session import CONNECTION_ERRORS


async def postgres_answers(pool: asyncpg.Pool, seconds: float) -> bool:
    """Whether a connection is free and answers within that time."""
    try:
        async with asyncio.timeout(seconds):
            return await pool.fetchval("SELECT true") is True
    except (*CONNECTION_ERRORS, asyncpg.PostgresError):
        return False
