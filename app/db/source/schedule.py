"""Sources of type `cron`: when they make a message, and making it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg
import orjson
from cronsim import CronSim, CronSimError

from app import clock, ids
from app.db.message.new import Arrival, NewMessage
from app.db.message.publish import store
from app.db.source.model import CRON
from app.receiving.contract import Request
from app.receiving.record import Received, pack, payload_of

EVENT_TYPE: Final = CRON
_FIELDS: Final = 5
_JSON: Final = "application/json"
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
class Made:
    """What came of a look at what is due: how many sources, and the shards in which something is due by them."""

    sources: int
    shards: set[int]


def next_run(schedule: str, after: datetime) -> datetime:
    """The first time of a cron expression after a time; both in UTC. ValueError, with what to do, for a bad one."""
    if len(schedule.split()) != _FIELDS:
        raise ValueError("the schedule has five fields: minute, hour, day of the month, month, day of the week")
    try:
        found: datetime = next(CronSim(schedule, after))
    except CronSimError as error:
        raise ValueError(f"the schedule cannot be read: {error}. Write it as `*/5 * * * *`") from None
    except StopIteration:
        raise ValueError("the schedule names a day that never comes") from None
    except (AssertionError, ValueError):
        raise ValueError("the schedule cannot be read: write it as `*/5 * * * *`") from None
    return found


async def make_due(pool: asyncpg.Pool) -> Made:
    """Make the messages of all sources whose time has come: one of each, however often it came while nobody looked."""
    made, shards = 0, set[int]()
    while True:
        now = clock.now()
        async with pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(_DUE, now, _BITE)
            if rows:
                _, due = await store(connection, [_message(row) for row in rows])
                shards |= due
                await connection.execute(_MOVE_ON, [row["id"] for row in rows], _next_runs(rows, now))
        made += len(rows)
        if len(rows) < _BITE:
            return Made(made, shards)


def _next_runs(rows: Sequence[asyncpg.Record], now: datetime) -> list[datetime | None]:
    return [_next_run_or_never(_options(row).get("schedule", ""), now) for row in rows]


def _next_run_or_never(schedule: str, now: datetime) -> datetime | None:
    try:
        return next_run(schedule, now)
    except ValueError:
        # It was good once, and names one last day.
        return None


def _message(row: asyncpg.Record) -> NewMessage:
    """The message of one occurrence, as if it had been posted to the source."""
    options = _options(row)
    headers = (("content-type", options.get("contentType") or _JSON),)
    request = Request("POST", "", headers, options.get("payload", "").encode())
    payload = payload_of(request)
    received = Received(
        request.method, "", headers, None if payload is request.body else request.body, row["forwards_original"]
    )
    return NewMessage(
        ids.new_id("msg"),
        row["organization_id"],
        row["application_id"],
        None,
        EVENT_TYPE,
        f"{row['id']}.{row['next_run_at'].timestamp():.0f}",
        None,
        payload,
        None,
        None,
        arrival=Arrival(row["id"], pack(received)),
    )


def _options(row: asyncpg.Record) -> dict[str, str]:
    options: dict[str, str] = orjson.loads(row["options"])
    return options
