"""How far deliveries are, as the Svix database tells it: by its attempts, or by its destinations.

A newer server keeps nothing but attempts: the last one says what came of a delivery, and the last one of the schedule
whether there is to be another. An older one has a row for each delivery; what is later of the two counts.
"""

from typing import Final

# status of an attempt: 0 success, 1 pending, 2 fail, 3 sending. State of ours: 0 delivered, 2 failed.
FIND_PAIRS: Final = """
INSERT INTO import_pairs
WITH tried AS (
    SELECT message_id, endpoint_id, count(*) FILTER (WHERE status IN (0, 2)) AS attempts,
           count(*) FILTER (WHERE status = 2 AND trigger = 0) AS tries,
           bool_or(status = 0) AS has_succeeded,
           bool_or(status NOT IN (0, 2)) AS is_under_way,
           (array_agg(status ORDER BY id DESC) FILTER (WHERE status IN (0, 2)))[1] AS last_status,
           (array_agg(next_attempt_at ORDER BY id DESC) FILTER (WHERE trigger = 0))[1] AS next_attempt_at,
           max(created_at) AS last_at
    FROM import_attempts GROUP BY message_id, endpoint_id
), destined AS (
    SELECT DISTINCT ON (message_id, endpoint_id) message_id, endpoint_id, status, next_attempt_at, updated_at
    FROM import_destinations ORDER BY message_id, endpoint_id, updated_at DESC
), both_of AS (
    SELECT message_id, endpoint_id, coalesce(t.attempts, 0) AS attempts, coalesce(t.tries, 0) AS tries,
           greatest(t.last_at, d.updated_at) AS updated_at, f.by_destination,
           CASE WHEN f.by_destination THEN d.next_attempt_at ELSE t.next_attempt_at END AS next_attempt_at,
           CASE WHEN f.by_destination THEN d.status IN (1, 3)
                ELSE NOT t.has_succeeded AND (t.is_under_way OR t.next_attempt_at IS NOT NULL) END AS is_pending,
           CASE WHEN CASE WHEN f.by_destination THEN d.status ELSE t.last_status END = 0 THEN 0 ELSE 2 END AS state
    FROM tried t FULL JOIN destined d USING (message_id, endpoint_id)
    CROSS JOIN LATERAL (
        SELECT d.status IS NOT NULL AND (t.last_at IS NULL OR d.updated_at >= t.last_at) AS by_destination) f
)
SELECT b.message_id, k.application_id, b.endpoint_id, b.state, least(b.attempts, 32767), least(b.tries, 32767),
       b.next_attempt_at, b.updated_at, b.is_pending,
       o.updated_at IS NULL AND NOT w.waits,
       -- Something waits here, or was canceled, or was tried by us.
       w.waits OR coalesce(o.state = 4, false) OR (o.updated_at IS NOT NULL AND EXISTS (
           SELECT FROM attempts a
           WHERE a.message_id = b.message_id AND a.endpoint_id = b.endpoint_id AND NOT EXISTS (
               SELECT FROM import_attempts s WHERE s.id = a.id AND s.message_id = b.message_id))),
       o.updated_at, false
FROM both_of b
JOIN import_known k ON k.id = b.message_id
LEFT JOIN deliveries o ON o.message_id = b.message_id AND o.endpoint_id = b.endpoint_id
                      AND o.message_id >= %(low)s AND o.message_id <= %(high)s
CROSS JOIN LATERAL (
    SELECT EXISTS (SELECT FROM pending_deliveries p
                   WHERE p.message_id = b.message_id AND p.endpoint_id = b.endpoint_id) AS waits) w
"""

# Those that are to be delivered by us: if there is something to send, and somebody who wants it.
MARK_QUEUED: Final = """
UPDATE import_pairs p SET is_queued = true
FROM endpoints e, applications a, import_messages s
WHERE p.is_pending AND NOT p.has_moved_on
  AND e.id = p.endpoint_id AND e.application_id = p.application_id AND NOT e.disabled AND e.deleted_at IS NULL
  AND a.id = p.application_id AND a.deleted_at IS NULL
  AND s.id = p.message_id AND s.payload IS NOT NULL AND s.expires_at > now()
"""
