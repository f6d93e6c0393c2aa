"""How much is stored, since when, and how fast it grows. Numbers of rows are Postgres' estimates."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import asyncpg

from app import ids, weeks

_MOST_COUNTED: Final = 10_000

# Payloads: those that are in their rows by the width that ANALYZE found, and what of them was moved out of the rows.
_TABLES: Final = """
SELECT c.relname AS name, coalesce(parent.relname, c.relname) AS family,
       greatest(c.reltuples, coalesce(s.n_live_tup, 0), 0)::bigint AS rows,
       pg_table_size(c.oid)::bigint AS bytes, pg_indexes_size(c.oid)::bigint AS index_bytes,
       CASE WHEN parent.relname = 'messages' THEN
           coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0)::bigint
           + (greatest(c.reltuples, 0) * coalesce(w.avg_width * (1 - w.null_frac), 0))::bigint
       ELSE 0 END AS payload_bytes
FROM pg_class c
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
LEFT JOIN pg_class parent ON parent.oid = i.inhparent
LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
LEFT JOIN pg_stats w ON w.schemaname = current_schema() AND w.tablename = c.relname AND w.attname = 'payload'
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
ORDER BY c.relname
"""
_SPANS: Final = {
    "messages": "SELECT min(id) AS oldest, max(id) AS newest FROM messages",
    "deliveries": "SELECT min(message_id) AS oldest, max(message_id) AS newest FROM deliveries",
    "attempts": "SELECT min(id) AS oldest, max(id) AS newest FROM attempts",
    "queue": "SELECT min(message_id) AS oldest, max(message_id) AS newest FROM pending_deliveries",
}
_KEPT: Final = "SELECT count(*) FROM (SELECT FROM pending_deliveries WHERE message_id < $1 LIMIT $2) AS kept"
_ORGANIZATIONS: Final = """
SELECT id, payload_retention_days FROM organizations WHERE payload_retention_days IS NOT NULL ORDER BY id LIMIT $1
"""

_KINDS: Final = {
    "messages": "messages",
    "deliveries": "deliveries",
    "attempts": "attempts",
    "pending_deliveries": "queue",
    "message_event_ids": "event ids",
}
_HISTORY: Final = ("messages", "deliveries", "attempts")


@dataclass(slots=True)
class Kind:
    """What is stored of one kind. Payloads are part of messages' tables, and counted here by themselves."""

    name: str
    rows: int = 0
    bytes: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None


@dataclass(frozen=True, slots=True)
class Week:
    """What one week's partitions hold, with their indexes, and when they are dropped (None: never)."""

    week: date
    bytes: int
    rows: int
    leaves_at: datetime | None


@dataclass(frozen=True, slots=True)
class Sizes:
    """Everything that is in Postgres."""

    kinds: list[Kind]
    weeks: list[Week]
    # Bytes of history a day, by this week's partitions, or by last week's while this one is young; None: unknown.
    rate: int | None
    # Deliveries that are still due although history as old as theirs has left; 10,000 at most are counted.
    kept: int
    # Organizations with a payload retention of their own, 10,000 at most, and its days.
    payload_days: dict[str, int]

    @property
    def bytes(self) -> int:
        """Of everything."""
        return sum(kind.bytes for kind in self.kinds)

    def steady_bytes(self, days: int) -> int | None:
        """What everything comes to if the rate stays, shortly before a week leaves; None if that is unknown."""
        if self.rate is None or not days:
            return None
        history = sum(week.bytes for week in self.weeks)
        return self.bytes - history + self.rate * (days + weeks.WEEK.days)


async def sizes(connection: asyncpg.Connection, days: int, now: datetime) -> Sizes:
    """Measure everything, with a retention of so many days (0: for ever)."""
    rows = await connection.fetch(_TABLES)
    kinds = {name: Kind(name) for name in ("messages", "payloads", "deliveries", "attempts", "queue", "event ids")}
    kinds |= {name: Kind(name) for name in ("everything else", "indexes")}
    found: dict[date, tuple[int, int]] = {}
    for row in rows:
        kind = kinds[_KINDS.get(row["family"], "everything else")]
        payloads = min(row["payload_bytes"], row["bytes"])
        kind.rows += row["rows"]
        kind.bytes += row["bytes"] - payloads
        kinds["payloads"].bytes += payloads
        kinds["indexes"].bytes += row["index_bytes"]
        week = weeks.named(row["name"].rpartition("_")[2]) if row["family"] in _HISTORY else None
        if week is not None:
            had = found.get(week, (0, 0))
            found[week] = had[0] + row["bytes"] + row["index_bytes"], had[1] + row["rows"]
    for name, statement in _SPANS.items():
        span = await connection.fetchrow(statement)
        if span["oldest"] is not None:
            kinds[name].oldest, kinds[name].newest = ids.created_at(span["oldest"]), ids.created_at(span["newest"])
    retention = timedelta(days=days)
    listed = [
        Week(week, size, count, weeks.end(week) + retention if days else None)
        for week, (size, count) in sorted(found.items())
    ]
    oldest = ids.floor_id("msg", now - retention if days else datetime.fromtimestamp(0, now.tzinfo))
    return Sizes(
        [*kinds.values()],
        listed,
        _rate(listed, kinds["messages"].oldest, now),
        await connection.fetchval(_KEPT, oldest, _MOST_COUNTED),
        {row["id"]: row["payload_retention_days"] for row in await connection.fetch(_ORGANIZATIONS, _MOST_COUNTED)},
    )


def _rate(listed: Sequence[Week], oldest: datetime | None, now: datetime) -> int | None:
    """Bytes a day: of this week, once it is a day old or there is none before it; else of the last one."""
    this = weeks.week_of(now)
    of_week = {week.week: week for week in listed if week.rows}
    last = of_week.get(this - weeks.WEEK)
    if this in of_week and (last is None or now - weeks.beginning(this) >= timedelta(days=1)):
        since = max(weeks.beginning(this), oldest or weeks.beginning(this))
        # What was written in the first minutes is mostly pages that are not full.
        lasted = max(now - since, timedelta(hours=1))
        return int(of_week[this].bytes / (lasted / timedelta(days=1)))
    if last is None:
        return None
    lasted = weeks.beginning(this) - max(weeks.beginning(last.week), oldest or weeks.beginning(last.week))
    return int(last.bytes / max(lasted / timedelta(days=1), 1 / 24))
