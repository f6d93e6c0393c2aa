"""The chore that counts history into rollups, and forgets those that are too old."""

from time import monotonic
from typing import Final

import asyncpg

from app import clock
from app.db.rollup.writing import HOUR, LONGEST, forget_rollups, index_attempts, roll_stretch

# Of what lies far back, as after an upgrade, a fifth of the time between two runs; the next one goes on from there.
_SECONDS: Final = 4.0
# A stretch that took no longer had few rows; the next one may be twice as long, up to an hour.
_QUICK_SECONDS: Final = 0.5


async def keep_rollups(pool: asyncpg.Pool) -> None:
    """Count what came since the last time, or as much of it as four seconds allow."""
    began = turn = monotonic()
    longest = LONGEST
    async with pool.acquire() as connection:
        await index_attempts(connection, clock.now())
        while await roll_stretch(connection, longest=longest) and monotonic() - began < _SECONDS:
            longest = min(HOUR, longest * 2) if monotonic() - turn < _QUICK_SECONDS else LONGEST
            turn = monotonic()
        await forget_rollups(connection)
