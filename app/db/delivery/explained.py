"""The SQL that finds what explains a message: how it is with each endpoint, in one look, so that nothing moves between.

On the main server: what a replica shows of the queue, and of leases, is behind.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app import ids
from app.db.base import Window

# So many of those before it in its line are counted.
_MOST_AHEAD: Final = 1000
# So many entries of one endpoint are read, the oldest of them: those tell how it was.
_MOST_ENTRIES: Final = 100
# Bytes of what is kept of an attempt that had no answer: why.
_LONGEST_CAUSE: Final = 300

_MESSAGE: Final = text("""
SELECT m.id, m.event_type, m.channels, m.created_at, m.deliver_at, m.deliveries,
       m.payload IS NOT NULL OR m.stored_digest IS NOT NULL AS has_payload,
       m.source_id IS NOT NULL AND EXISTS (SELECT FROM held_messages h WHERE h.message_id = m.id) AS is_held,
       m.source_id IS NOT NULL AS is_received,
       (SELECT count(*) FROM deliveries d WHERE d.message_id = m.id AND d.application_id = m.application_id)
       + (SELECT count(*) FROM pending_deliveries p
          -- Not as EXISTS, for which the planner may read more than what is asked for.
          WHERE p.message_id = m.id AND p.application_id = m.application_id AND (
              SELECT d.state FROM deliveries d
              WHERE d.message_id = p.message_id AND d.endpoint_id = p.endpoint_id) IS NULL) AS found,
       coalesce(t.retry_schedule, o.retry_schedule) AS retry_schedule, now() AS now
FROM messages m
JOIN organizations o ON o.id = :organization_id
LEFT JOIN event_types t ON t.organization_id = o.id AND t.name = m.event_type
WHERE m.id = :message_id AND m.application_id = :application_id
""")

# All endpoints that there are, and those that were deleted since something was made for them.
_STANDINGS: Final = """
WITH due AS MATERIALIZED (
    SELECT * FROM pending_deliveries WHERE message_id = :message_id AND application_id = :application_id
), ended AS MATERIALIZED (
    SELECT * FROM deliveries WHERE message_id = :message_id AND application_id = :application_id
), named AS (
    (SELECT id FROM endpoints WHERE application_id = :application_id AND deleted_at IS NULL AND id {beyond} :cursor
     ORDER BY id {order} LIMIT :limit)
    UNION SELECT endpoint_id FROM due WHERE endpoint_id {beyond} :cursor
    UNION SELECT endpoint_id FROM ended WHERE endpoint_id {beyond} :cursor
), page AS MATERIALIZED (
    SELECT id FROM named ORDER BY id {order} LIMIT :limit
), last AS MATERIALIZED (
    SELECT DISTINCT ON (endpoint_id) * FROM (
        SELECT a.endpoint_id, a.id, a.created_at, a.status, a.trigger, a.response_status_code, a.response_duration_ms,
               CASE WHEN a.response_status_code = 0 THEN substring(a.response FROM 1 FOR {cause}) END AS cause
        FROM attempts a
        WHERE a.message_id = :message_id AND a.id > :first_attempt AND a.application_id = :application_id
          AND a.endpoint_id = ANY (ARRAY(SELECT id FROM page))
    ) a ORDER BY endpoint_id, id DESC
)
SELECT e.id, e.uid, e.url, e.disabled, e.event_types, e.channels, e.created_at, e.updated_at, e.deleted_at,
       e.rate_limit, t.endpoint_id IS NOT NULL AS has_transformation,
       h.opened_at, h.paused_until, h.throttled_since, coalesce(s.leased_until > now(), false) AS is_served,
       d.message_id IS NOT NULL AS is_due, nullif(d.next_attempt_at, 'infinity') AS next_attempt_at, d.tries,
       d.trigger = 1 AS is_asked, w.ahead, w.first_id,
       n.state, n.updated_at AS ended_at, coalesce(n.attempts, 0) AS attempts, n.called_off,
       l.id AS attempt_id, l.created_at AS attempted_at, l.status AS attempt_status, l.trigger AS attempt_trigger,
       l.response_status_code, l.response_duration_ms, l.cause
