"""Forgetting history: whole weeks at once, by dropping their partitions, and what is in no week's partition by rows.

What is still to be delivered is never forgotten: its messages move into the default partition, and stay there until
their deliveries have ended.
"""

import asyncio
import random
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime
from time import monotonic
from typing import Final

import asyncpg
from loguru import logger

from app import ids, weeks

# A week's partitions are dropped as soon as nobody uses history for a moment.
_TRIES: Final = 30
_PAUSE_SECONDS: Final = (0.3, 1.2)
# Rows of the default partitions, and pages of event ids, that one statement deletes from.
_BITE: Final = 2000
_PAGES: Final = 100
# A table of event ids that is larger is walked through once a week, a part of it in each hour of the week.
_WALKED_AT_ONCE: Final = 5000
_HOURS: Final = 168
_DROP_SECONDS: Final = 60.0
_LOCKED: Final = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)

_WEEKS: Final = """
SELECT DISTINCT to_date(right(c.relname, 8), 'YYYYMMDD') AS week
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent IN ('messages'::regclass, 'deliveries'::regclass, 'attempts'::regclass) AND c.relname ~ '_[0-9]{8}$'
ORDER BY week
"""

# Of what has no partition: what came when there was none, and what was kept because it was still to be delivered.
_FORGET_MESSAGES: Final = """
WITH gone AS (
    DELETE FROM messages_default WHERE id IN (
        SELECT m.id FROM messages_default m
        WHERE m.id < $1 AND NOT EXISTS (SELECT FROM undelivered_messages p WHERE p.message_id = m.id)
        ORDER BY m.id LIMIT $2)
    RETURNING application_id, event_id, id
), unnamed AS (
    DELETE FROM message_event_ids e USING gone g
    WHERE e.application_id = g.application_id AND e.event_id = g.event_id AND e.message_id = g.id
), undelivered AS (
    -- In the same step, so that the ledger misses none.
    DELETE FROM deliveries_default d USING gone g WHERE d.message_id = g.id
)
SELECT count(*) FROM gone
"""
_FORGET_DELIVERIES: Final = """
WITH gone AS (
    DELETE FROM deliveries_default d WHERE (d.message_id, d.endpoint_id) IN (
        SELECT o.message_id, o.endpoint_id FROM deliveries_default o
        WHERE o.message_id < $1 AND NOT EXISTS (SELECT FROM undelivered_messages p WHERE p.message_id = o.message_id)
        ORDER BY o.message_id LIMIT $2)
    RETURNING 1
)
SELECT count(*) FROM gone
"""
_FORGET_ATTEMPTS: Final = """
WITH gone AS (
    DELETE FROM attempts_default WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM attempts_default WHERE id < $1 LIMIT $2))
    RETURNING 1
)
SELECT count(*) FROM gone
"""

# By pages, because an index by message would cost each message that has an event id.
_FORGET_EVENT_IDS: Final = """
DELETE FROM message_event_ids e
WHERE e.ctid >= $1::tid AND e.ctid < $2::tid AND e.message_id < $3
  AND NOT EXISTS (SELECT FROM undelivered_messages p WHERE p.message_id = e.message_id)
"""
_PAGES_OF_EVENT_IDS: Final = (
    "SELECT pg_relation_size('message_event_ids') / current_setting('block_size')::integer AS pages"
)

_KEPT: Final = "SELECT id FROM messages WHERE id >= $1 AND id < $2 AND stored_digest IS NOT NULL LIMIT $3"


@dataclass(slots=True)
class Forgotten:
    """What one run forgot, and what it could not."""

    weeks: list[date] = field(default_factory=list)
    # Rows of the default partitions.
    rows: int = 0
    event_ids: int = 0
    # Messages that were kept because something of them is still to be delivered.
    kept: int = 0
    # Weeks that are older than the retention, and stay until somebody else is done with them.
    left: list[date] = field(default_factory=list)


async def now(pool: asyncpg.Pool) -> datetime:
    """By the clock that says what is old: the database's, which all processes share."""
    at: datetime = await pool.fetchval("SELECT now()")
    return at


async def forget_history(pool: asyncpg.Pool, before: datetime, *, tries: int = _TRIES) -> Forgotten:
    """Forget the weeks that ended before a time, and rows of the default partitions from before it.

    Publishing and delivering go on meanwhile. Harmless to run twice at once, and to be broken off at any point.
    """
    forgotten = Forgotten()
    old = [week for week in await weeks_of_history(pool) if weeks.end(week) <= before]
    for week in old:
        try:
            kept = await _drop(pool, week, tries)
        except _LOCKED:
            # So is the next week, as long as somebody reads all of them.
            logger.warning("the history of the week of {} is not dropped yet: somebody reads history all along", week)
            forgotten.left += old[old.index(week) :]
            break
        if kept is None:
            logger.warning("the history of the week of {} is kept: too much of it is still to be delivered", week)
            forgotten.left.append(week)
        else:
            logger.info("the history of the week of {} is dropped; {} messages are kept, which are due", week, kept)
            forgotten.weeks.append(week)
            forgotten.kept += kept
    forgotten.event_ids = await _forget_event_ids(pool, before)
    oldest = ids.floor_id("msg", before)
    for statement, floor in (
        (_FORGET_ATTEMPTS, ids.floor_id("atmpt", before)),
        (_FORGET_MESSAGES, oldest),
        (_FORGET_DELIVERIES, oldest),
    ):
        while gone := await pool.fetchval(statement, floor, _BITE):
            forgotten.rows += gone
    return forgotten


async def weeks_of_history(pool: asyncpg.Pool) -> list[date]:
    """The Mondays of the weeks that have partitions, in order."""
    return [row["week"] for row in await pool.fetch(_WEEKS)]


async def kept_objects(pool: asyncpg.Pool, week: date, most: int) -> Collection[str] | None:
    """The messages of a week, `most` at most, that still have their payload in the payload store; None: more have."""
    found = [row["id"] for row in await pool.fetch(_KEPT, *weeks.messages_of(week), most + 1)]
    return None if len(found) > most else set(found)


async def _drop(pool: asyncpg.Pool, week: date, tries: int) -> int | None:
    """Drop a week; how many of its messages were kept, or None if those are too many. Raises one of _LOCKED."""
    for attempt in range(tries):
        if attempt:
            await asyncio.sleep(random.uniform(*_PAUSE_SECONDS))
        try:
            kept: int | None = await pool.fetchval("SELECT drop_history($1)", week, timeout=_DROP_SECONDS)
        except _LOCKED:
            if attempt == tries - 1:
                raise
        else:
            return kept
    raise AssertionError("it is tried at least once")


async def _forget_event_ids(pool: asyncpg.Pool, before: datetime) -> int:
    """Those of the weeks that ended before a time. Half of the time nothing is done, so that others come first."""
    pages = await pool.fetchval(_PAGES_OF_EVENT_IDS)
    begin, end = 0, pages
    if pages > _WALKED_AT_ONCE:
        hour = int((await now(pool)).timestamp() // 3600) % _HOURS
        begin, end = pages * hour // _HOURS, pages * (hour + 1) // _HOURS
    floor = ids.floor_id("msg", weeks.beginning(weeks.week_of(before)))
    forgotten = 0
    for page in range(begin, end, _PAGES):
        began = monotonic()
        bounds = (page, 0), (min(page + _PAGES, end), 0)
        status = await pool.execute(_FORGET_EVENT_IDS, *bounds, floor, timeout=_DROP_SECONDS)
        if deleted := int(status.rpartition(" ")[2]):
            forgotten += deleted
            await asyncio.sleep(monotonic() - began)
    return forgotten
