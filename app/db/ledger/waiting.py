"""The queue as the ledger sees it: what is late, why, and what will never be sent if nobody does anything."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import MINYEAR, UTC, datetime, timedelta
from typing import Final

import asyncpg

from app import ids
from app.db.ledger.model import Finding, Kind, Queue
from app.db.shard.table import LEASE_SECONDS

# What is late is stuck if for so long nothing was tried, and one worker or another held its shard without a break.
STUCK_SECONDS: Final = 300.0
# An endpoint whose last attempt ended so long ago (and what an attempt may take) is being sent to.
_RECENT: Final = timedelta(seconds=60)
# A receiver that takes so long for an answer is slow.
_SLOW_MS: Final = 1000.0
_ANSWERS: Final = 20

_SCOPE: Final = "AND p.application_id = ANY ($1::text[])"
_NO_SCOPE: Final = "AND $1::text[] IS NULL"

_TOTALS: Final = """
SELECT count(*) AS pending, count(*) FILTER (WHERE p.next_attempt_at <= now()) AS due,
       coalesce(extract(epoch FROM now() - min(p.next_attempt_at) FILTER (WHERE p.next_attempt_at <= now())), 0)::float8
       AS oldest_due_seconds
FROM pending_deliveries p WHERE true {scope}
"""
# An attempt that is under way is still due: endpoints with a timeout of their own are given that much more.
_LATE: Final = f"""
WITH late AS MATERIALIZED (
    SELECT p.endpoint_id, p.shard, count(*) AS deliveries, min(p.next_attempt_at) AS since
    FROM pending_deliveries p LEFT JOIN endpoints e ON e.id = p.endpoint_id
    WHERE p.next_attempt_at <= now() - make_interval(secs => $2 + coalesce(e.timeout_seconds, 0)) {{scope}}
    GROUP BY p.endpoint_id, p.shard
)
SELECT l.endpoint_id, l.shard, l.deliveries, l.since, now() AS now, e.id IS NOT NULL AS exists,
       coalesce(e.timeout_seconds, 0) AS timeout, e.rate_limit,
       s.owner, s.leased_until, s.leased_until > now() AS leased, s.busy_since, w.seen_at,
       h.opened_at, h.paused_until, a.last_at, a.milliseconds
