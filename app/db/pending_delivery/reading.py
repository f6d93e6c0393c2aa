"""The statements that read the queue. Their rows are those of `Claimed`, column by column."""

from typing import Final

# Of each statement: whether any application is throttled, which is what a look-up for each row may find.
_LIST: Final = """
    q.message_id, q.endpoint_id, q.application_id, q.shard, q.tries, q.trigger, q.next_attempt_at, e.revision,
    e.rate_limit, e.deleted_at IS NOT NULL OR (e.disabled AND q.trigger = 0) AS canceled, q.line,
    -- In this order, so that nothing is looked up for a delivery that is in no line, or is not to be sent.
    CASE WHEN q.position IS NULL OR e.deleted_at IS NOT NULL OR (e.disabled AND q.trigger = 0) THEN false
    ELSE EXISTS (
        SELECT FROM pending_deliveries w
        WHERE w.shard = q.shard AND w.endpoint_id = q.endpoint_id AND w.line = q.line AND w.position IS NOT NULL
          AND w.position < q.position
    ) END AS waits,
    CASE WHEN {throttled} THEN (SELECT a.rate_limit FROM applications a WHERE a.id = q.application_id) END
        AS application_rate
"""

_SMALL_BYTES: Final = 4096

# A shard has one owner, so that reading is claiming: nothing is written until there is an outcome.
DUE_OF_SHARDS: Final = f"""
SELECT {_LIST.format(throttled="$6")},
    CASE WHEN $5 THEN (
        SELECT m.payload FROM messages m
        WHERE m.id = q.message_id AND octet_length(m.payload) <= {_SMALL_BYTES} AND m.transformations_params IS NULL
          AND m.received IS NULL
    ) END AS payload
FROM unnest($1::smallint[], $2::timestamptz[], $3::integer[]) AS s(shard, since, room)
CROSS JOIN LATERAL (
    SELECT p.* FROM pending_deliveries p
    WHERE p.shard = s.shard AND p.next_attempt_at >= s.since AND p.next_attempt_at <= now()
      AND (p.trigger = 1 OR p.endpoint_id <> ALL ($4::text[]))
    ORDER BY p.next_attempt_at LIMIT s.room
) q
JOIN endpoints e ON e.id = q.endpoint_id
"""

DUE_OF_ENDPOINTS: Final = f"""
SELECT {_LIST.format(throttled="$4")}
FROM unnest($1::text[], $2::timestamptz[], $3::integer[]) AS s(endpoint_id, since, room)
CROSS JOIN LATERAL (
    SELECT p.* FROM pending_deliveries p
    WHERE p.endpoint_id = s.endpoint_id AND p.next_attempt_at >= s.since AND p.next_attempt_at <= now()
    ORDER BY p.next_attempt_at LIMIT s.room
) q
JOIN endpoints e ON e.id = q.endpoint_id
"""

FIRST_OF_LINES: Final = f"""
SELECT {_LIST.format(throttled="$4")}
FROM unnest($1::smallint[], $2::text[], $3::bigint[]) AS l(shard, endpoint_id, line)
CROSS JOIN LATERAL (
    SELECT p.* FROM pending_deliveries p
    WHERE p.shard = l.shard AND p.endpoint_id = l.endpoint_id AND p.line = l.line AND p.position IS NOT NULL
    ORDER BY p.position LIMIT 1
) q
JOIN endpoints e ON e.id = q.endpoint_id
WHERE q.next_attempt_at <= now()
"""

# One probe of the index for each endpoint, however much waits for it.
ENDPOINTS_AFTER: Final = """
WITH RECURSIVE found AS (
    (SELECT endpoint_id, shard, next_attempt_at, 1 AS place FROM pending_deliveries
     WHERE endpoint_id > $1 ORDER BY endpoint_id, next_attempt_at LIMIT 1)
    UNION ALL
    SELECT n.endpoint_id, n.shard, n.next_attempt_at, f.place + 1 FROM found f
    CROSS JOIN LATERAL (
        SELECT p.* FROM pending_deliveries p
        WHERE p.endpoint_id > f.endpoint_id ORDER BY p.endpoint_id, p.next_attempt_at LIMIT 1
    ) n
    WHERE f.place < $2
)
SELECT endpoint_id, next_attempt_at < now() - interval '5 seconds' FROM found ORDER BY place
"""

PAYLOADS: Final = """
SELECT m.id, m.payload, m.stored_bytes, m.stored_digest, m.transformations_params, m.received
FROM unnest($1::text[]) AS i(id) JOIN messages m ON m.id = i.id
"""
