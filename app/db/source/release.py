"""What a paused source took in is delivered once it goes on: its messages get their deliveries, in bites."""

from typing import Final

import asyncpg

from app.db.message.publish import WANT

BITE: Final = 200

# One probe of the index for each source that holds any, however many each holds.
_GOING_ON: Final = """
WITH RECURSIVE holding AS (
    (SELECT source_id FROM held_messages ORDER BY source_id LIMIT 1)
    UNION ALL
    SELECT (SELECT n.source_id FROM held_messages n WHERE n.source_id > h.source_id ORDER BY n.source_id LIMIT 1)
    FROM holding h WHERE h.source_id IS NOT NULL
)
SELECT h.source_id FROM holding h JOIN sources s ON s.id = h.source_id WHERE NOT s.paused OR s.deleted_at IS NOT NULL
"""
# What it protects: a message leaves the list in the transaction that makes its deliveries, and the ledger counts those
# that are made. Somebody may have had some of it delivered meanwhile; that is not done again. Of a payload that is in
# the payload store no line can be told: it waits for all that is before it.
_RELEASE: Final = f"""
WITH taken AS (
    DELETE FROM held_messages WHERE source_id = $1 AND position = ANY (ARRAY(
        SELECT position FROM held_messages WHERE source_id = $1 ORDER BY position LIMIT {BITE} FOR UPDATE))
      -- It may have been paused again.
      AND EXISTS (SELECT FROM sources WHERE id = $1 AND (NOT paused OR deleted_at IS NOT NULL))
    RETURNING message_id, position
), held AS (
    SELECT m.id, m.application_id, m.event_type, array_to_string(m.channels, ',') AS channels, m.payload,
           row_number() OVER (ORDER BY t.position) AS place
    FROM taken t CROSS JOIN LATERAL (SELECT * FROM messages WHERE id = t.message_id LIMIT 1) m
), queued AS (
    INSERT INTO pending_deliveries (message_id, endpoint_id, application_id, shard, position, line)
    SELECT m.id, e.id, m.application_id, e.shard,
           CASE WHEN e.ordered_by IS NOT NULL THEN (SELECT next_position()) + m.place END,
           CASE WHEN e.ordered_by IS NOT NULL THEN line_of(m.payload, e.ordered_by) END
    FROM held m JOIN endpoints e ON {WANT}
    WHERE NOT EXISTS (SELECT FROM deliveries d WHERE d.message_id = m.id AND d.endpoint_id = e.id)
    ON CONFLICT DO NOTHING
    RETURNING message_id, shard
), counted AS (
    UPDATE messages m SET deliveries = m.deliveries + q.made
    FROM (SELECT message_id, count(*) AS made FROM queued GROUP BY message_id) q WHERE m.id = q.message_id
)
SELECT (SELECT count(*) FROM taken) AS count, (SELECT array_agg(DISTINCT shard) FROM queued) AS shards
"""


async def sources_going_on(pool: asyncpg.Pool) -> list[str]:
    """The sources that hold messages, and are not paused, of every organization."""
    return [row["source_id"] for row in await pool.fetch(_GOING_ON)]


async def release(pool: asyncpg.Pool, source_id: str) -> tuple[int, set[int]]:
    """Make the deliveries of the source's oldest held messages, at most BITE.

    How many were released, and the shards in which something is due by it. Harmless to run twice at once.
    """
    row = await pool.fetchrow(_RELEASE, source_id)
    return row["count"], set(row["shards"] or ())