FROM late l
LEFT JOIN endpoints e ON e.id = l.endpoint_id
LEFT JOIN shards s ON s.shard = l.shard
LEFT JOIN workers w ON w.name = s.owner
-- Health that was learned before the endpoint was changed says nothing.
LEFT JOIN endpoint_health h ON h.endpoint_id = l.endpoint_id AND (h.revision = 0 OR h.revision >= e.revision)
LEFT JOIN LATERAL (
    SELECT max(created_at) AS last_at, avg(response_duration_ms)::float8 AS milliseconds
    FROM (SELECT t.created_at, t.response_duration_ms FROM attempts t WHERE t.endpoint_id = l.endpoint_id
          ORDER BY t.id DESC LIMIT {_ANSWERS}) t
) a ON true
ORDER BY l.since
"""
_NAMES: Final = """
SELECT p.message_id, p.endpoint_id, p.application_id, p.next_attempt_at
FROM unnest($2::text[]) AS l(endpoint_id)
CROSS JOIN LATERAL (
    SELECT p.* FROM pending_deliveries p LEFT JOIN endpoints e ON e.id = p.endpoint_id
    WHERE p.endpoint_id = l.endpoint_id
      AND p.next_attempt_at <= now() - make_interval(secs => $3 + coalesce(e.timeout_seconds, 0)) {scope}
    ORDER BY p.next_attempt_at LIMIT $4
) p
ORDER BY p.next_attempt_at LIMIT $4
"""
# The first of a line is never parked (app/db/pending_delivery/lines.py), and what is in no line is not, either.
_PARKED: Final = """
WITH first AS (
    SELECT DISTINCT ON (p.shard, p.endpoint_id, p.line) p.shard, p.endpoint_id, p.line, p.next_attempt_at
    FROM pending_deliveries p WHERE p.position IS NOT NULL {scope}
    ORDER BY p.shard, p.endpoint_id, p.line, p.position
), parked AS (
    SELECT p.message_id, p.endpoint_id, p.application_id, p.position
    FROM first f
    JOIN pending_deliveries p ON p.shard = f.shard AND p.endpoint_id = f.endpoint_id AND p.line = f.line
    WHERE NOT isfinite(f.next_attempt_at) AND NOT isfinite(p.next_attempt_at) AND p.position IS NOT NULL
    UNION ALL
    SELECT p.message_id, p.endpoint_id, p.application_id, NULL FROM pending_deliveries p
    WHERE p.position IS NULL AND NOT isfinite(p.next_attempt_at) {scope}
)
SELECT message_id, endpoint_id, application_id, count(*) OVER () AS total, now() AS now FROM parked
ORDER BY message_id LIMIT greatest($2, 1)
"""


@dataclass(frozen=True, slots=True)
class Late:
    """An endpoint for which something has been due for too long, and all that may explain it."""

    endpoint_id: str
    shard: int
    deliveries: int
    since: datetime
    now: datetime
    exists: bool
    # Of the endpoint: seconds for one attempt (0: the usual), sends a second.
    timeout: int
    rate_limit: int | None
    # Of its shard.
    owner: str | None
    leased_until: datetime | None
    leased: bool | None
    busy_since: datetime | None
    # When the owner was last seen alive.
    seen_at: datetime | None
    opened_at: datetime | None
    paused_until: datetime | None
    last_at: datetime | None
    milliseconds: float | None


def judge(late: Late) -> tuple[Kind, str]:
    """Why something is late, and what to do."""
    if not late.exists:
        return Kind.STUCK, "its endpoint is not stored, so that nobody will send it: restore the endpoint"
    if (unowned := _unowned(late)) is not None:
        return Kind.UNOWNED, unowned
    if (reason := _held_back_by(late)) is not None:
        return Kind.HELD_BACK, f"held back by {reason}: nothing is wrong here"
    owner = "a worker" if late.owner is None else f"worker {_short(late.owner)}"
    quiet_since = late.now - timedelta(seconds=STUCK_SECONDS)
    held_long = late.busy_since is not None and late.busy_since <= quiet_since and late.since <= quiet_since
    if held_long and (late.last_at is None or late.last_at <= quiet_since):
        return Kind.STUCK, f"{owner} has held shard {late.shard} for long and does not send it: restart it, see its log"
    if _is_sent_to(late):
        return Kind.LATE, f"{owner} sends to its endpoint, and more comes than is sent: add workers"
    return Kind.LATE, f"{owner} holds shard {late.shard} and did not come to it yet: add workers, or see its log"


def _unowned(late: Late) -> str | None:
    advice = "start a worker, or see the log of those that run"
    if not late.leased:
        if late.owner is None or late.leased_until is None:
            return f"no worker holds shard {late.shard}: {advice}"
        if late.leased_until.year == MINYEAR:
            return f"{_short(late.owner)}, who held shard {late.shard}, is dead: {advice}"
        return (
            f"the lease of {_short(late.owner)} on shard {late.shard} ran out at {_time(late.leased_until)}: {advice}"
        )
    if late.owner is None:  # It is being handed over, which takes a second.
        return None
    if late.seen_at is None or late.seen_at < late.now - timedelta(seconds=LEASE_SECONDS):
        seen = "is not known any more" if late.seen_at is None else f"was last seen at {_time(late.seen_at)}"
        return f"{_short(late.owner)}, who holds shard {late.shard}, {seen}: {advice}"
    return None


def _held_back_by(late: Late) -> str | None:
    if late.paused_until is not None and late.paused_until > late.now:
        return f"its receiver, which asked for a pause until {_time(late.paused_until)} (Retry-After)"
    if late.opened_at is not None:
        probed = max(late.opened_at, late.last_at or late.opened_at)
        if probed > late.now - timedelta(seconds=STUCK_SECONDS + late.timeout):
            return f"its circuit breaker, open since {_time(late.opened_at)}: its receiver is probed every 20 seconds"
    if not _is_sent_to(late):
        return None
    if late.rate_limit is not None:
        return f"its rate limit of {late.rate_limit} a second"
    if late.milliseconds is not None and late.milliseconds >= _SLOW_MS:
        return f"its receiver, which takes {late.milliseconds / 1000:.1f} s for an answer"
    return None


def _is_sent_to(late: Late) -> bool:
    return late.last_at is not None and late.last_at > late.now - _RECENT - timedelta(seconds=late.timeout)


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _short(owner: str) -> str:
    """Host and process of a worker's name."""
    return ":".join(owner.split(":")[:2])


async def queue_of(
    connection: asyncpg.Connection, applications: Sequence[str] | None, late_after: float, names: int
) -> tuple[Queue, list[Finding]]:
    """The whole queue of some applications (None: of all); at most `names` findings of each kind.

    `late_after`: the seconds for which something may be due.
    """
    scope = _NO_SCOPE if applications is None else _SCOPE
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        totals = await connection.fetchrow(_TOTALS.format(scope=scope), applications)
        rows = [Late(*row) for row in await connection.fetch(_LATE.format(scope=scope), applications, late_after)]
        parked = await connection.fetch(_PARKED.format(scope=scope), applications, names)
        counts = dict.fromkeys((Kind.UNOWNED, Kind.STUCK, Kind.LATE, Kind.HELD_BACK), 0)
        reasons: dict[Kind, dict[str, str]] = {kind: {} for kind in counts}
        for row in rows:
            kind, text = judge(row)
            counts[kind] += row.deliveries
            reasons[kind][row.endpoint_id] = text
        findings = [_parked(row) for row in parked[:names]]
        for kind, texts in reasons.items():
            some = list(texts)[:names]
            if some:
                due = await connection.fetch(_NAMES.format(scope=scope), applications, some, late_after, names)
                findings += [
                    Finding(
                        kind,
                        row["application_id"],
                        row["message_id"],
                        row["endpoint_id"],
                        row["next_attempt_at"],
                        texts[row["endpoint_id"]],
                    )
                    for row in due
                ]
    counts[Kind.STUCK] += parked[0]["total"] if parked else 0
    return replace(Queue(**totals), **{kind.value: count for kind, count in counts.items()}), findings


def _parked(row: asyncpg.Record) -> Finding:
    text = "it waits in a line whose first delivery is gone, so that nobody calls it: resend it"
    try:
        since = ids.created_at(row["message_id"])
    except ValueError:  # Not an id of ours: imported by hand.
        since = row["now"]
    return Finding(Kind.STUCK, row["application_id"], row["message_id"], row["endpoint_id"], since, text)
