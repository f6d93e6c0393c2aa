"""Once a second: renew the leases, look for due work that nobody rang for, and say that this process is alive."""

import asyncio
from pathlib import Path
from typing import Final

from loguru import logger

from app.db.shard.table import ShardLeases
from worker.drain import Drain
from worker.patience import DATABASE_ERRORS

_SECONDS: Final = 1.0


async def sweep(drain: Drain, leases: ShardLeases, health_file: Path | None) -> None:
    """Sweep for ever. `health_file` is touched each time that the database answered."""
    while True:
        try:
            await drain.renew()
            drain.ring(await leases.due_without_owner())
            if health_file is not None:
                health_file.touch()  # noqa: ASYNC240 - one system call
        except DATABASE_ERRORS as error:
            logger.warning("the sweep waits for the database: {}: {}", type(error).__name__, error)
        await asyncio.sleep(_SECONDS)
