"""Sources that were paused and go on: what they held is delivered."""

from collections.abc import Callable, Collection

import asyncpg
from loguru import logger

from app.db.source.release import release, sources_going_on


async def release_held(pool: asyncpg.Pool, ring: Callable[[Collection[int]], None]) -> None:
    """Make the deliveries of all that is held by sources which are not paused; rings after each bite.

    Raises the first error, once all have had their turn.
    """
    failed: list[Exception] = []
    for source_id in await sources_going_on(pool):
        try:
            released = await _release(pool, source_id, ring)
        except Exception as error:
            # The others are not to wait for it.
            failed.append(error)
        else:
            logger.info("{} goes on: {} messages that it held are due", source_id, released)
    if failed:
        raise failed[0]


async def _release(pool: asyncpg.Pool, source_id: str, ring: Callable[[Collection[int]], None]) -> int:
    released = 0
    while True:
        count, shards = await release(pool, source_id)
        released += count
        ring(shards)
        if not count:
            return released
