"""The SQL that counts history into rollups: a stretch at a time, each in one transaction that moves the position on.

A row belongs to the minute in which its id was made, and may be committed later: a message some moments, an attempt as
long as it took. So each minute is counted anew when it is so old as `_AGAIN` says. What was counted stays counted if
its rows are forgotten meanwhile.
"""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import asyncpg

from app import ids, weeks
from app.db.rollup.latency import BUCKET_SQL

MINUTE, QUARTER, HOUR = (timedelta(seconds=seconds) for seconds in (60, 900, 3600))
KEPT: Final = {MINUTE: timedelta(hours=3), QUARTER: timedelta(days=2), HOUR: timedelta(days=60)}
"""How long rollups are kept, by the length of their spans."""

# What is being committed at this moment is left to the next stretch.
_UNSETTLED: Final = timedelta(seconds=1)
# By so much a stretch goes back behind where the last one ended, for attempts that took a while; then for those that
# took as long as any may, and for whatever was late for reasons of its own.
_BACK: Final = timedelta(seconds=20)
_AGAIN: Final = (timedelta(minutes=6), timedelta(hours=1))
LONGEST: Final = timedelta(minutes=5)
"""Of a stretch, where history may be dense: a second or two of work at thousands of messages a second."""
_SECONDS: Final = 60.0
_PREFIXES: Final[tuple[ids.Prefix, ids.Prefix]] = ("msg", "atmpt")
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)

_POSITION: Final = """
SELECT rolled_to, coalesce($1::timestamptz, now()) AS now FROM rollup_progress FOR UPDATE SKIP LOCKED
"""
# The hot path's connections would not use an index that gives a bitmap, and plan once for spans of any length.
_PLANNING: Final = "SET LOCAL enable_bitmapscan = on; SET LOCAL plan_cache_mode = force_custom_plan"
_FIRST_MESSAGE: Final = "SELECT id FROM messages WHERE id >= $1 AND id < $2 ORDER BY id LIMIT 1"
_ANY_ATTEMPT: Final = "SELECT EXISTS (SELECT FROM attempts WHERE id >= $1 AND id < $2)"
# What was written since the last time is found by its ids from now on. Not if it takes waiting: a vacuum would be
# broken off for it.
# Only ranges that are full: writing into one that was summarized costs more. What is older than the last 2,000 was
# summarized before, or is once the table is vacuumed.
_SUMMARIZE: Final = """
SELECT brin_summarize_range(x.indexrelid, start)
FROM pg_inherits i JOIN pg_index x ON x.indexrelid = i.inhrelid JOIN pg_class t ON t.oid = x.indrelid
CROSS JOIN LATERAL (
    SELECT pg_relation_size(t.oid) / current_setting('block_size')::integer / 16 AS ranges) filled
CROSS JOIN LATERAL generate_series(greatest(0, filled.ranges - 2000) * 16, filled.ranges * 16 - 1, 16) AS start
WHERE i.inhparent = to_regclass('attempts_id') AND t.relname = ANY ($1::text[])
"""
_NO_WAITING: Final = "SET LOCAL lock_timeout = '100ms'"
_MOVE: Final = """
UPDATE rollup_progress
SET rolled_to = $1, ran_at = clock_timestamp(), seconds = extract(epoch FROM clock_timestamp() - now())
"""

_MESSAGES: Final = """
WITH counted AS MATERIALIZED (
    SELECT width_bucket(m.id, $3::text[]) AS minute, m.application_id, count(*) AS accepted
    FROM messages m WHERE m.id >= $1 AND m.id < $2 GROUP BY 1, 2
)
INSERT INTO message_rollups AS r (seconds, starts_at, scope_id, accepted)
SELECT 60, ($4::timestamptz[])[c.minute], s.scope_id, sum(c.accepted)
FROM counted c JOIN applications a ON a.id = c.application_id AND NOT a.operational
CROSS JOIN LATERAL (VALUES (a.organization_id), (a.id)) AS s (scope_id)
GROUP BY 2, 3
ON CONFLICT (seconds, starts_at, scope_id) DO UPDATE SET accepted = excluded.accepted
WHERE r.accepted < excluded.accepted
"""
_ATTEMPTS: Final = f"""
WITH counted AS MATERIALIZED (
    SELECT width_bucket(t.id, $3::text[]) AS minute, t.application_id, t.endpoint_id, {BUCKET_SQL} AS bucket,
           count(*) AS attempts, count(*) FILTER (WHERE t.status <> 0) AS failed
    FROM attempts t WHERE t.id >= $1 AND t.id < $2 GROUP BY 1, 2, 3, 4
)
INSERT INTO attempt_rollups AS r (seconds, starts_at, scope_id, bucket, attempts, failed)
SELECT 60, ($4::timestamptz[])[c.minute], s.scope_id, c.bucket, sum(c.attempts), sum(c.failed)
FROM counted c JOIN applications a ON a.id = c.application_id AND NOT a.operational
CROSS JOIN LATERAL (VALUES (a.organization_id), (a.id), (c.endpoint_id)) AS s (scope_id)
GROUP BY 2, 3, 4
ON CONFLICT (seconds, starts_at, scope_id, bucket) DO UPDATE
SET attempts = greatest(r.attempts, excluded.attempts), failed = greatest(r.failed, excluded.failed)
WHERE r.attempts < excluded.attempts OR r.failed < excluded.failed
"""
# Shorter spans make longer ones.
_SUM_MESSAGES: Final = """
INSERT INTO message_rollups AS r (seconds, starts_at, scope_id, accepted)
SELECT $1::integer, date_bin(make_interval(secs => $1::integer), starts_at, '2000-01-01Z'), scope_id, sum(accepted)
FROM message_rollups WHERE seconds = $2 AND starts_at >= $3 AND starts_at < $4 GROUP BY 2, 3
ON CONFLICT (seconds, starts_at, scope_id) DO UPDATE SET accepted = excluded.accepted
WHERE r.accepted < excluded.accepted
"""
_SUM_ATTEMPTS: Final = """
INSERT INTO attempt_rollups AS r (seconds, starts_at, scope_id, bucket, attempts, failed)
SELECT $1::integer, date_bin(make_interval(secs => $1::integer), starts_at, '2000-01-01Z'), scope_id, bucket,
       sum(attempts), sum(failed)
FROM attempt_rollups WHERE seconds = $2 AND starts_at >= $3 AND starts_at < $4 GROUP BY 2, 3, 4
ON CONFLICT (seconds, starts_at, scope_id, bucket) DO UPDATE
SET attempts = greatest(r.attempts, excluded.attempts), failed = greatest(r.failed, excluded.failed)
WHERE r.attempts < excluded.attempts OR r.failed < excluded.failed
"""
_FORGET: Final = (
    "DELETE FROM message_rollups WHERE seconds = $1 AND starts_at < $2",
    "DELETE FROM attempt_rollups WHERE seconds = $1 AND starts_at < $2",
)


