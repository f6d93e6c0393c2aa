"""Deliveries of an endpoint that are made again, many at once: which they are, and queueing them.

Each gets one attempt outside of the schedule (-1 tries). Unlike a resend of one it is not `trigger` 1: it waits its
turn, also where the breaker is open, and is canceled if the endpoint is disabled meanwhile.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, assert_never

import asyncpg
from pydantic import BaseModel

from app.payload_store.stored import StoredPayload

_ENDPOINT: Final = """
SELECT shard, disabled, deleted_at IS NOT NULL AS deleted, ordered_by FROM endpoints
WHERE id = $1 AND application_id = $2
"""

# What is due, or parked in a line: what waits for a retry in an hour is not in the way.
_WAITING: Final = """
SELECT count(*) FROM (
    (SELECT FROM pending_deliveries WHERE endpoint_id = $1 AND next_attempt_at <= now() LIMIT $2)
    UNION ALL
    (SELECT FROM pending_deliveries WHERE endpoint_id = $1 AND next_attempt_at = 'infinity' LIMIT $2)
) p
"""

# A walk looks at so many rows of an index, in order, and says of each whether it is wanted: so a bite is short however
# few are. Deliveries that wait in the queue are left alone, whatever came of them before. The message must still be
# stored; its payload is looked at without being read.
_WALK: Final = """
WITH walked AS MATERIALIZED ({walk})
SELECT w.message_id, m.payload IS NOT NULL OR m.stored_digest IS NOT NULL AS has_payload,
       m.stored_bytes, m.stored_digest,
       coalesce(m.id IS NOT NULL AND (
           SELECT p.tries FROM pending_deliveries p WHERE p.message_id = w.message_id AND p.endpoint_id = $1
       ) IS NULL AND {wanted}, false) AS wanted
FROM walked w
-- LIMIT keeps it a look-up by key, and so does a scalar sub-select. As a join, or with EXISTS, the planner would go
-- through all that there is, as long as it takes that for little.
LEFT JOIN LATERAL (SELECT * FROM messages WHERE id = w.message_id LIMIT 1) m ON m.application_id = $2
ORDER BY w.message_id
"""
_DELIVERIES: Final = """
    (SELECT message_id, attempts, called_off AND state = 4 AS is_off FROM deliveries
     WHERE endpoint_id = $1 AND application_id = $2 AND message_id > $3 AND message_id < $4 {condition}
     ORDER BY message_id LIMIT $5)
"""
# As in `deliveries.state`.
_DELIVERED: Final = 0
_FAILED: Final = 2
_CANCELED: Final = 4
State = Literal[0, 2, 4]
# As constants in the statements, so that Postgres knows that indexes of their own hold some.
_IN_STATE: Final[dict[State, str]] = {
    state: _DELIVERIES.format(condition=f"AND state = {state}") for state in (_DELIVERED, _FAILED, _CANCELED)
}
# Those that were canceled after they had failed, because the endpoint was disabled, count as failed. What somebody had
# canceled is off, and stays so.
_FAILURES: Final = f"""
{_IN_STATE[_FAILED]} UNION ALL {_IN_STATE[_CANCELED]} ORDER BY message_id LIMIT $5
"""
FAILED: Final = _WALK.format(walk=_FAILURES, wanted="w.attempts > 0 AND w.is_off IS NOT TRUE")

_ABOUT: Final = """
    ($6::text[] IS NULL OR m.event_type = ANY ($6::text[])) AND ($7::text IS NULL OR $7::text = ANY (m.channels))
    AND ($8::text IS NULL OR $8::text = ANY (m.tags))
    -- What the last attempt was answered with.
    AND ($9::smallint IS NULL OR $9::smallint = (
        SELECT a.response_status_code / 100 * 100
        FROM (SELECT * FROM attempts WHERE message_id = w.message_id OFFSET 0) a
        WHERE a.endpoint_id = $1 ORDER BY a.id DESC LIMIT 1))
"""
_ANY: Final = _DELIVERIES.format(condition="")
SENT: Final = _WALK.format(walk=_ANY, wanted=f"w.attempts > 0 AND {_ABOUT}")
SENT_IN_STATE: Final = {state: _WALK.format(walk=walk, wanted=_ABOUT) for state, walk in _IN_STATE.items()}

# Also what was canceled without ever having been tried, unless somebody wanted it so. What is yet to be published stays
# so.
MISSING: Final = _WALK.format(
    walk="""
    SELECT id AS message_id FROM messages
    WHERE application_id = $2 AND id > $3 AND id < $4 ORDER BY id LIMIT $5
    """,
    wanted="""
       (m.deliver_at IS NULL OR m.deliver_at <= now())
       AND EXISTS (
           SELECT FROM endpoints e WHERE e.id = $1
             AND (e.event_types IS NULL OR m.event_type = ANY (e.event_types))
             AND (e.channels IS NULL OR e.channels && m.channels))
       AND coalesce((
           SELECT d.state = 4 AND d.attempts = 0 AND d.called_off IS NOT TRUE FROM deliveries d
           WHERE d.message_id = w.message_id AND d.endpoint_id = $1), true)
    """,
)

# In the order of the messages, in which ordered endpoints get them, behind what waits there already. What somebody else
# has queued at this moment is left to it.
_QUEUE: Final = """
INSERT INTO pending_deliveries (message_id, endpoint_id, application_id, shard, tries, position, line)
SELECT m.id, e.id, e.application_id, e.shard, -1,
       CASE WHEN e.ordered_by IS NOT NULL THEN (SELECT next_position()) + i.place END,
       CASE WHEN e.ordered_by IS NOT NULL THEN line_of(coalesce(i.payload, m.payload), e.ordered_by) END
