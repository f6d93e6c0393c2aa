"""What background tasks count of all of an organization's applications, a bounded number of rows at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

_APPLICATIONS: Final = """
    SELECT a.id, a.uid FROM applications a
    WHERE a.organization_id = $1 AND a.id > $2 AND a.deleted_at IS NULL AND NOT a.operational
      AND ($3::text[] IS NULL OR a.id = ANY ($3)) ORDER BY a.id LIMIT $4
"""

# What was published before messages counted their deliveries has them counted here.
_DELIVERIES: Final = f"""
SELECT a.id, a.uid, s.messages, s.deliveries, s.last
FROM ({_APPLICATIONS}) a
CROSS JOIN LATERAL (
    SELECT count(*)::integer AS messages, coalesce(sum(m.deliveries), 0)::bigint AS deliveries, max(m.id) AS last
    FROM (
        SELECT m.id, coalesce(m.deliveries, (SELECT count(*) FROM deliveries d WHERE d.message_id = m.id)) AS deliveries
        FROM messages m WHERE m.application_id = a.id AND m.id >= $5 AND m.id < $6 ORDER BY m.id LIMIT $7
    ) m
) s
ORDER BY a.id
"""

_SUBSCRIPTIONS: Final = f"""
SELECT a.id,
    ARRAY(SELECT DISTINCT t.name FROM endpoints e CROSS JOIN unnest(e.event_types) AS t(name)
          WHERE e.application_id = a.id AND e.deleted_at IS NULL ORDER BY t.name) AS event_types,
    EXISTS (SELECT FROM endpoints e
            WHERE e.application_id = a.id AND e.deleted_at IS NULL AND e.event_types IS NULL) AS catches_all
FROM ({_APPLICATIONS}) a
ORDER BY a.id
"""

_EVENT_TYPE_BYTES: Final = """
SELECT coalesce(sum(octet_length(coalesce(schemas::text, '')) + octet_length(description) + 300), 0)::bigint
FROM event_types WHERE organization_id = $1 AND NOT archived
"""
_EVENT_TYPES: Final = """
SELECT name, description, schemas::text, deprecated, group_name, feature_flags
FROM event_types WHERE organization_id = $1 AND NOT archived ORDER BY name
"""


@dataclass(frozen=True, slots=True)
class Which:
    """Of an organization at most so many applications after one, in the order of their ids; or only some."""

    organization_id: str
    after: str
    only: Sequence[str] | None
    most: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What was counted of an application: `messages` were looked at, the last of them `last`."""

    application_id: str
    uid: str | None
    messages: int
    deliveries: int
    last: str | None


@dataclass(frozen=True, slots=True)
class Subscription:
    """The event types that an application's endpoints name, and whether one of them takes all."""

    application_id: str
    event_types: list[str]
    catches_all: bool


async def usage(connection: asyncpg.Connection, which: Which, since: str, until: str, messages: int) -> list[Usage]:
    """The deliveries made of messages with ids from `since` to `until`, of each application the first so many."""
    rows = await connection.fetch(
        _DELIVERIES, which.organization_id, which.after, which.only, which.most, since, until, messages
    )
    return [Usage(*row) for row in rows]


async def subscriptions(connection: asyncpg.Connection, which: Which) -> list[Subscription]:
    """To what each application subscribes."""
    rows = await connection.fetch(_SUBSCRIPTIONS, which.organization_id, which.after, which.only, which.most)
    return [Subscription(*row) for row in rows]


async def event_type_bytes(connection: asyncpg.Connection, organization_id: str) -> int:
    """About how large all event types are, as JSON."""
    size: int = await connection.fetchval(_EVENT_TYPE_BYTES, organization_id)
    return size


async def all_event_types(connection: asyncpg.Connection, organization_id: str) -> list[asyncpg.Record]:
    """All event types that are not archived, with their schemas as text."""
    found: list[asyncpg.Record] = await connection.fetch(_EVENT_TYPES, organization_id)
    return found
