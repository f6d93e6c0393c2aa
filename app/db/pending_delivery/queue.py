"""The queue as the worker sees it: read what is due, and record what came of it. Both many at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

_CLAIMED: Final = """
    q.message_id, q.endpoint_id, q.application_id, q.shard, q.tries, q.trigger, q.next_attempt_at, e.revision,
    e.rate_limit, e.deleted_at IS NOT NULL OR (e.disabled AND q.trigger = 0) AS canceled
"""

# A shard has one owner, so that reading is claiming: nothing is written until there is an outcome.
_DUE_OF_SHARDS: Final = f"""
SELECT {_CLAIMED}
FROM unnest($1::smallint[], $2::timestamptz[], $3::integer[]) AS s(shard, since, room)
CROSS JOIN LATERAL (
    SELECT p.* FROM pending_deliveries p
    WHERE p.shard = s.shard AND p.next_attempt_at >= s.since AND p.next_attempt_at <= now()
      AND p.endpoint_id <> ALL ($4::text[])
    ORDER BY p.next_attempt_at LIMIT s.room
) q
JOIN endpoints e ON e.id = q.endpoint_id
"""

_DUE_OF_ENDPOINTS: Final = f"""
SELECT {_CLAIMED}
FROM unnest($1::text[], $2::timestamptz[], $3::integer[]) AS s(endpoint_id, since, room)
CROSS JOIN LATERAL (
    SELECT p.* FROM pending_deliveries p
    WHERE p.endpoint_id = s.endpoint_id AND p.next_attempt_at >= s.since AND p.next_attempt_at <= now()
    ORDER BY p.next_attempt_at LIMIT s.room
) q
JOIN endpoints e ON e.id = q.endpoint_id
"""

_PAYLOADS: Final = "SELECT m.id, m.payload FROM unnest($1::text[]) AS i(id) JOIN messages m ON m.id = i.id"

# What it protects: an outcome counts only if the delivery is still where it was when it was claimed (`tries`), so that
# a worker that lost its lease and wakes up later records nothing; and attempt, state and queue change together.
_RECORD: Final = """
WITH input AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::smallint[], $4::smallint[], $5::float8[], $6::text[], $7::text[],
                         $8::smallint[], $9::smallint[], $10::bytea[], $11::integer[], $12::smallint[])
        AS i(message_id, endpoint_id, tries, state, delay, attempt_id, url, status, code, response, milliseconds,
             trigger)
), ended AS (
    DELETE FROM pending_deliveries p USING input i
    WHERE p.message_id = i.message_id AND p.endpoint_id = i.endpoint_id AND p.tries = i.tries AND i.delay IS NULL
    RETURNING i.*, p.application_id
), retried AS (
    UPDATE pending_deliveries p
    SET tries = p.tries + 1, trigger = 0, next_attempt_at = now() + make_interval(secs => i.delay)
    FROM input i
    WHERE p.message_id = i.message_id AND p.endpoint_id = i.endpoint_id AND p.tries = i.tries AND i.delay IS NOT NULL
    RETURNING i.*, p.application_id
), kept AS (
    SELECT * FROM ended UNION ALL SELECT * FROM retried
), tried AS (
    INSERT INTO attempts (id, message_id, endpoint_id, application_id, url, status, trigger, response_status_code,
                          response, response_duration_ms)
    SELECT attempt_id, message_id, endpoint_id, application_id, url, status, trigger, code, response, milliseconds
    FROM kept WHERE attempt_id IS NOT NULL
), outcomes AS (
    INSERT INTO deliveries AS d (message_id, endpoint_id, application_id, state, attempts)
    SELECT message_id, endpoint_id, application_id, state, (attempt_id IS NOT NULL)::integer FROM kept
    ON CONFLICT (message_id, endpoint_id) DO UPDATE
        SET state = excluded.state, attempts = d.attempts + excluded.attempts, updated_at = now()
        -- One that ended before, and was queued again by a resend, keeps its outcome if that is canceled.
        WHERE excluded.state <> 4 OR d.state = 1
)
SELECT message_id, endpoint_id FROM kept
"""

_POSTPONE: Final = """
UPDATE pending_deliveries SET next_attempt_at = now() + interval '1 minute'
WHERE message_id = $1 AND endpoint_id = $2 AND tries = $3
"""

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A due delivery, as it was when it was read."""

    message_id: str
    endpoint_id: str
    application_id: str
    shard: int
    tries: int
    trigger: int
    next_attempt_at: datetime
    # Of the endpoint's settings; a cached copy with another number is stale.
    revision: int
    # Of the endpoint: sends a second.
    rate_limit: int | None
    # The endpoint was deleted or disabled: the delivery ends without an attempt.
    canceled: bool

    @property
    def key(self) -> Key:
        return self.message_id, self.endpoint_id


@dataclass(frozen=True, slots=True)
class Source:
    """A part of the queue to read: from `since` on, at most `room` rows."""

    since: datetime
    room: int


@dataclass(frozen=True, slots=True)
class Attempted:
    """One HTTP try, to be kept for ever."""

    id: str
    url: str
    status: int
    code: int
    response: bytes
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Recording:
    """What came of a claimed delivery: its new state, the wait before the next attempt (None: it ended)."""

    claimed: Claimed
    state: int
    delay: float | None
    attempt: Attempted | None


class DeliveryQueue:
    """Reads and records due deliveries of every organization: the worker delivers for all of them."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def due_of_shards(self, shards: Mapping[int, Source], without_endpoints: Sequence[str]) -> list[Claimed]:
        """What is due in each shard, oldest first, but for some endpoints."""
        since, room = [s.since for s in shards.values()], [s.room for s in shards.values()]
        rows = await self._pool.fetch(_DUE_OF_SHARDS, list(shards), since, room, without_endpoints)
        return [Claimed(*row) for row in rows]

    async def due_of_endpoints(self, endpoints: Mapping[str, Source]) -> list[Claimed]:
        """What is due of each endpoint, oldest first."""
        since, room = [s.since for s in endpoints.values()], [s.room for s in endpoints.values()]
        rows = await self._pool.fetch(_DUE_OF_ENDPOINTS, list(endpoints), since, room)
        return [Claimed(*row) for row in rows]

    async def payloads(self, message_ids: Sequence[str]) -> dict[str, bytes | None]:
        """The payloads of messages, byte for byte; None for one that was expunged."""
        return {row["id"]: row["payload"] for row in await self._pool.fetch(_PAYLOADS, message_ids)}

    async def record(self, recordings: Sequence[Recording]) -> set[Key]:
        """Keep what came of deliveries; returns those that were kept: the others had moved on meanwhile."""
        attempts = [r.attempt for r in recordings]
        rows = await self._pool.fetch(
            _RECORD,
            [r.claimed.message_id for r in recordings],
            [r.claimed.endpoint_id for r in recordings],
            [r.claimed.tries for r in recordings],
            [r.state for r in recordings],
            [r.delay for r in recordings],
            [a.id if a else None for a in attempts],
            [a.url if a else None for a in attempts],
            [a.status if a else None for a in attempts],
            [a.code if a else None for a in attempts],
            [a.response if a else None for a in attempts],
            [a.milliseconds if a else None for a in attempts],
            [r.claimed.trigger for r in recordings],
        )
        return {(row["message_id"], row["endpoint_id"]) for row in rows}

    async def postpone(self, claimed: Claimed) -> None:
        """Leave a delivery, of which nothing could be recorded, alone for a minute."""
        await self._pool.execute(_POSTPONE, claimed.message_id, claimed.endpoint_id, claimed.tries)
