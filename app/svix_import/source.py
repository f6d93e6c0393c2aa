"""The Svix server's database: which tables and columns are read, and how. It is never written to."""

import hashlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg.rows import DictRow

from app import ids
from app.svix_import.connection import Connection, Refused, run

NAME: Final = "the Svix database"
MANAGEMENT: Final = ids.MANAGEMENT_ORGANIZATION_ID
"""Svix's own organization: an application of it, whose uid is an organization's id, holds that one's operational
endpoints."""
BITE: Final = 2000

_TABLES: Final = ("application", "applicationmetadata", "endpoint", "endpointmetadata", "eventtype", "message")
_NEEDED: Final = (*_TABLES, "messageattempt", "messagecontent", "_sqlx_migrations")

_COLUMNS: Final = """
SELECT c.relname AS table, a.attname AS column
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.oid = ANY (ARRAY(SELECT to_regclass(t) FROM unnest(%s::text[]) t))
"""
_IDENTITY: Final = "SELECT version, installed_on, now() AS now FROM _sqlx_migrations ORDER BY version LIMIT 1"
_ENCRYPTED_KEYS: Final = """
SELECT id, key FROM endpoint WHERE length(key) > 24 AND get_byte(key, 0) >= 128 ORDER BY id DESC LIMIT 20
"""
_EVENT_TYPES: Final = """
SELECT id, org_id, name, description, deleted, schemas, feature_flag, {deprecated} AS deprecated, created_at, updated_at
FROM eventtype WHERE id > %(after)s AND (%(organization)s::text IS NULL OR org_id = %(organization)s)
ORDER BY id LIMIT %(most)s
"""
_APPLICATIONS: Final = """
SELECT a.id, a.org_id, a.uid, a.name, a.rate_limit, a.deleted, a.created_at, a.updated_at, m.data AS metadata,
       a.deleted AND NOT EXISTS (
           SELECT FROM message m WHERE m.app_id = a.id AND m.id >= %(floor)s) AS is_forgotten
FROM application a LEFT JOIN applicationmetadata m ON m.id = a.id
WHERE a.id > %(after)s AND (%(organization)s::text IS NULL OR a.org_id = %(organization)s
                            OR (a.org_id = %(management)s AND a.uid = %(organization)s))
ORDER BY a.id LIMIT %(most)s
"""
_ENDPOINTS: Final = """
SELECT e.id, e.app_id, a.org_id, a.uid AS app_uid, e.uid, e.key, e.old_keys, e.url, e.description, e.event_types_ids,
       e.version, e.rate_limit, e.deleted, e.disabled, e.first_failure_at, e.channels, e.headers, e.created_at,
       e.updated_at, m.data AS metadata,
       e.deleted AND NOT EXISTS (
           SELECT FROM messageattempt t WHERE t.endp_id = e.id AND t.id >= %(attempts_floor)s) AS is_forgotten
FROM endpoint e JOIN application a ON a.id = e.app_id LEFT JOIN endpointmetadata m ON m.id = e.id
WHERE e.id > %(after)s AND (%(organization)s::text IS NULL OR a.org_id = %(organization)s
                            OR (a.org_id = %(management)s AND a.uid = %(organization)s))
ORDER BY e.id LIMIT %(most)s
"""
_BOUND: Final = """
SELECT max(id) AS last FROM (
    SELECT id FROM message WHERE id > %(after)s AND id < %(ceiling)s ORDER BY id LIMIT %(most)s
) m
"""
# Messages from before `below` that were tried again since.
_TRIED_AGAIN: Final = """
SELECT max(id) AS last, array_agg(DISTINCT msg_id) FILTER (WHERE msg_id >= %(floor)s AND msg_id < %(below)s) AS messages
FROM (SELECT id, msg_id FROM messageattempt WHERE id > %(after)s AND id < %(ceiling)s ORDER BY id LIMIT %(most)s) a
"""

