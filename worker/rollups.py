"""The chore that counts history into rollups, and forgets those that are too old."""

from time import monotonic
from typing import Final

import asyncpg

from app.db.rollup.writing import forget_rollups, roll_stretch

# Of what lies far back, as after an upgrade, a tenth of the time between two runs; the next one goes on from there.
_SECONDS: Final = 2.0


async def keep_rollups(pool: asyncpg.Pool) -> None:
    """Count what came since the last time, or as much of it as two seconds allow."""
    began = monotonic()
    async with pool.acquire() as connection:
        while await roll_stretch(connection) and monotonic() - began < _SECONDS:
            pass
        await forget_rollups(connection)
