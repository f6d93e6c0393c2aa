"""Pending deliveries of an endpoint that are called off, by the age of their messages."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar

import asyncpg
from pydantic import BaseModel

from app.db.pending_delivery.lines import CALL_NEXT

# What it protects: as for a deleted endpoint (table.py), a canceled delivery leaves the queue and enters history in one
# step. What is being recorded at this moment is passed over, and counted: it may be about to wait for a retry.
_CANCEL: Final = """
WITH walked AS MATERIALIZED (
    SELECT {columns} FROM pending_deliveries
    WHERE endpoint_id = $1 AND application_id = $2 AND {where} AND ({key}) > ($4, $5)
    ORDER BY {key} LIMIT $6
), wanted AS MATERIALIZED (
    SELECT message_id FROM walked WHERE message_id < $3
), found AS MATERIALIZED (
    SELECT p.message_id FROM wanted w
    JOIN pending_deliveries p ON p.message_id = w.message_id AND p.endpoint_id = $1 FOR UPDATE OF p SKIP LOCKED
), canceled AS (
    DELETE FROM pending_deliveries p USING found f WHERE p.message_id = f.message_id AND p.endpoint_id = $1
    RETURNING p.message_id, p.endpoint_id, p.application_id, p.tries, p.shard, p.line, p.position
), history AS (
    INSERT INTO deliveries AS d (message_id, endpoint_id, application_id, state, attempts, called_off)
    SELECT message_id, endpoint_id, application_id, 4, greatest(tries, 0), true FROM canceled
    ON CONFLICT (message_id, endpoint_id) DO UPDATE
        SET state = 4, called_off = true, updated_at = now()
        -- One that ended before, and was queued again, keeps its outcome; if that is canceled, this is why it stays so.
        WHERE d.state IN (1, 4)
), line AS (
    SELECT DISTINCT shard, line FROM canceled WHERE position IS NOT NULL
)
SELECT (SELECT count(*) FROM canceled) AS canceled, (SELECT count(*) FROM walked) AS walked,
       (SELECT count(*) FROM wanted) - (SELECT count(*) FROM found) AS passed_over,
       (SELECT array_agg(shard) FROM line) AS shards, (SELECT array_agg(line) FROM line) AS lines, last.*
FROM (SELECT 1) one LEFT JOIN (SELECT {key} FROM walked ORDER BY {last} LIMIT 1) last ON true
"""
# All that stands in lines, by the index of lines: those that are parked are of one time, infinity, and no walk by time
# gets on among them.
_IN_LINES: Final = _CANCEL.format(
    columns="message_id, line, position",
    key="line, position",
    last="line DESC, position DESC",
    where="shard = (SELECT shard FROM endpoints WHERE id = $1) AND position IS NOT NULL",
)
# All the others, by their times, of which many are the same.
_BY_TIME: Final = _CANCEL.format(
    columns="next_attempt_at, message_id",
    key="next_attempt_at, message_id",
    last="next_attempt_at DESC, message_id DESC",
    where="next_attempt_at >= $4 AND next_attempt_at < 'infinity'",
)


class CancelArguments(BaseModel):
    """What a task is asked for: messages of an endpoint whose ids are below `before`."""

    endpoint_id: str
    before: str


@dataclass(frozen=True, slots=True)
class LinePlace:
    """In the lines of an endpoint; the place itself has been looked at."""

    line: int
    position: int


@dataclass(frozen=True, slots=True)
class Place:
    """In the queue of an endpoint, without what is parked; the place itself has been looked at."""

    at: datetime
    message_id: str


PlaceT = TypeVar("PlaceT", LinePlace, Place)


@dataclass(frozen=True, slots=True)
class Canceled(Generic[PlaceT]):
    """What became of a stretch of a queue."""

    count: int
    passed_over: int
    """Those that somebody else held at this moment."""
    reached: PlaceT | None
    """Where it ends; None: there is nothing behind it."""


async def cancel_in_lines(
    connection: asyncpg.Connection, application_id: str, endpoint_id: str, before: str, after: LinePlace, limit: int
) -> Canceled[LinePlace]:
    """End what stands in an endpoint's lines of messages below an id; at most `limit` are looked at."""
    place = (after.line, after.position)
    row = await connection.fetchrow(_IN_LINES, endpoint_id, application_id, before, *place, limit)
    reached = LinePlace(row["line"], row["position"]) if row["walked"] == limit else None
    return await _canceled(connection, endpoint_id, row, reached)


async def cancel_by_time(
    connection: asyncpg.Connection, application_id: str, endpoint_id: str, before: str, after: Place, limit: int
) -> Canceled[Place]:
    """End what an endpoint waits for of messages below an id, but for what is parked; at most `limit` are looked at."""
    place = (after.at, after.message_id)
    row = await connection.fetchrow(_BY_TIME, endpoint_id, application_id, before, *place, limit)
    reached = Place(row["next_attempt_at"], row["message_id"]) if row["walked"] == limit else None
    return await _canceled(connection, endpoint_id, row, reached)


async def _canceled(
    connection: asyncpg.Connection, endpoint_id: str, row: asyncpg.Record, reached: PlaceT | None
) -> Canceled[PlaceT]:
    if row["lines"]:
        # Those behind them, if they stay, are the first of their lines now.
        await connection.execute(CALL_NEXT, row["shards"], [endpoint_id] * len(row["lines"]), row["lines"])
    return Canceled(row["canceled"], row["passed_over"], reached)
