"""How much waits of an organization, an application or an endpoint: looked at in bounded time, however much it is."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.rollup.scope import Scope

COUNTED: Final = 50_000
"""Of each kind that are counted, at most."""
_ENDPOINTS: Final = 1_000

# From one endpoint for which anything waits to the next, by the index that begins with them.
_WAITING: Final = """
waiting AS (
    (SELECT endpoint_id FROM pending_deliveries ORDER BY endpoint_id LIMIT 1)
    UNION ALL
    SELECT (SELECT p.endpoint_id FROM pending_deliveries p WHERE p.endpoint_id > w.endpoint_id
            ORDER BY p.endpoint_id LIMIT 1)
    FROM waiting w WHERE w.endpoint_id IS NOT NULL
), found AS MATERIALIZED (
    SELECT endpoint_id AS id FROM waiting WHERE endpoint_id IS NOT NULL LIMIT :endpoints
), ours AS MATERIALIZED (
    SELECT f.id FROM found f JOIN endpoints e ON e.id = f.id JOIN applications a ON a.id = e.application_id
    WHERE a.organization_id = :scope_id AND NOT a.operational
)"""
_ENDPOINTS_OF: Final = {
    "organization": _WAITING,
    "application": """
found AS MATERIALIZED (
    SELECT id FROM endpoints WHERE application_id = :scope_id AND deleted_at IS NULL ORDER BY id LIMIT :endpoints
), ours AS MATERIALIZED (SELECT id FROM found)""",
    "endpoint": """
found AS MATERIALIZED (SELECT id FROM endpoints WHERE id = :scope_id LIMIT :endpoints),
ours AS MATERIALIZED (SELECT id FROM found)""",
}
# Endpoint by endpoint, until there are enough. LATERAL with its OFFSET keeps the planner from reading all that waits.
_COUNT: Final = """(SELECT count(*) FROM (
        SELECT FROM ours o CROSS JOIN LATERAL (
            SELECT FROM pending_deliveries p WHERE p.endpoint_id = o.id AND {condition} OFFSET 0) p
        LIMIT :most) s)"""
_BACKLOG: Final = f"""
WITH RECURSIVE {{endpoints}}
SELECT {_COUNT.format(condition="p.next_attempt_at <= now()")},
    {_COUNT.format(condition="p.next_attempt_at > now() AND p.next_attempt_at < 'infinity'")},
    {_COUNT.format(condition="p.next_attempt_at = 'infinity'")},
    (SELECT extract(epoch FROM now() - min(first.next_attempt_at))::float8
     FROM ours o CROSS JOIN LATERAL (
        SELECT p.next_attempt_at FROM pending_deliveries p WHERE p.endpoint_id = o.id
        ORDER BY p.next_attempt_at LIMIT 1) first
     WHERE first.next_attempt_at <= now()),
    (SELECT count(*) FROM found)
"""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits: to be sent, for a later time, or behind others in a line."""

    due: int
    later: int
    in_line: int
    oldest_due_seconds: float | None
    is_more: bool
    """There may be more than was counted."""


async def backlog_of(
    session: AsyncSession, scope: Scope, *, most: int = COUNTED, endpoints: int = _ENDPOINTS
) -> Backlog:
    """What waits of a scope; of each kind at most so many are counted, at so many endpoints that are looked at."""
    sql = text(_BACKLOG.format(endpoints=_ENDPOINTS_OF[scope.kind]))
    values = {"scope_id": scope.id, "most": most, "endpoints": endpoints}
    due, later, in_line, oldest, found = (await session.execute(sql, values)).one()
    is_more = max(due, later, in_line) == most or (scope.kind != "endpoint" and found == endpoints)
    return Backlog(due, later, in_line, oldest, is_more)