class Stretch(NamedTuple):
    """A span of time: from the first on, before the second."""

    since: datetime
    until: datetime


async def roll_stretch(
    connection: asyncpg.Connection, now: datetime | None = None, longest: timedelta = LONGEST
) -> bool:
    """Count the next stretch of history, at most so long, up to a time (None: now); whether there is more to count.

    Nothing is done, and nothing is left to do, while somebody else is at it.
    """
    async with connection.transaction():
        position = await connection.fetchrow(_POSITION, now)
        if position is None:
            return False
        await connection.execute(_PLANNING)
        rolled_to: datetime = position["rolled_to"]
        until: datetime = position["now"] - _UNSETTLED
        if until <= rolled_to:
            return False
        begins = await _first_of(connection, Stretch(rolled_to, until), longest)
        ends = min(begins + longest, until)
        is_near = begins - rolled_to <= longest
        await _count(connection, Stretch(floor(rolled_to - _BACK if is_near else begins), ends))
        await _sum_up(connection, Stretch(rolled_to - _BACK, ends), ends)
        for age in _AGAIN:
            again = Stretch(floor(rolled_to - age), floor(min(ends - age, rolled_to)))
            if again.since < again.until:
                await _count(connection, again)
                await _sum_up(connection, again, ends)
        await connection.execute(_MOVE, ends)
        return ends < until


async def index_attempts(connection: asyncpg.Connection, now: datetime) -> None:
    """Have what was written lately found by its ids; without that, all that is new would be read each time."""
    week = weeks.week_of(now)
    tables = [f"attempts_{weeks.name(each)}" for each in (week - weeks.WEEK, week)]
    with suppress(asyncpg.LockNotAvailableError):
        async with connection.transaction():
            await connection.execute(_NO_WAITING)
            await connection.execute(_SUMMARIZE, [*tables, "attempts_default"], timeout=_SECONDS)


async def forget_rollups(connection: asyncpg.Connection) -> None:
    """Forget rollups that are older than is kept of their kind, as seen from where counting has come to."""
    rolled_to = await connection.fetchval("SELECT rolled_to FROM rollup_progress")
    for span, kept in KEPT.items():
        for statement in _FORGET:
            await connection.execute(statement, span.seconds, rolled_to - kept, timeout=_SECONDS)


def floor(at: datetime, span: timedelta = MINUTE) -> datetime:
    """When the span begins in which a time lies."""
    return at - (at - _EPOCH) % span


async def _first_of(connection: asyncpg.Connection, stretch: Stretch, longest: timedelta) -> datetime:
    """When the first row of a stretch was made; its end if there is none: what lies before needs no look."""
    bounds = [ids.floor_id("msg", at) for at in stretch]
    first: str | None = await connection.fetchval(_FIRST_MESSAGE, *bounds, timeout=_SECONDS)
    begins = stretch.until if first is None else max(stretch.since, ids.created_at(first))
    if begins - stretch.since > longest:
        bounds = [ids.floor_id("atmpt", at) for at in (stretch.since, begins)]
        if await connection.fetchval(_ANY_ATTEMPT, *bounds, timeout=_SECONDS):
            return stretch.since
    return begins


async def _count(connection: asyncpg.Connection, stretch: Stretch) -> None:
    """Count the minutes of a stretch, which begins with one and may end in the middle of one."""
    starts = [stretch.since + MINUTE * n for n in range(-(-(stretch.until - stretch.since) // MINUTE))]
    for statement, prefix in zip((_MESSAGES, _ATTEMPTS), _PREFIXES, strict=True):
        low, high = ids.floor_id(prefix, stretch.since), ids.floor_id(prefix, stretch.until)
        bounds = [ids.floor_id(prefix, start) for start in starts]
        await connection.execute(statement, low, high, bounds, starts, timeout=_SECONDS)


async def _sum_up(connection: asyncpg.Connection, stretch: Stretch, rolled_to: datetime) -> None:
    """Make the longer spans that a stretch touches of the shorter ones, if they are over."""
    for span, part in ((QUARTER, MINUTE), (HOUR, QUARTER)):
        since, until = floor(stretch.since, span), min(floor(stretch.until, span) + span, floor(rolled_to, span))
        if since < until:
            for statement in (_SUM_MESSAGES, _SUM_ATTEMPTS):
                await connection.execute(statement, span.seconds, part.seconds, since, until, timeout=_SECONDS)
