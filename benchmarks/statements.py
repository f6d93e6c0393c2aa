"""What each statement of a message's way costs Postgres, as pg_stat_statements counts it during a load."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

LIBRARY = "pg_stat_statements"
# By the first of these that a statement's text matches.
_NAMES = (
    ("publish: messages and what is due", r"INSERT INTO messages"),
    ("record: attempts, outcomes, queue", r"INSERT INTO attempts"),
    ("read payloads", r"SELECT m\.id, m\.payload"),
    ("read what is due", r"FROM pending_deliveries p"),
    ("leases of shards", r"\bshards\b"),
    ("health of endpoints", r"endpoint_health"),
)
_OTHERS = "everything else"
_COUNTED = """
SELECT query, calls, total_exec_time + total_plan_time AS milliseconds, wal_bytes,
       shared_blks_hit + shared_blks_read AS pages
FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, per message of the load. Its time is elapsed time in Postgres, waits for the disk included."""

    name: str
    calls: float
    microseconds: float
    wal_bytes: float
    pages: float
    """Of 8 KiB that were looked at, in shared buffers or read."""


async def reset(dsn: str) -> None:
    """Counting begins now."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SELECT pg_stat_statements_reset()")
    finally:
        await connection.close()


async def counted(dsn: str, messages: int) -> list[Statement]:
    """What has been counted, by statement, the most expensive first."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(_COUNTED)
    finally:
        await connection.close()
    sums: dict[str, list[float]] = {}
    for row in rows:
        total = sums.setdefault(_name(row["query"]), [0.0] * 4)
        values = (row["calls"], row["milliseconds"] * 1000, float(row["wal_bytes"]), row["pages"])
        total[:] = [before + value for before, value in zip(total, values, strict=True)]
    found = [Statement(name, *_per_message(values, messages)) for name, values in sums.items()]
    return sorted(found, key=lambda statement: -statement.microseconds)


def _per_message(values: Sequence[float], messages: int) -> list[float]:
    return [round(value / messages, 3) for value in values]


def _name(query: str) -> str:
    return next((name for name, pattern in _NAMES if re.search(pattern, query)), _OTHERS)
