"""Operational webhooks are written by the statement that makes the change of which they tell: a crash loses neither.

Each is a message of the organization's operational application, with its deliveries; what follows is as for any other.
"""

from typing import Final

LOG_EVENT_TYPE: Final = "message.attempt.log"
"""That of attempt_log.py. Only those get it who name it: all others would be flooded."""

_HAVE_INGEST: Final = (
    "endpoint.disabled",
    "message.attempt.exhausted",
    "message.attempt.failing",
    "message.attempt.recovered",
)
"""Those that are told as `ingest.…`, with the source in place of the application, where that was made for a source."""

# An index finds the sources of an application; it is asked about these types only, and where somebody may listen. A
# source that was deleted with its application still names what is told of it; one that left its application to other
# sources does not.
_INGEST: Final = f"""
    LEFT JOIN LATERAL (
        SELECT 'ingest.' || h.event_type AS event_type, jsonb_build_object('sourceId', s.id) AS owner
        FROM sources s
        WHERE s.application_id = a.id AND s.owns_application AND (s.deleted_at IS NULL OR a.deleted_at IS NOT NULL)
          AND h.event_type IN ({", ".join(f"'{name}'" for name in _HAVE_INGEST)})
          AND o.operational_application_id IS NOT NULL
        LIMIT 1
    ) i ON true"""

_STORE: Final = f"""
), wanted AS (
    SELECT t.*, e.id AS endpoint_id, e.shard,
           CASE WHEN e.ordered_by IS NOT NULL THEN next_position() END AS position,
           CASE WHEN e.ordered_by IS NOT NULL THEN line_of(t.payload, e.ordered_by) END AS line
    FROM told t
    JOIN endpoints e ON e.application_id = t.application_id AND e.deleted_at IS NULL AND NOT e.disabled
        AND (e.event_types IS NULL AND t.event_type <> '{LOG_EVENT_TYPE}' OR t.event_type = ANY (e.event_types))
), told_messages AS (
    INSERT INTO messages (id, application_id, event_type, payload, deliveries)
    SELECT DISTINCT ON (id) id, application_id, event_type, payload, count(*) OVER (PARTITION BY id) FROM wanted
), told_deliveries AS (
    INSERT INTO pending_deliveries (message_id, endpoint_id, application_id, shard, position, line)
    SELECT id, endpoint_id, application_id, shard, position, line FROM wanted
    RETURNING shard
)
"""

TELLING: Final = f"""
told AS (
    SELECT h.id, coalesce(i.event_type, h.event_type) AS event_type, o.operational_application_id AS application_id,
           convert_to(
               jsonb_build_object(
                   'type', coalesce(i.event_type, h.event_type),
                   'data', jsonb_strip_nulls(
                       coalesce(i.owner, jsonb_build_object('appId', a.id, 'appUid', a.uid)) || h.data))::text,
               'UTF8') AS payload
    FROM happened h
    -- What happens to the operational endpoints themselves is not told: there would be no end to it.
    JOIN applications a ON a.id = h.application_id AND NOT a.operational
    JOIN organizations o ON o.id = a.organization_id
{_INGEST}
{_STORE}"""
"""The end of a WITH clause. It tells what its `happened` (id, event_type, application_id, data) holds, to whoever
subscribed, and stores nothing for an organization where nobody did; `told_deliveries` has the shards to ring for.

`id` is the new message's, `application_id` is whose endpoint it is about, `data` (jsonb) is the event's own fields:
those of the application, or of the source that it was made for, are added, and those that are null left out.
"""

TELLING_ORGANIZATION: Final = f"""
told AS (
    SELECT h.id, h.event_type, o.operational_application_id AS application_id,
           convert_to(jsonb_build_object('type', h.event_type, 'data', h.data)::text, 'UTF8') AS payload
    FROM happened h JOIN organizations o ON o.id = h.organization_id
{_STORE}"""
"""As TELLING, of what is about no application: `happened` has an `organization_id`."""
