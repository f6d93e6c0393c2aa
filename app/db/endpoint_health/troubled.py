"""The SQL about endpoints that fail, or are not sent to: the first of them, for whoever looks after them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app import ids
from app.db.rollup.scope import Scope

LISTED: Final = 20
# Of whichever organizations: those that have failed for the longest time.
_LOOKED_AT: Final = 5_000
# How far to look back for what an endpoint answered last; retries are hours apart, and not days.
_RECENT: Final = timedelta(days=7)

# Health that was learned before the endpoint was changed says nothing.
_FAILING: Final = """
WITH failing AS MATERIALIZED (
    SELECT e.id, e.uid, e.url, e.application_id, a.name AS application_name, h.first_failure_at,
           h.consecutive_failures, h.opened_at, h.paused_until
    FROM {healths} h
    JOIN endpoints e ON e.id = h.endpoint_id AND e.deleted_at IS NULL AND NOT e.disabled
         AND (h.revision = 0 OR h.revision >= e.revision)
    JOIN applications a ON a.id = e.application_id
    WHERE {ours} AND NOT a.operational AND a.deleted_at IS NULL AND h.first_failure_at IS NOT NULL
    ORDER BY h.first_failure_at LIMIT :listed
)
SELECT f.id, f.uid, f.url, f.application_id, f.application_name, f.first_failure_at, f.consecutive_failures,
       f.opened_at IS NOT NULL, CASE WHEN f.paused_until > now() THEN f.paused_until END, last.response_status_code
FROM failing f LEFT JOIN LATERAL (
    SELECT t.response_status_code FROM attempts t WHERE t.endpoint_id = f.id AND t.id >= :recent
    ORDER BY t.id DESC LIMIT 1
) last ON true
ORDER BY f.first_failure_at
"""
_LONGEST_FAILING: Final = (
    f"(SELECT * FROM endpoint_health WHERE first_failure_at IS NOT NULL ORDER BY first_failure_at LIMIT {_LOOKED_AT})"
)
_OURS: Final = {
    "organization": "a.organization_id = :scope_id",
    "application": "e.application_id = :scope_id",
    "endpoint": "e.id = :scope_id",
}
_DISABLED: Final = f"""
WITH found AS MATERIALIZED (
    SELECT e.id, e.uid, e.url, e.application_id, a.name AS application_name, e.disabled_reason, e.updated_at
    FROM (SELECT * FROM endpoints e WHERE e.disabled AND e.deleted_at IS NULL {{seen}} LIMIT {_LOOKED_AT}) e
    JOIN applications a ON a.id = e.application_id
    WHERE {{ours}} AND NOT a.operational AND a.deleted_at IS NULL
)
SELECT id, uid, url, application_id, application_name, disabled_reason, updated_at
FROM found ORDER BY updated_at DESC LIMIT :listed
"""
_SEEN: Final = {
    "organization": "",
    "application": "AND e.application_id = :scope_id",
    "endpoint": "AND e.id = :scope_id",
}


@dataclass(frozen=True, slots=True)
class FailingEndpoint:
    """An endpoint of which every attempt failed since a time."""

    id: str
    uid: str | None
    url: str
    application_id: str
    application_name: str
    since: datetime
    failures: int
    is_open: bool
    paused_until: datetime | None
    last_status: int | None


@dataclass(frozen=True, slots=True)
class DisabledEndpoint:
    """An endpoint that is not sent to."""

    id: str
    uid: str | None
    url: str
    application_id: str
    application_name: str
    reason: str | None
    changed_at: datetime


async def failing_endpoints(session: AsyncSession, scope: Scope, now: datetime) -> list[FailingEndpoint]:
    """Endpoints of a scope that fail, those first that have for the longest time; at most LISTED."""
    healths = _LONGEST_FAILING if scope.kind == "organization" else "endpoint_health"
    sql = text(_FAILING.format(healths=healths, ours=_OURS[scope.kind]))
    values = {"scope_id": scope.id, "listed": LISTED, "recent": ids.floor_id("atmpt", now - _RECENT)}
    return [FailingEndpoint(*row) for row in await session.execute(sql, values)]


async def disabled_endpoints(session: AsyncSession, scope: Scope) -> list[DisabledEndpoint]:
    """Endpoints of a scope that are disabled, those first that were changed last; at most LISTED."""
    sql = text(_DISABLED.format(seen=_SEEN[scope.kind], ours=_OURS[scope.kind]))
    return [DisabledEndpoint(*row) for row in await session.execute(sql, {"scope_id": scope.id, "listed": LISTED})]
