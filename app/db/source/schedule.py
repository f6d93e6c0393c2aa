"""Sources that make messages by themselves, at times that they have: which are due, and moving them on."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg
import orjson

from app import clock
from app.db.message.new import NewMessage
from app.db.message.publish import store

_BITE: Final = 100

# What it protects: whoever has locked a source makes its message and moves it on in one transaction, so that each
# occurrence is one message, however many look at once; others pass over it.
_DUE: Final = """
SELECT id, organization_id, application_id, options, forwards_original, next_run_at FROM sources
WHERE next_run_at <= $1 AND deleted_at IS NULL ORDER BY next_run_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""
_MOVE_ON: Final = """
UPDATE sources s SET next_run_at = i.next_run_at FROM unnest($1::text[], $2::timestamptz[]) AS i(id, next_run_at)
WHERE s.id = i.id
"""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time of a source, at which it makes a message. `options` are the fields of its config."""

    source_id: str
    organization_id: str
    application_id: str
    options: dict[str, str]
    forwards_original: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class Made:
    """What came of a look at what is due: how many sources, and the shards in which something is due by them."""

    sources: int
    shards: set[int]


async def make_due(
    pool: asyncpg.Pool,
    message_of: Callable[[Occurrence], NewMessage],
    run_after: Callable[[Occurrence, datetime], datetime | None],
) -> Made:
    """Make the messages of all sources whose time has come: one of each, however often it came while nobody looked."""
    made, shards = 0, set[int]()
    while True:
        now = clock.now()
        async with pool.acquire() as connection, connection.transaction():
            due = [_occurrence(row) for row in await connection.fetch(_DUE, now, _BITE)]
            if due:
                _, rung = await store(connection, [message_of(each) for each in due])
                shards |= rung
                next_runs = [run_after(each, now) for each in due]
                await connection.execute(_MOVE_ON, [each.source_id for each in due], next_runs)
        made += len(due)
        if len(due) < _BITE:
            return Made(made, shards)


def _occurrence(row: asyncpg.Record) -> Occurrence:
    options: dict[str, str] = orjson.loads(row["options"])
    return Occurrence(
        row["id"], row["organization_id"], row["application_id"], options, row["forwards_original"], row["next_run_at"]
    )