# As they are copied: the columns of app/svix_import/staging.py, in its order. `{which}` says which messages; so does
# `{content}`, because no planner concludes the range of one table from that of another.
MESSAGES: Final = """
SELECT m.id::text, m.org_id::text, m.app_id::text, m.event_type::text, m.uid::text, m.channels::text, m.created_at,
       m.expiration, coalesce(c.payload, convert_to(m.payload::text, 'UTF8'))
FROM message m LEFT JOIN messagecontent c ON c.id = m.id AND {content}
WHERE {which} AND m.org_id <> %(management)s AND (%(organization)s::text IS NULL OR m.org_id = %(organization)s)
"""
ATTEMPTS: Final = """
SELECT t.id::text, t.msg_id::text, t.endp_id::text, t.url::text, t.status, t.response_status_code,
       convert_to(t.response, 'UTF8'), t.trigger_type, {milliseconds}, {next_attempt}, t.created_at
FROM messageattempt t WHERE {which} {ours}
"""
DESTINATIONS: Final = """
SELECT d.msg_id::text, d.endp_id::text, d.status, d.next_attempt, d.updated_at
FROM messagedestination d WHERE {which} {ours}
"""
# What is of other organizations is not even read; of Svix's own there is little.
OF_ORGANIZATION: Final = """
AND EXISTS (SELECT FROM message m WHERE m.id = {column} AND m.org_id = %(organization)s AND {which_messages})
"""
OF_RANGE: Final = "{column} > %(after)s AND {column} <= %(last)s"
OF_SOME: Final = "{column} = ANY (%(messages)s)"


@dataclass(frozen=True, slots=True)
class Source:
    """A Svix database that has been looked at."""

    connection: Connection
    # The same under whichever address, and in a copy of it.
    identity: str
    # By its clock.
    now: datetime
    # Of one organization only; None: of all.
    organization: str | None
    columns: frozenset[tuple[str, str]]

    @contextmanager
    def moment(self) -> Generator[None, None, None]:
        """What is read meanwhile is of one moment."""
        with self.connection.transaction():
            yield

    def has(self, table: str, column: str) -> bool:
        """Whether this version of the server has a column."""
        return (table, column) in self.columns

    def encrypted_keys(self) -> list[DictRow]:
        """Some endpoints whose keys are encrypted, the newest first."""
        return run(self.connection, _ENCRYPTED_KEYS).fetchall()

    def event_types(self) -> Iterator[list[DictRow]]:
        """All, in bites."""
        deprecated = "deprecated" if self.has("eventtype", "deprecated") else "false"
        return self._bites(_EVENT_TYPES.format(deprecated=deprecated), {})

    def applications(self, floor: str) -> Iterator[list[DictRow]]:
        """All, in bites; a deleted one is forgotten if it has no message from `floor` on."""
        return self._bites(_APPLICATIONS, {"floor": floor})

    def endpoints(self, attempts_floor: str) -> Iterator[list[DictRow]]:
        """All, in bites; a deleted one is forgotten if it has no attempt from `attempts_floor` on."""
        return self._bites(_ENDPOINTS, {"attempts_floor": attempts_floor})

    def last_of_bite(self, after: str, ceiling: str, most: int) -> str | None:
        """The id of the message with which a bite ends; None if there is none any more."""
        row = run(self.connection, _BOUND, {"after": after, "ceiling": ceiling, "most": most}).fetchone()
        assert row is not None
        last: str | None = row["last"]
        return last

    def tried_again(self, after: str, ceiling: str, floor: str, below: str, most: int) -> tuple[str | None, list[str]]:
        """Of the next attempts the last id (None: there are none), and their messages from `floor` to `below`."""
        values = {"after": after, "ceiling": ceiling, "floor": floor, "below": below, "most": most}
        row = run(self.connection, _TRIED_AGAIN, values).fetchone()
        assert row is not None
        return row["last"], row["messages"] or []

    def _bites(self, statement: str, values: dict[str, str]) -> Iterator[list[DictRow]]:
        after = ""
        common = {"organization": self.organization, "management": MANAGEMENT, "most": BITE}
        while rows := run(self.connection, statement, {**values, **common, "after": after}).fetchall():
            yield rows
            after = rows[-1]["id"]


def look_at(connection: Connection, organization: str | None) -> Source:
    """The database as a source. Refused if it is not that of a Svix server, or of one that is too old."""
    rows = run(connection, _COLUMNS, [[*_NEEDED, "messagedestination"]]).fetchall()
    columns = frozenset((row["table"], row["column"]) for row in rows)
    missing = [table for table in _NEEDED if not any(table == known for known, _ in columns)]
    if set(missing) == {"messagecontent"}:
        raise Refused(f"{NAME} is of a server before 1.15: start a newer server on it once, which migrates it")
    if missing:
        raise Refused(f"{NAME} lacks the tables {', '.join(missing)}: --dsn must name the database of a Svix server")
    row = run(connection, _IDENTITY).fetchone()
    if row is None:
        raise Refused(f"{NAME} was never migrated: --dsn must name the database of a Svix server")
    identity = hashlib.sha256(f"{row['version']} {row['installed_on'].timestamp()}".encode()).hexdigest()[:32]
    return Source(connection, identity, row["now"], organization, columns)
