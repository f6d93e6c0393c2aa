"""The queue of an endpoint that was deleted, canceled bit by bit."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

# What it protects: a canceled delivery leaves the queue and enters history in one step. Who stood behind it in a line
# is not called: all of them go. Rows that are being recorded are left to that; walked by time, so that what earlier
# bits deleted is not read again, and in no other order, so that many of one time need not be sorted.
_CANCEL: Final = """
WITH found AS MATERIALIZED (
    SELECT message_id, next_attempt_at FROM pending_deliveries
    WHERE endpoint_id = $1 AND application_id = $2 AND next_attempt_at >= $3
    ORDER BY next_attempt_at LIMIT $4 FOR UPDATE SKIP LOCKED
), canceled AS (
    DELETE FROM pending_deliveries p USING found f WHERE p.message_id = f.message_id AND p.endpoint_id = $1
    RETURNING p.message_id, p.endpoint_id, p.application_id, p.tries
), history AS (
    INSERT INTO deliveries AS d (message_id, endpoint_id, application_id, state, attempts)
    SELECT message_id, endpoint_id, application_id, 4, greatest(tries, 0) FROM canceled
    ON CONFLICT (message_id, endpoint_id) DO UPDATE SET state = 4, updated_at = now() WHERE d.state = 1
)
SELECT (SELECT count(*) FROM canceled) AS canceled, (SELECT max(next_attempt_at) FROM found) AS reached
"""
_ANY_LEFT: Final = "SELECT EXISTS (SELECT FROM pending_deliveries WHERE endpoint_id = $1 AND application_id = $2)"


@dataclass(frozen=True, slots=True)
class Emptied:
    """What became of a bit of a queue."""

    canceled: int
    reached: datetime | None
    """From where on there may be more; None: that was all."""


async def cancel_some(
    connection: asyncpg.Connection, application_id: str, endpoint_id: str, since: datetime, limit: int
) -> Emptied:
    """End at most so many deliveries of a deleted endpoint, of those that are due at a time or later."""
    row = await connection.fetchrow(_CANCEL, endpoint_id, application_id, since, limit)
    return Emptied(row["canceled"], None if row["canceled"] < limit else row["reached"])


async def any_left(connection: asyncpg.Connection, application_id: str, endpoint_id: str) -> bool:
    """Whether anything is still to do for an endpoint, be it that somebody records it at this moment."""
    found: bool = await connection.fetchval(_ANY_LEFT, endpoint_id, application_id)
    return found
