"""The balance: what was accepted, as the publishing statement counted it, against what is found in queue and history.

History is gone through in slices of time, the newest first, each in a snapshot of its own: a message is counted with
all of its deliveries in one of them, so that the whole balances while messages flow, and no snapshot is held for long.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final

import asyncpg

from app.db.ledger.model import Balance, Finding, Kind

# After every id.
CEILING: Final = "~"

# The pairs of message and endpoint, each once: one that waits is due, whatever came of it before. An organization's are
# found by its endpoints, because history has no index by application.
_COMPARED: Final = """
WITH pair AS (
    SELECT p.message_id, p.application_id, true AS waits, 1 AS state FROM pending_deliveries p
    WHERE p.message_id >= $1 AND p.message_id < $2 {pending_scope}
    UNION ALL
    SELECT d.message_id, d.application_id, false, d.state FROM deliveries d
    WHERE d.message_id >= $1 AND d.message_id < $2 {history_scope}
      AND NOT EXISTS (
        SELECT FROM pending_deliveries p WHERE p.message_id = d.message_id AND p.endpoint_id = d.endpoint_id
          -- Said again, so that no more of the queue is read for it.
          AND p.message_id >= $1 AND p.message_id < $2)
), found AS (
    SELECT message_id, max(application_id) AS application_id, count(*) FILTER (WHERE waits) AS due,
           count(*) FILTER (WHERE state = 0) AS delivered, count(*) FILTER (WHERE state = 2) AS failed,
           count(*) FILTER (WHERE state = 4) AS canceled, count(*) FILTER (WHERE state = 1 AND NOT waits) AS lost
    FROM pair GROUP BY message_id
), compared AS (
    SELECT coalesce(m.id, f.message_id) AS id, coalesce(m.application_id, f.application_id) AS application_id,
           m.id IS NOT NULL AS stored, m.id IS NOT NULL AND m.deliveries IS NULL AS uncounted,
           coalesce(f.due, 0) AS due, coalesce(f.delivered, 0) AS delivered, coalesce(f.failed, 0) AS failed,
           coalesce(f.canceled, 0) AS canceled, coalesce(f.lost, 0) AS lost,
           coalesce(f.due + f.delivered + f.failed + f.canceled, 0) AS found,
           CASE WHEN m.id IS NULL THEN 0
                ELSE coalesce(m.deliveries, f.due + f.delivered + f.failed + f.canceled + f.lost, 0) END AS counted
    FROM (SELECT id, application_id, deliveries FROM messages m WHERE id >= $1 AND id < $2 {message_scope}) m
    FULL JOIN found f ON f.message_id = m.id
    -- Before the oldest message, retention has taken messages, and is about to take their deliveries.
    WHERE (m.id IS NOT NULL OR f.message_id >= $3) {no_scope}
)
"""
_OF_ALL: Final = {
    "pending_scope": "",
    "history_scope": "",
    "message_scope": "",
    "no_scope": "AND $4::text[] IS NULL",
}
_OF_SOME: Final = {
    "pending_scope": "AND p.application_id = ANY ($4::text[])",
    "history_scope": "AND d.endpoint_id IN (SELECT e.id FROM endpoints e WHERE e.application_id = ANY ($4::text[]))",
    "message_scope": "AND m.application_id = ANY ($4::text[])",
    "no_scope": "",
}
_BALANCE: Final = """
SELECT application_id, count(*) FILTER (WHERE stored) AS messages,
       sum(CASE WHEN stored THEN greatest(counted, 1) ELSE 0 END)::bigint AS accepted,
       sum(delivered)::bigint AS delivered, sum(failed)::bigint AS failed, sum(canceled)::bigint AS canceled,
       sum(due)::bigint AS due, count(*) FILTER (WHERE stored AND counted = 0) AS skipped,
       sum(greatest(counted - found, 0))::bigint AS missing, sum(greatest(found - counted, 0))::bigint AS surplus,
       count(*) FILTER (WHERE uncounted) AS uncounted
