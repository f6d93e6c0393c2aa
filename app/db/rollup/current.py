"""The SQL about what came and went in the last minute: counted in history, of which a bounded part is looked at."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app import ids
from app.db.rollup.scope import ORDER_OF_ATTEMPTS, OUR_ATTEMPTS, OUR_MESSAGES, SEEN_ATTEMPTS, SEEN_MESSAGES, Scope
from app.db.rollup.series import TAIL

_MINUTE: Final = timedelta(seconds=60)
_MOMENT: Final = timedelta(seconds=10)

# The planner does not see the limits: it would read and sort what it thinks is shorter.
_MESSAGES: Final = """
WITH seen AS MATERIALIZED (
    SELECT m.id, m.application_id FROM messages m
    WHERE m.id >= :minute {seen} ORDER BY m.id DESC LIMIT (SELECT CAST(:most AS bigint))
)
SELECT count(*) FILTER (WHERE h.id >= :moment), count(*), (SELECT min(id) FROM seen HAVING count(*) = :most)
FROM seen h {ours}
"""
_ATTEMPTS: Final = """
WITH seen AS MATERIALIZED (
    SELECT t.id, t.application_id, t.status, t.response_duration_ms FROM attempts t
    WHERE t.id >= :since {seen} {order} LIMIT (SELECT CAST(:most AS bigint))
)
SELECT count(*) FILTER (WHERE h.id >= :moment), count(*),
       count(*) FILTER (WHERE h.id >= :moment AND h.status <> 0), count(*) FILTER (WHERE h.status <> 0),
       percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY h.response_duration_ms),
       (SELECT count(*) FROM seen)
FROM seen h {ours}
"""
# Of what is tried in so many seconds, if that is not more than is looked at.
_SPANS: Final = (60.0, 10.0, 1.0)


@dataclass(frozen=True, slots=True)
class Flow:
    """What came and went within some seconds. Where more did than is looked at, the seconds are fewer."""

    accepted: int
    accepted_seconds: float
    attempts: int
    failed: int
    attempts_seconds: float


@dataclass(frozen=True, slots=True)
class Current:
    """Of the last ten seconds, and of the last minute."""

    moment: Flow
    minute: Flow
    latency: tuple[int, int, int] | None
    """p50, p95 and p99 of the minute's attempts, in milliseconds."""


async def current(session: AsyncSession, scope: Scope, now: datetime, *, most: int = TAIL) -> Current:
    """What came and went lately; an endpoint accepts no messages."""
    values = {"scope_id": scope.id, "most": most}
    accepted_moment, accepted, first = 0, 0, None
    if scope.kind != "endpoint":
        messages = text(_MESSAGES.format(seen=SEEN_MESSAGES[scope.kind], ours=OUR_MESSAGES[scope.kind]))
        row = (await session.execute(messages, values | _bounds("msg", now))).one()
        accepted_moment, accepted, first = row
    came_in = _covered(first, now)
    sql = text(
        _ATTEMPTS.format(
            seen=SEEN_ATTEMPTS[scope.kind], order=ORDER_OF_ATTEMPTS[scope.kind], ours=OUR_ATTEMPTS[scope.kind]
        )
    )
    for went_out in _SPANS:
        since = ids.floor_id("atmpt", now - timedelta(seconds=went_out))
        row = (await session.execute(sql, values | _bounds("atmpt", now) | {"since": since})).one()
        tried_moment, tried, failed_moment, failed, latency, seen = row
        if seen < most:
            break
    moment = _MOMENT.total_seconds()
    return Current(
        Flow(accepted_moment, min(came_in, moment), tried_moment, failed_moment, min(went_out, moment)),
        Flow(accepted, came_in, tried, failed, went_out),
        None if latency is None else tuple(latency),
    )


def _bounds(prefix: ids.Prefix, now: datetime) -> dict[str, str]:
    return {"minute": ids.floor_id(prefix, now - _MINUTE), "moment": ids.floor_id(prefix, now - _MOMENT)}


def _covered(first: str | None, now: datetime) -> float:
    """Seconds of the last minute that were looked at, up to the oldest row if there may be older ones."""
    minute = _MINUTE.total_seconds()
    if first is None:
        return minute
    # An id is exact to 4 ms, and the clock of who made it may be ahead.
    return min(minute, max(0.01, (now - ids.created_at(first)).total_seconds()))
