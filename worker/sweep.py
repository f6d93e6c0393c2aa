"""Once a second: renew the leases, share with others, look for due work that nobody rang for, and say "alive"."""

import asyncio
from pathlib import Path
from time import monotonic
from typing import Final

from loguru import logger

from app import clock
from app.db.shard.table import ShardLeases
from worker.drain import Drain
from worker.patience import DATABASE_ERRORS

_SECONDS: Final = 1.0
# How often to look for shards that others are about to offer: nobody drains them meanwhile.
_OFFERS_SECONDS: Final = 0.1
# A clock that is off by more is worth a line in the log; an answer that took longer says nothing about the time.
_WRONG_SECONDS: Final = 2.0
_QUICK_SECONDS: Final = 0.5


async def sweep(drain: Drain, leases: ShardLeases, health_file: Path | None) -> None:
    """Sweep for ever. `health_file` is touched each time that the database answered."""
    looking = asyncio.create_task(_look_around(drain))
    try:
        await _sweep(drain, leases, health_file)
    finally:
        looking.cancel()


async def _look_around(drain: Drain) -> None:
    while True:
        await drain.look_around()
        await asyncio.sleep(_SECONDS)


async def _sweep(drain: Drain, leases: ShardLeases, health_file: Path | None) -> None:
    ahead = 0.0
    while True:
        swept = asyncio.get_running_loop().time()
        try:
            await drain.renew()
            ahead = await _keep_time(leases, ahead)
            room = await drain.sharing.balance()
            drain.ring(await leases.due_without_owner())
            if health_file is not None:
                health_file.touch()  # noqa: ASYNC240 - one system call
            while room > 0 and asyncio.get_running_loop().time() - swept < _SECONDS:
                taken = await drain.sharing.take_offered(room)
                drain.ring(taken)
                room -= len(taken)
                await asyncio.sleep(_OFFERS_SECONDS)
        except DATABASE_ERRORS as error:
            logger.warning("the sweep waits for the database: {}: {}", type(error).__name__, error)
        await asyncio.sleep(max(0.0, swept + _SECONDS - asyncio.get_running_loop().time()))


async def _keep_time(leases: ShardLeases, ahead: float) -> float:
    """Go by the database's clock, which says what is due. By how many seconds ours is ahead of it, so far `ahead`."""
    asked = monotonic()
    at = await leases.now()
    answered = monotonic()
    if answered - asked > _QUICK_SECONDS:
        return ahead
    is_ahead = clock.follow(at, asked, answered)
    if abs(is_ahead) > _WRONG_SECONDS and abs(is_ahead - ahead) > _WRONG_SECONDS:
        logger.warning(
            "this machine's clock is {:+.0f} s off the database's, which is what counts here: set it right", is_ahead
        )
    return is_ahead
