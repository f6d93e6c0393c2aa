"""Leases of shards: at most one worker process drains a shard, as long as it renews its lease.

Times are the database's, so that the clocks of workers do not matter. A shard without an owner whose lease has not run
out is offered: only a worker that has fewer than its share takes it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import asyncpg

LEASE_SECONDS: Final = 10
# A worker that was not seen for so long is not counted among those that share.
_SEEN_SECONDS: Final = 3
# A shard that has been drained for so long without a break is one that is shared out; others come and go by themselves.
_BUSY_SECONDS: Final = 2
_OFFER_SECONDS: Final = 1

_ACQUIRE: Final = f"""
UPDATE shards s
SET owner = $1, leased_until = now() + interval '{LEASE_SECONDS} seconds', busy_since = coalesce(busy_since, now())
FROM (
    SELECT shard, owner FROM shards
    WHERE shard = ANY ($2::smallint[]) AND (leased_until < now() OR owner = $1)
    ORDER BY shard FOR UPDATE SKIP LOCKED) f
WHERE s.shard = f.shard
RETURNING s.shard, coalesce(f.owner <> $1, false) AS was_left
"""

_TAKE_OFFERED: Final = f"""
UPDATE shards
SET owner = $1, leased_until = now() + interval '{LEASE_SECONDS} seconds', busy_since = coalesce(busy_since, now())
WHERE shard IN (
    SELECT shard FROM shards WHERE owner IS NULL AND leased_until > now() ORDER BY shard LIMIT $2
    FOR UPDATE SKIP LOCKED)
RETURNING shard
"""

_RENEW: Final = f"""
UPDATE shards SET leased_until = now() + interval '{LEASE_SECONDS} seconds'
WHERE shard = ANY ($2::smallint[]) AND owner = $1
RETURNING shard
"""

_RELEASE: Final = """
UPDATE shards SET owner = NULL, leased_until = '-infinity', busy_since = NULL
WHERE shard = ANY ($2::smallint[]) AND owner = $1
"""

_RELEASE_ALL: Final = """
UPDATE shards SET owner = NULL, leased_until = '-infinity', busy_since = NULL WHERE owner = $1
"""

_OFFER: Final = f"""
UPDATE shards SET owner = NULL, leased_until = now() + interval '{_OFFER_SECONDS} seconds'
WHERE shard = ANY ($2::smallint[]) AND owner = $1
"""

# The owner stays, to be read; the lease that it will never renew is over.
_EXPIRE: Final = "UPDATE shards SET leased_until = '-infinity' WHERE owner = ANY ($1::text[])"

_DUE: Final = """
SELECT shard FROM shards s
WHERE leased_until < now()
  AND EXISTS (SELECT FROM pending_deliveries p WHERE p.shard = s.shard AND p.next_attempt_at <= now())
"""

_BEAT: Final = f"""
WITH seen AS (
    INSERT INTO workers (name, in_flight) VALUES ($1, $2)
    ON CONFLICT (name) DO UPDATE SET seen_at = now(), in_flight = excluded.in_flight
), forgotten AS (
    DELETE FROM workers WHERE seen_at < now() - interval '1 minute' AND name <> $1
)
SELECT 1 + (SELECT count(*) FROM workers WHERE name <> $1 AND seen_at > now() - interval '{_SEEN_SECONDS} seconds'),
       ARRAY (SELECT DISTINCT owner FROM shards WHERE leased_until > now() AND owner <> $1)
"""

_BUSY: Final = f"""
SELECT shard, owner FROM shards
WHERE leased_until > now() AND busy_since < now() - interval '{_BUSY_SECONDS} seconds'
"""

_NOW: Final = "SELECT extract(epoch FROM now())::float8"

_LEAVE: Final = "DELETE FROM workers WHERE name = ANY ($1::text[])"


@dataclass(frozen=True, slots=True)
class Census:
    """Who lives, and who drains what."""

    workers: int
    """Processes that were seen a moment ago, this one included."""
    others: Collection[str]
    """Names of other processes that hold leases, alive or not."""
    busy: Mapping[int, str | None]
    """The shards that have been busy for a while, with their owners; None: it is offered."""


class ShardLeases:
    """The leases of one worker process, which `owner` names."""

    def __init__(self, pool: asyncpg.Pool, owner: str) -> None:
        self._pool = pool
        self.owner = owner

    async def acquire(self, shards: Collection[int]) -> set[int]:
        """Those of the shards that are free, or ours already; they are ours for LEASE_SECONDS."""
        return set(await self.take_over(shards))

    async def take_over(self, shards: Collection[int]) -> Mapping[int, bool]:
        """As `acquire`; of each, whether another owner had it before, who did not give it back: it probably died."""
        return {row["shard"]: row["was_left"] for row in await self._pool.fetch(_ACQUIRE, self.owner, list(shards))}

    async def take_offered(self, most: int) -> set[int]:
        """At most so many of the shards that others offer; they are ours for LEASE_SECONDS."""
        return {row["shard"] for row in await self._pool.fetch(_TAKE_OFFERED, self.owner, most)}

    async def renew(self, shards: Collection[int]) -> set[int]:
        """Those of the shards that are still ours; they stay so for LEASE_SECONDS more."""
        return {row["shard"] for row in await self._pool.fetch(_RENEW, self.owner, list(shards))}

    async def release(self, shards: Collection[int]) -> None:
        """Give shards back, so that another process may take them at once."""
        await self._pool.execute(_RELEASE, self.owner, list(shards))

    async def release_all(self) -> None:
        """Give every shard back, also one of which this process does not know that it is its own."""
        await self._pool.execute(_RELEASE_ALL, self.owner)

    async def offer(self, shards: Collection[int]) -> None:
        """Give shards back, for a second only to those who have fewer than their share."""
        await self._pool.execute(_OFFER, self.owner, list(shards))

    async def due_without_owner(self) -> set[int]:
        """Shards that hold something due and that nobody drains: whoever was rung for them is gone, or never was."""
        return {row["shard"] for row in await self._pool.fetch(_DUE)}

    async def beat(self, in_flight: int = 0) -> Census:
        """Say that this process lives, and how much it has in flight; who else does."""
        workers, others = await self._pool.fetchrow(_BEAT, self.owner, in_flight)
        busy = await self._pool.fetch(_BUSY)
        return Census(workers, others, {row["shard"]: row["owner"] for row in busy})

    async def bury(self, dead: Collection[str]) -> None:
        """End the leases of processes that are certainly dead."""
        await self._pool.execute(_EXPIRE, list(dead))
        await self._pool.execute(_LEAVE, list(dead))

    async def now(self) -> float:
        """Unix seconds by the database's clock, which leases and what is due go by."""
        at: float = await self._pool.fetchval(_NOW)
        return at

    async def leave(self) -> None:
        """This process is about to end: the others share what there is without it."""
        await self._pool.execute(_LEAVE, [self.owner])
