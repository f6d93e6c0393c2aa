"""Lines: the deliveries of an ordered endpoint that must arrive one after the other, in the order of their positions.

Only the first of a line may be sent. Those behind it are parked (`next_attempt_at` is infinity) as soon as they are
read, so that a long line costs a reading no more than a short one. It always holds that in front of a parked
delivery, in its line, there is one that is not parked: whoever takes a delivery out of the queue calls the next one, in
the same transaction; and parking holds the first one of the line, so that it cannot be taken out at the same moment.
"""

from typing import Final, NamedTuple


class Line(NamedTuple):
    """One line: the number is a hash of the key, 0 without one."""

    shard: int
    endpoint_id: str
    number: int


# All of a disabled or deleted endpoint are to be canceled, in whatever order, and so are called many at once.
_MOST_CALLED: Final = 1000

# A statement of its own: it must see what was parked until the deletion before it took effect.
CALL_NEXT: Final = f"""
WITH next AS MATERIALIZED (
    SELECT w.message_id, w.endpoint_id
    FROM (SELECT DISTINCT * FROM unnest($1::smallint[], $2::text[], $3::bigint[])) AS l(shard, endpoint_id, line)
    JOIN endpoints e ON e.id = l.endpoint_id
    CROSS JOIN LATERAL (
        SELECT w.message_id, w.endpoint_id, w.next_attempt_at FROM pending_deliveries w
        WHERE w.shard = l.shard AND w.endpoint_id = l.endpoint_id AND w.line = l.line AND w.position IS NOT NULL
        ORDER BY w.position
        LIMIT CASE WHEN e.disabled OR e.deleted_at IS NOT NULL THEN {_MOST_CALLED} ELSE 1 END
    ) w
    WHERE NOT isfinite(w.next_attempt_at)
)
UPDATE pending_deliveries p SET next_attempt_at = now() FROM next
-- Not as an equation: the planner would look all that are parked up in an index by time.
WHERE p.message_id = next.message_id AND p.endpoint_id = next.endpoint_id AND NOT isfinite(p.next_attempt_at)
"""

# What it protects: nothing is parked without somebody in front who will call it. KEY SHARE keeps the first of a line
# from being taken out until the parking is committed; one that is being taken out at this moment is passed over, and
# what is then the first is not parked. One that is parked itself, for whatever reason, is called.
PARK: Final = """
WITH asked AS MATERIALIZED (
    SELECT i.*, f.message_id AS first_id, f.position AS first_position, f.next_attempt_at AS first_attempt_at
    FROM unnest($1::text[], $2::text[], $3::smallint[], $4::bigint[], $5::timestamptz[])
        AS i(message_id, endpoint_id, shard, line, next_attempt_at)
    CROSS JOIN LATERAL (
        SELECT w.message_id, w.position, w.next_attempt_at FROM pending_deliveries w
        WHERE w.shard = i.shard AND w.endpoint_id = i.endpoint_id AND w.line = i.line AND w.position IS NOT NULL
        ORDER BY w.position LIMIT 1
        FOR KEY SHARE SKIP LOCKED
    ) f
), called AS (
    UPDATE pending_deliveries p SET next_attempt_at = now() FROM asked i
    WHERE p.message_id = i.first_id AND p.endpoint_id = i.endpoint_id AND NOT isfinite(i.first_attempt_at)
      AND NOT isfinite(p.next_attempt_at)
)
UPDATE pending_deliveries p SET next_attempt_at = 'infinity' FROM asked i
WHERE p.message_id = i.message_id AND p.endpoint_id = i.endpoint_id AND p.position > i.first_position
  AND p.next_attempt_at IS NOT DISTINCT FROM i.next_attempt_at
"""