FROM page
JOIN endpoints e ON e.id = page.id AND e.application_id = :application_id
LEFT JOIN due d ON d.endpoint_id = e.id
LEFT JOIN ended n ON n.endpoint_id = e.id
LEFT JOIN last l ON l.endpoint_id = e.id
LEFT JOIN endpoint_transformations t ON t.endpoint_id = e.id AND t.enabled
LEFT JOIN shards s ON s.shard = e.shard
-- Health that was learned before the endpoint was changed says nothing.
LEFT JOIN endpoint_health h ON h.endpoint_id = e.id AND (h.revision = 0 OR h.revision >= e.revision)
LEFT JOIN LATERAL (
    SELECT count(*) AS ahead, min(x.message_id) FILTER (WHERE x.place = 1) AS first_id FROM (
        SELECT o.message_id, row_number() OVER (ORDER BY o.position) AS place FROM pending_deliveries o
        WHERE o.shard = d.shard AND o.endpoint_id = d.endpoint_id AND o.line = d.line AND o.position IS NOT NULL
          AND o.position < d.position
        ORDER BY o.position LIMIT {ahead}
    ) x
) w ON d.position IS NOT NULL
ORDER BY e.id {order}
"""

# Of each endpoint's wants, by the audit log: what each was before it was changed, since a time.
_CHANGES: Final = text(f"""
SELECT c.* FROM unnest(CAST(:endpoint_ids AS text[])) AS i(endpoint_id)
CROSS JOIN LATERAL (
    SELECT i.endpoint_id, a.created_at AS at, f.key AS setting, f.value -> 'before' AS before
    FROM (
        SELECT * FROM audit_entries
        WHERE organization_id = :organization_id AND target = i.endpoint_id AND id > :since
        ORDER BY id LIMIT {_MOST_ENTRIES}
    ) a
    CROSS JOIN LATERAL jsonb_array_elements(a.changes) AS change
    CROSS JOIN LATERAL jsonb_each(change -> 'fields') AS f
    WHERE change ->> 'entity' = 'endpoint' AND change ->> 'id' = i.endpoint_id
      AND f.key IN ('disabled', 'event_types', 'channels')
    ORDER BY a.id
) c
""")


@dataclass(frozen=True, slots=True)
class ExplainedMessage:
    """What of a message says who gets it, and when."""

    id: str
    event_type: str
    channels: Sequence[str] | None
    created_at: datetime
    deliver_at: datetime | None
    # As counted when they were made, and as found now.
    deliveries: int | None
    has_payload: bool
    is_held: bool
    is_received: bool
    found: int
    # Seconds before each retry; None: those of the settings.
    retry_schedule: Sequence[float] | None
    # By the clock that says what is due.
    now: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """One endpoint, and all that there is between it and a message; column by column. None where there is nothing."""

    id: str
    uid: str | None
    url: str
    disabled: bool
    event_types: Sequence[str] | None
    channels: Sequence[str] | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    rate_limit: int | None
    has_transformation: bool
    opened_at: datetime | None
    paused_until: datetime | None
    throttled_since: datetime | None
    is_served: bool
    # In the queue.
    is_due: bool
    next_attempt_at: datetime | None
    tries: int | None
    is_asked: bool | None
    ahead: int | None
    first_id: str | None
    # In history.
    state: int | None
    ended_at: datetime | None
    attempts: int
    called_off: bool | None
    # The last attempt.
    attempt_id: str | None
    attempted_at: datetime | None
    attempt_status: int | None
    attempt_trigger: int | None
    response_status_code: int | None
    response_duration_ms: int | None
    cause: bytes | None

    @property
    def is_more_ahead(self) -> bool:
        """There may be more before it in its line than were counted."""
        return self.ahead == _MOST_AHEAD


@dataclass(frozen=True, slots=True)
class SettingChanged:
    """One of the settings by which an endpoint gets messages, as it was before a change."""

    endpoint_id: str
    at: datetime
    setting: str
    before: bool | Sequence[str] | str | None


class ExplainedTable:
    """What explains the messages of one application."""

    def __init__(self, session: AsyncSession, organization_id: str, application_id: str) -> None:
        self._session = session
        self._owner = {"organization_id": organization_id, "application_id": application_id}

    async def message(self, message_id: str) -> ExplainedMessage | None:
        """The message with that id."""
        row = (await self._session.execute(_MESSAGE, {**self._owner, "message_id": message_id})).one_or_none()
        return None if row is None else ExplainedMessage(**row._mapping)

    async def page(self, message_id: str, window: Window) -> tuple[list[Standing], bool]:
        """One page of the endpoints in the order of their ids, and whether nothing follows in that direction."""
        upwards = window.ascending != window.backwards
        statement = _STANDINGS.format(
            beyond=">" if upwards else "<",
            order="ASC" if upwards else "DESC",
            cause=_LONGEST_CAUSE,
            ahead=_MOST_AHEAD,
        )
        values = {
            "application_id": self._owner["application_id"],
            "message_id": message_id,
            "first_attempt": ids.before_attempts(message_id),
            # No id is before the one, or behind the other.
            "cursor": window.cursor or ("" if upwards else "~"),
            "limit": window.limit + 1,
        }
        rows = [Standing(*row) for row in await self._session.execute(text(statement), values)]
        page = rows[: window.limit]
        return page[::-1] if window.backwards else page, len(rows) <= window.limit

    async def changes(self, endpoint_ids: Sequence[str], since: datetime) -> list[SettingChanged]:
        """What was changed about endpoints since a time, of each in that order."""
        values = {
            "organization_id": self._owner["organization_id"],
            "endpoint_ids": list(endpoint_ids),
            "since": ids.floor_id("audit", since),
        }
        return [SettingChanged(**row._mapping) for row in await self._session.execute(_CHANGES, values)]
