"""Retry schedules of event types and organizations, as the worker needs them: when something has failed."""

from collections.abc import Sequence
from typing import Final

import asyncpg

_EXIST: Final = """
SELECT EXISTS (SELECT FROM event_types WHERE retry_schedule IS NOT NULL)
    OR EXISTS (SELECT FROM organizations WHERE retry_schedule IS NOT NULL)
"""

_OF_MESSAGES: Final = """
SELECT m.id, coalesce(t.retry_schedule, o.retry_schedule) AS retry_schedule
FROM unnest($1::text[]) AS i(id)
JOIN messages m ON m.id = i.id
JOIN applications a ON a.id = m.application_id
JOIN organizations o ON o.id = a.organization_id
LEFT JOIN event_types t ON t.organization_id = a.organization_id AND t.name = m.event_type
WHERE coalesce(t.retry_schedule, o.retry_schedule) IS NOT NULL
"""


async def schedules_exist(pool: asyncpg.Pool) -> bool:
    """Whether any event type or organization has a schedule of its own."""
    found: bool = await pool.fetchval(_EXIST)
    return found


async def schedules_of(pool: asyncpg.Pool, message_ids: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """The schedules of messages whose event types or organizations have one: seconds before each retry."""
    rows = await pool.fetch(_OF_MESSAGES, message_ids)
    return {row["id"]: tuple(row["retry_schedule"]) for row in rows}
