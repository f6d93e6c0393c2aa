"""Bringing messages, with their attempts and how far each delivery is: a bite of messages is a transaction of ours."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg.rows import DictRow

from app.svix_import.connection import Connection, copy_across, run
from app.svix_import.pairs import FIND_PAIRS, MARK_QUEUED
from app.svix_import.source import (
    ATTEMPTS,
    DESTINATIONS,
    MANAGEMENT,
    MESSAGES,
    OF_ORGANIZATION,
    OF_RANGE,
    OF_SOME,
    Source,
)
from app.svix_import.tally import Reason, Report

# Svix keeps payloads for so long unless the publisher said otherwise.
_USUAL_DAYS: Final = 90

_FIND_KNOWN: Final = """
INSERT INTO import_known
SELECT s.id, s.application_id, NOT EXISTS (
    SELECT FROM messages m WHERE m.id = s.id AND m.id >= %(low)s AND m.id <= %(high)s)
FROM import_messages s
WHERE EXISTS (SELECT FROM applications a WHERE a.id = s.application_id AND a.organization_id = s.organization_id
                AND NOT a.operational)
   OR EXISTS (SELECT FROM import_coming c WHERE (c.id, c.organization_id) = (s.application_id, s.organization_id))
"""
_WEEKS: Final = """
SELECT DISTINCT date_trunc('week', created_at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS week
FROM (SELECT created_at FROM import_messages UNION ALL SELECT created_at FROM import_attempts) s
"""

_MESSAGES: Final = f"""
INSERT INTO messages (id, application_id, event_type, event_id, channels, payload, created_at, deliveries, payload_days)
SELECT s.id, s.application_id, s.event_type, s.event_id,
       CASE WHEN left(s.channels, 2) = '["' THEN ARRAY(SELECT jsonb_array_elements_text(s.channels::jsonb)) END,
       CASE WHEN s.expires_at > now() THEN s.payload END, s.created_at, coalesce(n.count, 0),
       CASE WHEN d.days BETWEEN 1 AND 32767 AND d.days <> {_USUAL_DAYS} THEN d.days END
FROM import_messages s
JOIN import_known k ON k.id = s.id AND k.is_new
LEFT JOIN (SELECT message_id, count(*) FROM import_pairs GROUP BY message_id) n ON n.message_id = s.id
CROSS JOIN LATERAL (SELECT round(extract(epoch FROM s.expires_at - s.created_at) / 86400) AS days) d
ON CONFLICT DO NOTHING
"""
_EVENT_IDS: Final = """
INSERT INTO message_event_ids (application_id, event_id, message_id)
SELECT s.application_id, s.event_id, s.id FROM import_messages s JOIN import_known k ON k.id = s.id AND k.is_new
WHERE s.event_id IS NOT NULL
ON CONFLICT DO NOTHING
"""
_EXPIRIES: Final = f"""
INSERT INTO payload_expiries (expires_at, message_id)
SELECT s.expires_at, s.id FROM import_messages s JOIN import_known k ON k.id = s.id AND k.is_new
WHERE s.payload IS NOT NULL AND s.expires_at > now()
  AND round(extract(epoch FROM s.expires_at - s.created_at) / 86400) <> {_USUAL_DAYS}
ON CONFLICT DO NOTHING
"""
_ATTEMPTS: Final = """
INSERT INTO attempts (id, message_id, endpoint_id, application_id, url, status, trigger, response_status_code, response,
                      response_duration_ms, created_at)
SELECT s.id, s.message_id, s.endpoint_id, k.application_id, s.url, s.status, least(greatest(s.trigger, 0), 1), s.code,
       s.response, least(s.milliseconds, 2147483647), s.created_at
FROM import_attempts s JOIN import_known k ON k.id = s.message_id
WHERE s.status IN (0, 2)
ON CONFLICT DO NOTHING
"""
# What is due and was never tried has no row.
_DELIVERIES: Final = """
INSERT INTO deliveries (message_id, endpoint_id, application_id, state, attempts, updated_at)
SELECT message_id, endpoint_id, application_id, CASE WHEN is_queued THEN 1 ELSE state END, attempts, updated_at
FROM import_pairs WHERE is_new AND NOT (is_queued AND attempts = 0)
ON CONFLICT DO NOTHING
"""
# What it protects: what Postrider did with a delivery, since this transaction looked (`was_at`) too, is never undone.
_CHANGES: Final = """
UPDATE deliveries d SET state = CASE WHEN p.is_queued THEN 1 ELSE p.state END, attempts = p.attempts,
                        updated_at = p.updated_at
FROM import_pairs p
WHERE d.message_id = p.message_id AND d.endpoint_id = p.endpoint_id
  AND d.message_id >= %(low)s AND d.message_id <= %(high)s
  AND NOT p.is_new AND NOT p.has_moved_on AND d.updated_at = p.was_at
  AND (d.state, d.attempts) <> (CASE WHEN p.is_queued THEN 1 ELSE p.state END, p.attempts)
"""
_QUEUE: Final = """
INSERT INTO pending_deliveries (message_id, endpoint_id, application_id, shard, tries, next_attempt_at, position, line)
SELECT p.message_id, p.endpoint_id, p.application_id, e.shard, p.tries, greatest(p.next_attempt_at, now()),
       CASE WHEN e.ordered_by IS NOT NULL THEN next_position() END,
       CASE WHEN e.ordered_by IS NOT NULL THEN line_of(s.payload, e.ordered_by) END
FROM import_pairs p
JOIN endpoints e ON e.id = p.endpoint_id
JOIN import_messages s ON s.id = p.message_id
WHERE p.is_queued
ON CONFLICT DO NOTHING
"""
# The ledger's count of what was here already, and has got deliveries that were not.
_COUNT: Final = """
UPDATE messages m SET deliveries = m.deliveries + n.count
FROM (SELECT p.message_id, count(*) FROM import_pairs p JOIN import_known k ON k.id = p.message_id AND NOT k.is_new
      WHERE p.is_new GROUP BY p.message_id) n
WHERE m.id = n.message_id
"""
_COUNTS: Final = """
SELECT (SELECT count(*) FROM import_messages) AS messages,
       (SELECT count(*) FROM import_known) AS known,
       (SELECT count(*) FROM import_known WHERE is_new) AS new,
       (SELECT count(*) FROM import_messages WHERE payload IS NULL OR expires_at <= now()) AS without_payload,
       (SELECT count(*) FROM import_attempts s JOIN import_messages m ON m.id = s.message_id) AS attempts,
       (SELECT min(id) FROM import_attempts) AS first, (SELECT max(id) FROM import_attempts) AS final,
       (SELECT count(*) FROM import_attempts s JOIN import_known k ON k.id = s.message_id
        WHERE s.status NOT IN (0, 2)) AS under_way,
       (SELECT count(*) FROM import_attempts s JOIN import_messages m ON m.id = s.message_id
        WHERE NOT EXISTS (SELECT FROM import_known k WHERE k.id = m.id)) AS orphans,
       (SELECT count(*) FROM import_pairs) AS pairs,
       (SELECT count(*) FROM import_pairs WHERE is_new) AS new_pairs,
       (SELECT count(*) FROM import_pairs WHERE has_moved_on AND is_pending) AS moved_on,
       (SELECT count(*) FROM import_pairs WHERE is_pending) AS pending,
       (SELECT count(*) FROM import_pairs WHERE is_queued) AS queued
"""
_PRESENT: Final = """
SELECT (SELECT count(*) FROM import_known k JOIN messages m ON m.id = k.id
        WHERE m.id >= %(low)s AND m.id <= %(high)s) AS messages,
       (SELECT count(*) FROM import_attempts s JOIN attempts a ON (a.message_id, a.id) = (s.message_id, s.id)
        WHERE a.id >= %(first)s AND a.id <= %(final)s) AS attempts
"""
_UNKNOWN: Final = """
SELECT s.application_id, count(*) FROM import_messages s
WHERE NOT EXISTS (SELECT FROM import_known k WHERE k.id = s.id) GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class Bite:
    """Some messages: those after one id, up to another; or those of a list."""

    after: str = ""
    last: str = ""
    messages: tuple[str, ...] = ()

    @property
    def bounds(self) -> dict[str, str]:
        """Between which ids they are, both included: so that no other partitions are looked at."""
        if self.messages:
            return {"low": min(self.messages), "high": max(self.messages)}
        return {"low": self.after, "high": self.last}


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The counts of what was staged; rows that were written (None: nothing is), and those that are found afterwards."""

    counts: DictRow
    messages: int | None = None
    attempts: int | None = None
    changed: int = 0
    present: DictRow | None = None


class History:
    """Reads bites of history, and writes them. The caller gives the transaction of ours, and makes partitions."""

    def __init__(self, source: Source, target: Connection, report: Report, *, deliver_pending: bool) -> None:
        self._source = source
        self._target = target
        self._report = report
        self.delivers_pending = deliver_pending
        # Messages whose application is not here, by application: each of these is named once.
        self._unknown: set[str] = set()

    def read(self, bite: Bite) -> list[datetime]:
        """Stage a bite as it is at one moment; the weeks, as times, that it lies in."""
        values = {
            "after": bite.after,
            "last": bite.last,
            "messages": list(bite.messages),
            "organization": self._source.organization,
            "management": MANAGEMENT,
        }
        with self._source.moment():
            for table, select in self._selects(bite):
                copy_across(self._source.connection, select, values, self._target, table)
        return [row["week"] for row in run(self._target, _WEEKS)]

    def write(self, bite: Bite) -> bool:
        """Write what is staged, unless our connection only reads, and count it. False if something is left out."""
        target = self._target
        run(target, _FIND_KNOWN, bite.bounds)
        run(target, FIND_PAIRS, bite.bounds)
        if self.delivers_pending:
            run(target, MARK_QUEUED)
        counts = run(target, _COUNTS).fetchone()
        assert counts is not None
        if target.read_only:
            self._count(_Outcome(counts))
            return self._name_unknown(counts)
        messages = run(target, _MESSAGES).rowcount
        run(target, _EVENT_IDS)
        run(target, _EXPIRIES)
        attempts = run(target, _ATTEMPTS).rowcount
        run(target, _DELIVERIES)
        changed = run(target, _CHANGES, bite.bounds).rowcount
        run(target, _QUEUE)
        run(target, _COUNT)
        bounds = {**bite.bounds, "first": counts["first"], "final": counts["final"]}
        present = run(target, _PRESENT, bounds).fetchone()
        self._count(_Outcome(counts, messages, attempts, changed, present))
        return self._name_unknown(counts)

    def _count(self, outcome: "_Outcome") -> None:
        """What came of a bite."""
        counts, report = outcome.counts, self._report
        kept = counts["attempts"] - counts["under_way"] - counts["orphans"]
        messages = counts["new"] if outcome.messages is None else outcome.messages
        attempts = kept if outcome.attempts is None else outcome.attempts
        report.messages.source += counts["messages"]
        report.messages.imported += messages
        report.messages.same += counts["known"] - messages
        report.messages.skipped[Reason.NO_PARENT] += counts["messages"] - counts["known"]
        report.attempts.source += counts["attempts"]
        report.attempts.imported += attempts
        report.attempts.same += kept - attempts
        report.attempts.skipped[Reason.UNDER_WAY] += counts["under_way"]
        report.attempts.skipped[Reason.NO_PARENT] += counts["orphans"]
        report.deliveries.source += counts["pairs"]
        report.deliveries.imported += counts["new_pairs"]
        report.deliveries.updated += outcome.changed
        report.deliveries.same += counts["pairs"] - counts["new_pairs"] - outcome.changed
        report.pending += counts["pending"]
        report.queued += counts["queued"]
        report.payloads_gone += counts["without_payload"]
        if outcome.present is not None:
            for tally, lost in (
                (report.messages, counts["known"] - outcome.present["messages"]),
                (report.attempts, kept - outcome.present["attempts"]),
            ):
                tally.same -= lost
                tally.skipped[Reason.MISSING] += lost

    def _name_unknown(self, counts: DictRow) -> bool:
        if counts["messages"] == counts["known"]:
            return True
        for row in run(self._target, _UNKNOWN):
            if row["application_id"] not in self._unknown:
                self._unknown.add(row["application_id"])
                self._report.problems.add(f"messages of {row['application_id']}: {Reason.NO_PARENT.text}")
        return False

    def _selects(self, bite: Bite) -> Iterator[tuple[str, str]]:
        """The tables of staging, and what is copied into each."""
        which = OF_SOME if bite.messages else OF_RANGE
        content, messages = which.format(column="c.id"), which.format(column="m.id")
        yield "import_messages", MESSAGES.format(which=messages, content=content)
        attempts = which.format(column="t.msg_id")
        yield (
            "import_attempts",
            ATTEMPTS.format(
                which=attempts,
                ours=self._of_organization("t.msg_id", messages),
                milliseconds=self._column("response_duration_ms", "bigint", "0"),
                next_attempt=self._column("next_attempt", "timestamptz", "NULL"),
            ),
        )
        if self._source.has("messagedestination", "status"):
            destinations = which.format(column="d.msg_id")
            ours = self._of_organization("d.msg_id", messages)
            yield "import_destinations", DESTINATIONS.format(which=destinations, ours=ours)

    def _of_organization(self, column: str, messages: str) -> str:
        if self._source.organization is None:
            return ""
        return OF_ORGANIZATION.format(column=column, which_messages=messages)

    def _column(self, name: str, sql_type: str, otherwise: str) -> str:
        """A column of attempts, which older servers have not got."""
        return f"t.{name}" if self._source.has("messageattempt", name) else f"{otherwise}::{sql_type}"
