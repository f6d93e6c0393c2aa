"""Leases of shards: at most one worker process drains a shard, as long as it renews its lease.

Times are the database's, so that the clocks of workers do not matter.
"""

from collections.abc import Collection
from typing import Final

import asyncpg

LEASE_SECONDS: Final = 10

_ACQUIRE: Final = f"""
UPDATE shards SET owner = $1, leased_until = now() + interval '{LEASE_SECONDS} seconds'
WHERE shard IN (
    SELECT shard FROM shards
    WHERE shard = ANY ($2::smallint[]) AND (owner IS NULL OR leased_until < now() OR owner = $1)
    ORDER BY shard FOR UPDATE SKIP LOCKED)
RETURNING shard
"""

_RENEW: Final = f"""
UPDATE shards SET leased_until = now() + interval '{LEASE_SECONDS} seconds'
WHERE shard = ANY ($2::smallint[]) AND owner = $1
RETURNING shard
"""

_RELEASE: Final = """
UPDATE shards SET owner = NULL, leased_until = '-infinity' WHERE shard = ANY ($2::smallint[]) AND owner = $1
"""

_DUE: Final = """
SELECT shard FROM shards s
WHERE (owner IS NULL OR leased_until < now())
  AND EXISTS (SELECT FROM pending_deliveries p WHERE p.shard = s.shard AND p.next_attempt_at <= now())
"""


class ShardLeases:
    """The leases of one worker process, which `owner` names."""

    def __init__(self, pool: asyncpg.Pool, owner: str) -> None:
        self._pool = pool
        self._owner = owner

    async def acquire(self, shards: Collection[int]) -> set[int]:
        """Those of the shards that nobody else owns; they are ours for LEASE_SECONDS."""
        return {row["shard"] for row in await self._pool.fetch(_ACQUIRE, self._owner, list(shards))}

    async def renew(self, shards: Collection[int]) -> set[int]:
        """Those of the shards that are still ours; they stay so for LEASE_SECONDS more."""
        return {row["shard"] for row in await self._pool.fetch(_RENEW, self._owner, list(shards))}

    async def release(self, shards: Collection[int]) -> None:
        """Give shards back, so that another process may take them at once."""
        await self._pool.execute(_RELEASE, self._owner, list(shards))

    async def due_without_owner(self) -> set[int]:
        """Shards that hold something due and that nobody drains: whoever was rung for them is gone, or never was."""
        return {row["shard"] for row in await self._pool.fetch(_DUE)}
