"""Hop 3: one statement stores a whole batch of messages and what must be delivered of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from app.db.message.new import Extras, NewMessage, Publication, Refusal, Stored

IDEMPOTENCY_HOURS: Final = 12

# The endpoints that want a message `m`.
WANT: Final = """
    e.application_id = m.application_id AND e.deleted_at IS NULL AND NOT e.disabled
        AND (e.event_types IS NULL OR m.event_type = ANY (e.event_types))
        AND (e.channels IS NULL OR e.channels && string_to_array(m.channels, ','))
"""

# What it protects: a message, the claims on its event id and idempotency key, and its deliveries are committed together
# or not at all. The application is checked here, not in a cache, so that nothing is accepted for a deleted one, and the
# endpoints are matched here, so that one that any process created a moment ago gets the message. Claims are made in one
# order everywhere, so that two batches with the same claims wait for each other, but never in a circle. A delivery to
# an ordered endpoint takes its position here: what was acknowledged before this statement began has a lower one. The
# message keeps how many deliveries were made of it, counted by themselves, for the ledger.
_STATEMENT: Final = f"""
WITH input AS (
    SELECT i.*
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bytea[],
                $9::bytea[], $10::bytea[]{{arrays}}) WITH ORDINALITY
        AS i(id, organization_id, application_id, uid, event_type, event_id, channels, payload, key, request_hash
             {{names}}, place)
    -- Laterally, and not to be flattened: one look-up by key for each message, however many applications there are.
    CROSS JOIN LATERAL (
        SELECT FROM applications a
        WHERE a.id = i.application_id AND a.organization_id = i.organization_id AND a.deleted_at IS NULL
          AND NOT a.operational
          AND (i.uid IS NULL OR a.uid = i.uid)
        OFFSET 0
    ) live
), fresh AS (
    SELECT * FROM input i
    -- Not as EXISTS, for which the planner may hash the whole table.
    WHERE i.event_id IS NULL OR (
        SELECT e.message_id FROM message_event_ids e
        WHERE e.application_id = i.application_id AND e.event_id = i.event_id) IS NULL
), keyed AS (
    INSERT INTO idempotency_keys AS k (organization_id, key, request_hash, message_id)
    SELECT organization_id, key, request_hash, id FROM fresh WHERE key IS NOT NULL ORDER BY organization_id, key
    ON CONFLICT (organization_id, key) DO UPDATE
        SET request_hash = excluded.request_hash, message_id = excluded.message_id, created_at = excluded.created_at
        WHERE k.created_at < now() - interval '{IDEMPOTENCY_HOURS} hours'
    RETURNING message_id
), accepted AS (
    SELECT * FROM fresh WHERE key IS NULL OR id IN (SELECT message_id FROM keyed)
), named AS (
    INSERT INTO message_event_ids (application_id, event_id, message_id)
    SELECT application_id, event_id, id FROM accepted WHERE event_id IS NOT NULL ORDER BY application_id, event_id
), stored AS (
    INSERT INTO messages (id, application_id, event_type, event_id, channels, payload, deliveries{{columns}})
    SELECT id, application_id, event_type, event_id, string_to_array(channels, ','), {{payload}},
           (SELECT count(*) FROM endpoints e WHERE {WANT}{{unless}}){{values}}
    FROM accepted m
), queued AS (
    INSERT INTO pending_deliveries (message_id, endpoint_id, application_id, shard, position, line{{due_column}})
    SELECT m.id, e.id, m.application_id, e.shard,
           -- The sub-select is asked once, if at all: a batch takes one number, and its messages the places behind it.
           CASE WHEN e.ordered_by IS NOT NULL{{in_line}} THEN (SELECT next_position()) + m.place END,
           CASE WHEN e.ordered_by IS NOT NULL{{in_line}} THEN line_of(m.payload, e.ordered_by) END{{due}}
    FROM accepted m JOIN endpoints e ON {WANT}{{unless}}
    RETURNING shard
){{expiring}}
SELECT id, true AS accepted, now() AS created_at, (SELECT array_agg(DISTINCT shard) FROM queued) AS shards FROM accepted
UNION ALL
-- What may have been refused; those that are in both were not.
SELECT id, false, NULL, NULL FROM input WHERE event_id IS NOT NULL OR key IS NOT NULL
"""
_PUBLISH: Final = _STATEMENT.format(
    arrays="",
    names="",
    columns="",
    payload="payload",
    values="",
    unless="",
    due_column="",
    in_line="",
    due="",
    expiring="",
)

# The same for batches in which a payload is in the payload store, or a message has extras, or arrived at a source. All
# others pay nothing for that. What is stored elsewhere comes along all the same: an ordered endpoint's line is read
# from it. What is to be delivered later is in no line: those behind it would wait for it. What arrived at a source that
# is paused is delivered to nobody yet.
_PUBLISH_WITH_EXTRAS: Final = _STATEMENT.format(
    arrays=", $11::integer[], $12::bytea[], $13::integer[], $14::text[], $15::timestamptz[], $16::bytea[], $17::text[],"
    " $18::bytea[], $19::boolean[]",
    names=", stored_bytes, stored_digest, payload_hours, tags, deliver_at, transformations_params, source_id, received,"
    " held",
    columns=", stored_bytes, stored_digest, payload_days, tags, deliver_at, transformations_params, source_id,"
    " received",
    payload="CASE WHEN stored_digest IS NULL THEN payload END",
    values=", stored_bytes, stored_digest, (payload_hours + 23) / 24, string_to_array(tags, ','), deliver_at,"
    " transformations_params, source_id, received",
    unless=" AND NOT m.held",
    due_column=", next_attempt_at",
    in_line=" AND m.deliver_at IS NULL",
    due=", coalesce(m.deliver_at, now())",
    expiring=""", expiring AS (
    INSERT INTO payload_expiries (expires_at, message_id)
    SELECT now() + make_interval(hours => payload_hours), id FROM accepted WHERE payload_hours IS NOT NULL
), holding AS (
    INSERT INTO held_messages (source_id, message_id) SELECT source_id, id FROM accepted WHERE held ORDER BY place
)""",
)

_REPLAY: Final = f"""
SELECT k.message_id, k.request_hash, k.created_at FROM idempotency_keys k
WHERE organization_id = $1 AND key = $2 AND created_at >= now() - interval '{IDEMPOTENCY_HOURS} hours'
"""

_APPLICATION: Final = "SELECT id FROM applications WHERE organization_id = $1 AND uid = $2 AND deleted_at IS NULL"


_NO_EXTRAS: Final = Extras()

# What a statement fails with because of one message in it, and not because of Postgres.
_OF_ONE_MESSAGE: Final = (
    asyncpg.UniqueViolationError,
    asyncpg.CardinalityViolationError,
    asyncpg.DataError,
    asyncpg.DeadlockDetectedError,
)


@dataclass(frozen=True, slots=True)
class Replay:
    """What was published under an idempotency key before."""

    message_id: str
    request_hash: bytes
    created_at: datetime


async def store(
    connection: asyncpg.Pool | asyncpg.Connection, batch: Sequence[NewMessage]
) -> tuple[list[Publication], set[int]]:
    """Store a batch in one statement; what came of each message, and which shards have something due by it.

    UniqueViolationError if somebody else claims the same event id or idempotency key at this moment.
    """
    columns = (
        [m.id for m in batch],
        [m.organization_id for m in batch],
        [m.application_id for m in batch],
        [m.uid for m in batch],
        [m.event_type for m in batch],
        [m.event_id for m in batch],
        [",".join(m.channels) if m.channels else None for m in batch],
        [m.payload for m in batch],
        [m.key for m in batch],
        [m.request_hash for m in batch],
    )
    if all(m.is_usual for m in batch):
        rows = await connection.fetch(_PUBLISH, *columns)
    else:
        extras = [m.extras or _NO_EXTRAS for m in batch]
        rows = await connection.fetch(
            _PUBLISH_WITH_EXTRAS,
            *columns,
            [m.stored.size if m.stored else None for m in batch],
            [m.stored.digest if m.stored else None for m in batch],
            [extra.payload_hours for extra in extras],
            [",".join(extra.tags) if extra.tags else None for extra in extras],
            [extra.deliver_at for extra in extras],
            [extra.transformations_params for extra in extras],
            [m.arrival.source_id if m.arrival else None for m in batch],
            [m.arrival.received if m.arrival else None for m in batch],
            [m.arrival is not None and m.arrival.is_held for m in batch],
        )
    found: dict[str, Publication] = {}
    for row in rows:
        if row["accepted"]:
            found[row["id"]] = Stored(row["created_at"])
        else:
            found.setdefault(row["id"], Refusal.TAKEN)
    shards = set(rows[0]["shards"] or ()) if rows else set()
    return [found.get(m.id, Refusal.NO_APPLICATION) for m in batch], shards


class Publishing:
    """Writes batches of messages. Each batch is one statement, and so one transaction."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def publish(self, batch: Sequence[NewMessage]) -> tuple[list[Publication | Exception], set[int]]:
        """Store a batch; says for each message what came of it, and which shards have something due now.

        Two messages that claim one event id or idempotency key at the same moment make the statement fail: then
        each is stored on its own, so that the second meets the first, and no neighbour suffers. Raises what a lost
        connection raises; once some are stored, it is the outcome of the others.
        """
        try:
            stored, shards = await store(self._pool, batch)
        except _OF_ONE_MESSAGE:
            return await self._publish_each(batch)
        return [*stored], shards

    async def _publish_each(self, batch: Sequence[NewMessage]) -> tuple[list[Publication | Exception], set[int]]:
        results: list[Publication | Exception] = []
        shards: set[int] = set()
        for message in batch:
            try:
                try:
                    stored, due = await store(self._pool, [message])
                except asyncpg.UniqueViolationError:
                    # Another process claimed the same event id at this moment; now its claim can be seen.
                    stored, due = await store(self._pool, [message])
            except _OF_ONE_MESSAGE as error:
                results.append(error)
            except Exception as error:
                results += [error] * (len(batch) - len(results))
                break
            else:
                results += stored
                shards |= due
        return results, shards

    async def replay_of(self, organization_id: str, key: bytes) -> Replay | None:
        """What an idempotency key stands for, if it was used in the last hours."""
        row = await self._pool.fetchrow(_REPLAY, organization_id, key)
        return Replay(row["message_id"], bytes(row["request_hash"]), row["created_at"]) if row else None

    async def application_of(self, organization_id: str, uid: str) -> str | None:
        """The id of the organization's application with that uid."""
        found: str | None = await self._pool.fetchval(_APPLICATION, organization_id, uid)
        return found
