"""The rules of health."""

import asyncio
from typing import Final

import asyncpg
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from app.api.health.models import HealthOut, PartOut
from app.db.ping import postgres_answers

_DATABASE_SECONDS: Final = 2.0
_REDIS_SECONDS: Final = 0.5


class HealthService:
    """Asks Postgres and Redis. One for each process: requests that arrive together share one probe.

    Anybody may ask, so that a flood of questions must not become a flood of connections.
    """

    def __init__(self, pool: asyncpg.Pool, redis_dsn: str) -> None:
        self._pool = pool
        self._redis_dsn = redis_dsn
        self._probe: asyncio.Task[HealthOut] | None = None

    async def check(self) -> HealthOut:
        """What answers right now. Never raises for what does not."""
        if self._probe is None or self._probe.done():
            self._probe = asyncio.get_running_loop().create_task(self._ask())
        # A caller that leaves must not take the answer from the others.
        return await asyncio.shield(self._probe)

    async def _ask(self) -> HealthOut:
        database, redis = await asyncio.gather(
            postgres_answers(self._pool, _DATABASE_SECONDS), redis_answers(self._redis_dsn, _REDIS_SECONDS)
        )
        # The queue's doorbell and the cache's invalidations go through the same server.
        return HealthOut(database=_part(database), queue=_part(redis), cache=_part(redis))


async def redis_answers(dsn: str, seconds: float) -> bool:
    """Whether Redis answers within that time."""
    client = Redis.from_url(dsn, socket_timeout=seconds, socket_connect_timeout=seconds, retry=Retry(NoBackoff(), 0))
    try:
        async with asyncio.timeout(seconds), client:
            return await client.ping() is True
    except (RedisError, OSError):
        return False


def _part(answers: bool) -> PartOut:
    return PartOut(status="ok" if answers else "error")
