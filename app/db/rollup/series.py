"""The SQL that reads rollups as a series of points in time: its price is that of the points."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock, ids
from app.db.rollup.latency import BUCKET_SQL
from app.db.rollup.scope import ORDER_OF_ATTEMPTS, OUR_ATTEMPTS, OUR_MESSAGES, SEEN_ATTEMPTS, SEEN_MESSAGES, Scope
from app.db.rollup.writing import HOUR, MINUTE, QUARTER

TAIL: Final = 20_000
"""Rows of what has not been counted yet at which one question looks, at most."""
# What was not counted for longer is not looked at.
_TAIL_SPAN: Final = timedelta(minutes=10)
# Longer than it takes the chore to come again, twice.
_LATE: Final = timedelta(minutes=1)

# One statement, so that what is being counted at this moment is found once: in the rollups, or in history.
_STATEMENT: Final = """
WITH progress AS MATERIALIZED (
    SELECT rolled_to FROM rollup_progress
), seen AS MATERIALIZED (
    {seen}
), found AS (
    {spans}
    UNION ALL
    SELECT width_bucket(h.id, CAST(:bounds AS text[])), {counted} FROM seen h {ours}
)
SELECT point, {summed} FROM found WHERE point BETWEEN 1 AND cardinality(CAST(:starts AS timestamptz[])) {grouped}
UNION ALL
SELECT 0, {position}
"""
# Spans of a length, from the end of those that are longer on: longer ones are made once they are over. OFFSET 0 keeps
# the planner from reading those of everybody.
_SPANS: Final = """SELECT width_bucket(r.starts_at, CAST(:starts AS timestamptz[])) AS point, {columns}
    FROM progress p
    CROSS JOIN LATERAL generate_series({since}, {until}, interval '{seconds} seconds') AS s (starts_at)
    CROSS JOIN LATERAL (
        SELECT * FROM {table} r WHERE r.seconds = {seconds} AND r.starts_at = s.starts_at AND r.scope_id = :scope_id
        OFFSET 0) r"""
# The planner sees that the first bound is near the end, and not the limit: it would read and sort what it thinks is
# shorter.
_SEEN_MESSAGES: Final = """SELECT m.id, m.application_id FROM messages m
    WHERE m.id >= :least AND m.id >= (SELECT floor_id('msg', rolled_to) FROM progress) {seen}
    ORDER BY m.id DESC LIMIT (SELECT CAST(:most AS bigint))"""
_SEEN_ATTEMPTS: Final = f"""SELECT t.id, t.application_id, t.status, {BUCKET_SQL} AS bucket FROM attempts t
    WHERE t.id >= :least AND t.id >= (SELECT floor_id('atmpt', rolled_to) FROM progress) {{seen}}
    {{order}} LIMIT (SELECT CAST(:most AS bigint))"""
_SEEN: Final = "(SELECT count(*) FROM seen)"
_AGE: Final = "(SELECT extract(epoch FROM now() - rolled_to)::bigint FROM progress)"


@dataclass(slots=True)
class Point:
    """What was counted of one span of time."""

    accepted: int = 0
    attempts: int = 0
    failed: int = 0
    latency: dict[int, int] = field(default_factory=dict)
    """Attempts by how long they took (latency.py)."""


@dataclass(frozen=True, slots=True)
class Series:
    """One point for each of the spans that were asked for."""

    points: list[Point]
    is_behind: bool
    """Not everything was counted by now: the newest points are too low."""


class SeriesTable:
    """Reads what was counted of any scope."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def read(self, scope: Scope, starts: Sequence[datetime], step: timedelta, *, most: int = TAIL) -> Series:
        """A point for each of the starts, of which each is `step` after the one before; the last reaches until now.

        An endpoint accepts no messages: its points say 0.
        """
        points = [Point() for _ in starts]
        values = {"scope_id": scope.id, "starts": list(starts), "since": starts[0], "most": most}
        rows = await self._session.execute(_attempts(scope.kind, step), values | _bounds("atmpt", starts))
        is_behind = False
        for number, bucket, attempts, failed in rows:
            if number == 0:
                is_behind = attempts == most or failed > _LATE.total_seconds()
                continue
            point = points[number - 1]
            point.attempts += attempts
            point.failed += failed
            point.latency[bucket] = attempts
        if scope.kind != "endpoint":
            found = await self._session.execute(_messages(scope.kind, step), values | _bounds("msg", starts))
            for number, accepted in found:
                if number == 0:
                    is_behind = is_behind or accepted == most
                else:
                    points[number - 1].accepted = accepted
        return Series(points, is_behind)


def _bounds(prefix: ids.Prefix, starts: Sequence[datetime]) -> dict[str, object]:
    bounds = [ids.floor_id(prefix, start) for start in starts]
    return {"bounds": bounds, "least": ids.floor_id(prefix, clock.now() - _TAIL_SPAN)}


@cache
def _attempts(kind: str, step: timedelta) -> TextClause:
    return text(
        _STATEMENT.format(
            seen=_SEEN_ATTEMPTS.format(seen=SEEN_ATTEMPTS[kind], order=ORDER_OF_ATTEMPTS[kind]),
            spans=_spans("attempt_rollups", "r.bucket, r.attempts, r.failed", step),
            counted="h.bucket, 1, (h.status <> 0)::integer",
            ours=OUR_ATTEMPTS[kind],
            summed="bucket, sum(attempts), sum(failed)",
            grouped="GROUP BY point, bucket",
            position=f"0, {_SEEN}, {_AGE}",
        )
    )


@cache
def _messages(kind: str, step: timedelta) -> TextClause:
    return text(
        _STATEMENT.format(
            seen=_SEEN_MESSAGES.format(seen=SEEN_MESSAGES[kind]),
            spans=_spans("message_rollups", "r.accepted", step),
            counted="1",
            ours=OUR_MESSAGES[kind],
            summed="sum(accepted)",
            grouped="GROUP BY point",
            position=_SEEN,
        )
    )


def _spans(table: str, columns: str, step: timedelta) -> str:
    """Of the lengths that there are, those that a step is made of, the longest first."""
    parts, since = [], "CAST(:since AS timestamptz)"
    for span in (HOUR, QUARTER, MINUTE):
        if span > step:
            continue
        over = f"date_bin(interval '{span.seconds} seconds', p.rolled_to, '2000-01-01Z')"
        # The minute that is not over is there, as far as it was counted.
        until = "p.rolled_to" if span == MINUTE else f"{over} - interval '{span.seconds} seconds'"
        parts.append(_SPANS.format(columns=columns, since=since, until=until, seconds=span.seconds, table=table))
        since = f"greatest(CAST(:since AS timestamptz), {over})"
    return "\n    UNION ALL\n    ".join(parts)