FROM unnest($3::text[], $4::bytea[]) WITH ORDINALITY AS i(message_id, payload, place)
JOIN LATERAL (SELECT * FROM messages WHERE id = i.message_id LIMIT 1) m ON m.application_id = $2
JOIN endpoints e ON e.id = $1 AND e.application_id = $2
ORDER BY i.place
ON CONFLICT DO NOTHING
RETURNING message_id
"""

# What it protects: of two replays, or workers, that want a message at the same moment one sends it. A statement of its
# own, because what ended after the walk is seen only now; nobody sees what this transaction has queued.
_TAKE_BACK_SENT: Final = """
DELETE FROM pending_deliveries p
WHERE p.endpoint_id = $1 AND p.application_id = $2 AND p.message_id = ANY ($3::text[]) AND EXISTS (
    SELECT FROM deliveries d
    WHERE d.message_id = p.message_id AND d.endpoint_id = $1
      AND NOT (d.state = 4 AND d.attempts = 0 AND d.called_off IS NOT TRUE))
RETURNING p.message_id
"""

# What it protects: the ledger counts a delivery that was made after its message was published, once. A statement of its
# own: the one before may have waited for a delivery to end, which only now can be seen.
_COUNT_NEW: Final = """
UPDATE messages m SET deliveries = deliveries + 1
WHERE id = ANY ($3::text[]) AND (application_id = $2) IS TRUE
  AND (SELECT d.state FROM deliveries d WHERE d.message_id = m.id AND d.endpoint_id = $1) IS NULL
"""


class ReplayArguments(BaseModel):
    """What a task is asked for: the messages between two ids, which were made between two times; None: any."""

    endpoint_id: str
    after: str
    before: str
    since: datetime
    until: datetime
    event_types: list[str] | None = None
    channel: str | None = None
    tag: str | None = None
    status: State | None = None
    status_code_class: int | None = None


Walk = Literal["recover", "replay-missing", "bulk-replay"]


def statement_of(walk: Walk, wanted: ReplayArguments) -> str:
    """Which of the walks above finds what is wanted."""
    match walk:
        case "recover":
            return FAILED
        case "replay-missing":
            return MISSING
        case "bulk-replay":
            return SENT if wanted.status is None else SENT_IN_STATE[wanted.status]
        case _:
            assert_never(walk)


def about_of(walk: Walk, wanted: ReplayArguments) -> "About | None":
    """What a walk is told of the messages; None for those that look at deliveries alone."""
    if walk != "bulk-replay":
        return None
    return About(wanted.event_types, wanted.channel, wanted.tag, wanted.status_code_class)


@dataclass(frozen=True, slots=True)
class Target:
    """The endpoint whose deliveries are made again."""

    id: str
    application_id: str
    shard: int
    disabled: bool
    deleted: bool
    ordered_by: str | None


@dataclass(frozen=True, slots=True)
class Stretch:
    """Messages by their ids, both exclusive, of which at most `limit` are looked at."""

    after: str
    before: str
    limit: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A delivery that was looked at."""

    message_id: str
    wanted: bool
    has_payload: bool
    stored: StoredPayload | None


@dataclass(frozen=True, slots=True)
class About:
    """Which messages are meant; None stands for any."""

    event_types: Sequence[str] | None = None
    channel: str | None = None
    tag: str | None = None
    code_class: int | None = None


class Replaying:
    """Has deliveries of whichever organization made again: the worker does it for all of them."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def target(self, application_id: str, endpoint_id: str) -> Target | None:
        """The application's endpoint, deleted or not."""
        row = await self._connection.fetchrow(_ENDPOINT, endpoint_id, application_id)
        return None if row is None else Target(endpoint_id, application_id, *row)

    async def waiting(self, target: Target, most: int) -> int:
        """How many of its deliveries wait to be sent; `most` or more if there are as many."""
        found: int = await self._connection.fetchval(_WAITING, target.id, most)
        return found

    async def walk(
        self, statement: str, target: Target, stretch: Stretch, about: About | None = None
    ) -> list[Candidate]:
        """The next of one of the walks above, in order; fewer than the limit at the end. `about` if it asks so."""
        where = [target.id, target.application_id, stretch.after, stretch.before, stretch.limit]
        if about is not None:
            where += [about.event_types, about.channel, about.tag, about.code_class]
        return [
            Candidate(key, wanted, has_payload, StoredPayload(key, size, digest) if digest else None)
            for key, has_payload, size, digest, wanted in await self._connection.fetch(statement, *where)
        ]

    async def queue(
        self, target: Target, message_ids: Sequence[str], payloads: Mapping[str, bytes], *, only_missing: bool = False
    ) -> int:
        """Have messages sent to the endpoint, once each; how many were not queued already.

        `payloads`: those that are in the payload store, if the endpoint is ordered by what is in them. `only_missing`:
        those that somebody else had sent since the walk are left alone.
        """
        given = [payloads.get(key) for key in message_ids]
        rows = await self._connection.fetch(_QUEUE, target.id, target.application_id, message_ids, given)
        queued = [row["message_id"] for row in rows]
        if only_missing and queued:
            sent = await self._connection.fetch(_TAKE_BACK_SENT, target.id, target.application_id, queued)
            queued = [key for key in queued if key not in {row["message_id"] for row in sent}]
        await self._connection.execute(_COUNT_NEW, target.id, target.application_id, queued)
        return len(queued)
