"""Sources that make messages by themselves, at times that they have."""

import asyncpg

from app.api.source.schedule import message_of, run_after
from app.db.source.schedule import Made, make_due


async def make_scheduled(pool: asyncpg.Pool) -> Made:
    """Make the messages of all sources whose time has come: one of each, however often it came while nobody looked."""
    return await make_due(pool, message_of, run_after)