FROM compared GROUP BY application_id
"""
# Which deliveries are meant: those that history says are still to do, those that have attempts and no outcome, or, if
# that leaves no doubt, those to endpoints that would want the message today and were there when it was published.
_UNEVEN: Final = """
SELECT c.id, c.application_id, c.stored, (c.counted - c.found)::integer AS short, c.counted = 0 AS unwanted,
       coalesce(m.created_at, (SELECT max(d.updated_at) FROM deliveries d WHERE d.message_id = c.id), now()) AS since,
       known.present AS known, known.lost,
       ARRAY (SELECT DISTINCT a.endpoint_id FROM attempts a
              WHERE a.message_id = c.id AND a.endpoint_id <> ALL (known.present)) AS tried,
       ARRAY (SELECT e.id FROM endpoints e
              WHERE e.application_id = c.application_id AND e.created_at <= m.created_at
                AND e.id <> ALL (known.present)
                AND (e.event_types IS NULL OR m.event_type = ANY (e.event_types))
                AND (e.channels IS NULL OR e.channels && m.channels)
              ORDER BY e.id LIMIT 100) AS wanting
FROM compared c
LEFT JOIN messages m ON m.id = c.id
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(endpoint_id), '{}') AS present,
           coalesce(array_agg(endpoint_id) FILTER (WHERE lost), '{}') AS lost
    FROM (
        SELECT p.endpoint_id, false AS lost FROM pending_deliveries p WHERE p.message_id = c.id
        UNION ALL
        SELECT d.endpoint_id, d.state = 1 FROM deliveries d WHERE d.message_id = c.id AND NOT EXISTS (
            SELECT FROM pending_deliveries p WHERE p.message_id = d.message_id AND p.endpoint_id = d.endpoint_id)
    ) k
) known
WHERE c.counted <> c.found
ORDER BY c.id LIMIT $5
"""


@dataclass(frozen=True, slots=True)
class Slice:
    """The messages from one id on (inclusive) to another (exclusive), of some applications (None: of all).

    `oldest` is the id of the oldest message that there is.
    """

    floor: str
    ceiling: str
    oldest: str
    applications: Sequence[str] | None


async def balance_of(
    connection: asyncpg.Connection, part: Slice, names: int
) -> tuple[dict[str, Balance], list[Finding]]:
    """The balance of a slice by application, and what is missing or too many: of at most `names` messages."""
    compared = _COMPARED.format(**(_OF_ALL if part.applications is None else _OF_SOME))
    values = (part.floor, part.ceiling, part.oldest, part.applications)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        if part.applications is None:
            # All of a slice is read. Statistics about a queue are old at once, and must not make it a million look-ups.
            await connection.execute("SET LOCAL enable_nestloop = off")
        rows = await connection.fetch(compared + _BALANCE, *values)
        balances = {
            row["application_id"]: Balance(**{one.name: row[one.name] for one in fields(Balance)}) for row in rows
        }
        if all(balance.is_even for balance in balances.values()):
            return balances, []
        uneven = await connection.fetch(compared + _UNEVEN, *values, names)
    return balances, [finding for row in uneven for finding in _findings(row)]


def _findings(row: asyncpg.Record) -> list[Finding]:
    return _missing(row) if row["short"] > 0 else _surplus(row)


def _missing(row: asyncpg.Record) -> list[Finding]:
    """One finding for each delivery that is missing of a message, with its endpoint as far as it can be told."""
    lost, short = list(row["lost"]), row["short"] - len(row["lost"])
    text = "history says that it is due, and nothing waits for it: resend it"
    findings = [_finding(Kind.MISSING, row, endpoint_id, text) for endpoint_id in lost]
    text = "it was accepted, and is neither in the queue nor in history: resend it"
    certain = next((some for some in (row["tried"], row["wanting"]) if len(some) == short), None)
    if certain is not None:
        return findings + [_finding(Kind.MISSING, row, endpoint_id, text) for endpoint_id in certain]
    likely = list(dict.fromkeys([*row["tried"], *row["wanting"]]))
    named = f" (its endpoint is one of {', '.join(likely[:10])})" if likely else " (its endpoint cannot be told)"
    return findings + [_finding(Kind.MISSING, row, None, text + named)] * max(short, 0)


def _surplus(row: asyncpg.Record) -> list[Finding]:
    """One finding for each delivery that is found of a message and was not counted."""
    if not row["stored"]:
        text = "its message is not stored, so that it can only be canceled: restore the message, or wait for that"
    else:
        text = (
            "it was not made by publishing or by a resend: see who writes to these tables (a process of an older "
            "release that resent a message does, too); nothing is lost by it"
        )
    if row["unwanted"]:
        return [_finding(Kind.SURPLUS, row, endpoint_id, text) for endpoint_id in row["known"]]
    return [_finding(Kind.SURPLUS, row, None, text)] * -row["short"]


def _finding(kind: Kind, row: asyncpg.Record, endpoint_id: str | None, text: str) -> Finding:
    since: datetime = row["since"]
    return Finding(kind, row["application_id"], row["id"], endpoint_id, since, text)
