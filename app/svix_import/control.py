"""Bringing event types, applications and endpoints: what is new, or changed in Svix since; the rest is left alone."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from psycopg.rows import DictRow

from app import ids
from app.svix_import.connection import Connection, run
from app.svix_import.conversion import Conversion, Row
from app.svix_import.encryption import KeyUnreadable
from app.svix_import.source import MANAGEMENT, Source
from app.svix_import.tally import Reason, Report, Tally


@dataclass(frozen=True, slots=True)
class Kind:
    """How rows of one of our tables are written. `ours` is what every change of a row changes."""

    table: str
    columns: tuple[str, ...]
    ours: str
    # Whoever has the name that a row would have: an SQL condition on `u`, with the row as `s`.
    same_name: str
    name_taken: Reason
    # Whether what the row belongs to is here, as an SQL condition.
    parent: str
    # Columns that are only staged, and those that are not changed later.
    staged_only: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ("id", "created_at")


_ENTITY: Final = "extract(epoch FROM {row}.updated_at)"
EVENT_TYPES: Final = Kind(
    table="event_types",
    columns=(
        *("id", "organization_id", "name", "description", "schemas", "feature_flags", "deprecated", "archived"),
        *("created_at", "updated_at"),
    ),
    ours=f"concat_ws('|', {_ENTITY}, {{row}}.archived)",
    same_name="u.organization_id = s.organization_id AND u.name = s.name",
    name_taken=Reason.SAME_NAME,
    parent="true",
)
APPLICATIONS: Final = Kind(
    table="applications",
    columns=(
        *("id", "organization_id", "uid", "name", "rate_limit", "metadata", "operational", "created_at", "updated_at"),
        "deleted_at",
    ),
    ours=f"concat_ws('|', {_ENTITY}, extract(epoch FROM {{row}}.deleted_at))",
    same_name=(
        "u.organization_id = s.organization_id AND u.uid = s.uid AND u.deleted_at IS NULL AND s.deleted_at IS NULL"
    ),
    name_taken=Reason.UID_TAKEN,
    parent="true",
)
ENDPOINTS: Final = Kind(
    table="endpoints",
    columns=(
        *("id", "application_id", "uid", "url", "description", "version", "rate_limit", "event_types", "channels"),
        *("metadata", "headers", "secrets", "disabled", "disabled_reason", "shard", "created_at", "updated_at"),
        "deleted_at",
    ),
    ours="concat_ws('|', {row}.revision, extract(epoch FROM {row}.deleted_at))",
    same_name=(
        "u.application_id = s.application_id AND u.uid = s.uid AND u.deleted_at IS NULL AND s.deleted_at IS NULL"
    ),
    name_taken=Reason.UID_TAKEN,
    parent=(
        "EXISTS (SELECT FROM applications p WHERE p.id = s.application_id AND p.organization_id = s.organization_id)"
        " OR EXISTS (SELECT FROM import_coming c"
        "            WHERE c.id = s.application_id AND c.organization_id = s.organization_id)"
    ),
    staged_only=("organization_id",),
    fixed=("id", "created_at", "shard"),
)

# What it protects: what somebody changed here since it was written (`ours`) is replaced only if that is asked for.
_JUDGE: Final = """
UPDATE import_{table} s SET verdict = v.verdict
FROM (
    SELECT s.id, CASE
        WHEN NOT ({parent}) THEN 'NO_PARENT'
        WHEN o.id IS NOT NULL AND o.{scope} <> s.{scope} THEN 'FOREIGN'
        WHEN o.id IS NULL AND i.id IS NOT NULL AND NOT %(overwrite)s THEN 'KEPT'
        WHEN o.id IS NOT NULL AND i.ours = {ours} AND i.digest = s.digest THEN 'same'
        WHEN o.id IS NOT NULL AND i.ours IS DISTINCT FROM {ours} AND NOT %(overwrite)s THEN 'KEPT'
        WHEN EXISTS (SELECT FROM {table} u WHERE {same_name} AND u.id <> s.id) THEN '{taken}'
        WHEN o.id IS NULL THEN 'new'
        ELSE 'changed'
    END AS verdict
    FROM import_{table} s
    LEFT JOIN {table} o ON o.id = s.id
    LEFT JOIN svix_imported_rows i ON i.id = s.id
) v
WHERE v.id = s.id
"""
_VERDICTS: Final = "SELECT id, verdict FROM import_{table}"
_INSERT: Final = "INSERT INTO {table} ({columns}) SELECT {columns} FROM import_{table} WHERE verdict = 'new'"
_CHANGE: Final = """
UPDATE {table} o SET {assignments} FROM import_{table} s WHERE s.id = o.id AND s.verdict = 'changed'
"""
_REMEMBER: Final = """
INSERT INTO svix_imported_rows AS i (id, digest, ours)
SELECT s.id, s.digest, {ours} FROM import_{table} s JOIN {table} o ON o.id = s.id WHERE s.verdict IN ('new', 'changed')
ON CONFLICT (id) DO UPDATE SET digest = excluded.digest, ours = excluded.ours
"""
_ORGANIZATIONS: Final = """
INSERT INTO organizations (id) SELECT DISTINCT organization_id FROM import_{table} ON CONFLICT DO NOTHING
"""
_OPERATIONAL: Final = """
UPDATE organizations o SET operational_application_id = s.id FROM import_applications s
WHERE s.operational AND s.verdict = 'new' AND o.id = s.organization_id AND o.operational_application_id IS NULL
"""
_IMPORTED: Final = "SELECT id FROM svix_imported_rows WHERE id = ANY (%s)"
_COMING: Final = """
INSERT INTO import_coming SELECT id, organization_id FROM import_applications WHERE verdict = 'new'
"""
_OPERATIONAL_APPLICATIONS: Final = """
SELECT id, operational_application_id AS application FROM organizations WHERE operational_application_id IS NOT NULL
"""


class ControlPlane:
    """Brings everything but history, each bite in a transaction of its own."""

    def __init__(
        self, source: Source, target: Connection, conversion: Conversion, report: Report, *, overwrite: bool
    ) -> None:
        self._source = source
        self._target = target
        self._conversion = conversion
        self._report = report
        self._overwrite = overwrite
        # Whose endpoints are with those of another application: operational ones that are here already.
        self._elsewhere: dict[str, str] = {}

    def run(self, floor: str, attempts_floor: str) -> Iterator[Tally]:
        """Bring all; after each bite what it counted into. Deleted ones only if history from there on needs them."""
        report = self._report
        with self._source.moment():
            for rows in self._source.event_types():
                self._write(EVENT_TYPES, report.event_types, self._event_types(rows))
                yield report.event_types
            for rows in self._source.applications(floor):
                self._write(APPLICATIONS, report.applications, self._applications(rows))
                yield report.applications
            for rows in self._source.endpoints(attempts_floor):
                self._write(ENDPOINTS, report.endpoints, self._endpoints(rows))
                yield report.endpoints

    def _event_types(self, rows: Sequence[DictRow]) -> Iterator[Row]:
        for row in self._ours(rows, self._report.event_types, lambda row: str(row["org_id"])):
            if row["org_id"] == MANAGEMENT:
                self._report.skip(self._report.event_types, Reason.SVIX_OWN, row["id"])
            else:
                yield self._conversion.event_type(row)

    def _applications(self, rows: Sequence[DictRow]) -> Iterator[Row]:
        tally = self._report.applications
        found = run(self._target, _OPERATIONAL_APPLICATIONS).fetchall()
        operational: dict[str, str] = {each["id"]: each["application"] for each in found}
        forgotten = self._forgotten(rows)
        for row in self._ours(rows, tally, _organization_of_application):
            if row["id"] in forgotten:
                self._report.skip(tally, Reason.DELETED, row["id"])
            elif row["org_id"] == MANAGEMENT and operational.get(row["uid"], row["id"]) != row["id"]:
                self._elsewhere[row["id"]] = operational[row["uid"]]
                self._report.skip(tally, Reason.MERGED, row["id"])
            else:
                yield self._conversion.application(row)

    def _endpoints(self, rows: Sequence[DictRow]) -> Iterator[Row]:
        tally = self._report.endpoints
        tally.source += len(rows)
        forgotten = self._forgotten(rows)
        for row in rows:
            if row["id"] in forgotten:
                self._report.skip(tally, Reason.DELETED, row["id"])
                continue
            try:
                yield self._conversion.endpoint(row, self._elsewhere.get(row["app_id"]) or row["app_id"])
            except KeyUnreadable as error:
                tally.skipped[Reason.KEY] += 1
                self._report.problems.add(f"{row['id']}: {error}")

    def _forgotten(self, rows: Sequence[DictRow]) -> set[str]:
        """Deleted ones that are not wanted; but what came before it was deleted must be deleted here, too."""
        forgotten = {row["id"] for row in rows if row["is_forgotten"]}
        return forgotten - {row["id"] for row in run(self._target, _IMPORTED, [list(forgotten)])}

    def _ours(self, rows: Sequence[DictRow], tally: Tally, organization: Callable[[DictRow], str]) -> Iterator[DictRow]:
        """Those rows whose organization can be ours."""
        tally.source += len(rows)
        for row in rows:
            name = organization(row)
            if name == MANAGEMENT or ids.is_id(name, "org"):
                if name != MANAGEMENT:
                    self._report.organizations.add(name)
                yield row
            else:
                self._report.skip(tally, Reason.NOT_AN_ORGANIZATION, row["id"])

    def _write(self, kind: Kind, tally: Tally, rows: Iterable[Row]) -> None:
        """Write what is deleted first: another may have its name."""
        ready = list(rows)
        deleted = [row for row in ready if row.get("deleted_at") is not None]
        live = [row for row in ready if row.get("deleted_at") is None]
        for part in (deleted, live):
            if part:
                self._write_part(kind, tally, part)

    def _write_part(self, kind: Kind, tally: Tally, rows: Sequence[Row]) -> None:
        """Stage rows, judge each, and write what is new or changed."""
        with self._target.transaction():
            _stage(self._target, kind, rows)
            run(self._target, _judging(kind), {"overwrite": self._overwrite})
            verdicts = run(self._target, _VERDICTS.format(table=kind.table)).fetchall()
            if not self._target.read_only:
                _apply(self._target, kind)
            elif kind is APPLICATIONS:
                run(self._target, _COMING)
        for row in verdicts:
            match row["verdict"]:
                case "new":
                    tally.imported += 1
                case "changed":
                    tally.updated += 1
                case "same":
                    tally.same += 1
                case reason:
                    self._report.skip(tally, Reason[reason], row["id"])


def _organization_of_application(row: DictRow) -> str:
    """Of an operational one the organization that it is for."""
    return str(row["uid"] if row["org_id"] == MANAGEMENT else row["org_id"])


def _stage(target: Connection, kind: Kind, rows: Sequence[Row]) -> None:
    columns = (*kind.columns, *kind.staged_only, "digest")
    statement = f"COPY import_{kind.table} ({', '.join(columns)}) FROM STDIN"
    with target.cursor() as cursor, cursor.copy(statement.encode()) as copied:
        for row in rows:
            copied.write_row([row[column] for column in columns])


def _judging(kind: Kind) -> str:
    scope = "application_id" if kind is ENDPOINTS else "organization_id"
    return _JUDGE.format(
        table=kind.table,
        parent=kind.parent,
        scope=scope,
        ours=kind.ours.format(row="o"),
        same_name=kind.same_name,
        taken=kind.name_taken.name,
    )


def _apply(target: Connection, kind: Kind) -> None:
    columns = ", ".join(kind.columns)
    assignments = ", ".join(f"{column} = s.{column}" for column in kind.columns if column not in kind.fixed)
    if kind is not ENDPOINTS:
        run(target, _ORGANIZATIONS.format(table=kind.table))
    run(target, _INSERT.format(table=kind.table, columns=columns))
    run(target, _CHANGE.format(table=kind.table, assignments=assignments))
    run(target, _REMEMBER.format(table=kind.table, ours=kind.ours.format(row="o")))
    if kind is APPLICATIONS:
        run(target, _OPERATIONAL)
