"""The SQL about how the installation does: its workers, shards, partitions and chores. It reads few rows."""

from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Final

import asyncpg

_VERSIONS: Final = "SELECT array_agg(version::text ORDER BY version) FROM schema_migrations"
_MOST_WEEKS: Final = 12
_WORKERS: Final = "SELECT name, seen_at, now() - seen_at < interval '3 seconds', in_flight FROM workers ORDER BY name"
_STATUS: Final = f"""
SELECT current_setting('server_version') AS server_version, pg_database_size(current_database()) AS bytes,
       (SELECT count(*) FROM shards) AS shards,
       (SELECT count(*) FROM shards WHERE leased_until > now()) AS owned,
       (SELECT count(*) FROM shards s WHERE leased_until <= now() AND EXISTS (
            SELECT FROM pending_deliveries p
            WHERE p.shard = s.shard AND p.next_attempt_at <= now() - interval '3 seconds')) AS neglected,
       (SELECT count(*) FROM (
            SELECT 'messages_'
                   || to_char(date_trunc('week', now() AT TIME ZONE 'UTC') + n * interval '1 week', 'YYYYMMDD')
            FROM generate_series(1, {_MOST_WEEKS}) n) w (name)
        WHERE to_regclass(w.name) IS NOT NULL AND to_regclass(replace(w.name, 'messages', 'deliveries')) IS NOT NULL
          AND to_regclass(replace(w.name, 'messages', 'attempts')) IS NOT NULL) AS weeks_ahead,
       p.ran_at, p.rolled_to, now() AS now
FROM rollup_progress p
"""


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker process that was seen within the last minute."""

    name: str
    seen_at: datetime
    is_alive: bool
    in_flight: int | None


@dataclass(frozen=True, slots=True)
class Status:
    """How the installation does."""

    milliseconds: float
    """In which Postgres answered the first, small question."""
    server_version: str
    bytes: int
    workers: list[Worker]
    shards: int
    owned: int
    neglected: int
    """Shards without an owner, although something has been due in them for seconds."""
    weeks_ahead: int
    chores_ran_at: datetime | None
    counted_to: datetime
    migrations: list[str]
    """The versions of those that were applied, in their order."""


async def status_of(pool: asyncpg.Pool) -> Status:
    """Look at everything. Raises one of CONNECTION_ERRORS if Postgres does not answer."""
    async with pool.acquire() as connection:
        asked = monotonic()
        applied: list[str] = await connection.fetchval(_VERSIONS)
        answered = monotonic()
        row = await connection.fetchrow(_STATUS)
        workers = [Worker(*worker) for worker in await connection.fetch(_WORKERS)]
    return Status(
        milliseconds=(answered - asked) * 1000,
        server_version=row["server_version"],
        bytes=row["bytes"],
        workers=workers,
        shards=row["shards"],
        owned=row["owned"],
        neglected=row["neglected"],
        weeks_ahead=row["weeks_ahead"],
        chores_ran_at=row["ran_at"],
        counted_to=row["rolled_to"],
        migrations=applied,
    )
