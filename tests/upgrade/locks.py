"""How long Postrider's connections wait for locks, as the server says it: a slow machine does not change that."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg

_EVERY: Final = 0.05
# `waitstart` is a little late: 0 until the waiting has a name. dbmate's own waiting hurts nobody until others queue
# behind it, and they are seen themselves.
_LONGEST: Final = """
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - l.waitstart)), 0)::float8
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE NOT l.granted AND l.locktype = 'relation' AND a.application_name = 'postrider'
"""


@dataclass
class Waits:
    """`longest`: seconds, to within `_EVERY`, that one of Postrider's connections has waited for a table."""

    longest: float = 0.0


@asynccontextmanager
async def watched(dsn: str) -> AsyncIterator[Waits]:
    """Looks twenty times a second until the end of the block."""
    waits = Waits()
    connection = await asyncpg.connect(dsn)

    async def watch() -> None:
        while True:
            waits.longest = max(waits.longest, await connection.fetchval(_LONGEST))
            await asyncio.sleep(_EVERY)

    watching = asyncio.create_task(watch())
    try:
        yield waits
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        connection.terminate()
