"""What a transaction changes, noticed where it is written: by SQLAlchemy's session, for every table alike.

A session records once it has been given a Trail (`record`). Rows that are flushed show what they were before;
statements say what they set; statements in plain SQL say nothing, and whoever runs one says it with `note`.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Delete, Insert, LargeBinary, Table, Update, event, inspect
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction

from app.logs import redact

_INFO: Final = "audit trail"
_DIALECT: Final = postgresql.dialect()  # type: ignore[no-untyped-call]
# What no reader of the log asks about.
_UNTOLD: Final = frozenset(
    {
        *("id", "organization_id", "application_id", "operational_application_id", "message_id", "endpoint_id"),
        *("created_at", "updated_at", "changed_at", "revision", "shard", "ending", "next_bite_at", "failures"),
    }
)
_KEYS: Final = {"event_types": "name", "endpoint_transformations": "endpoint_id"}
_NOUNS: Final = {"event_types": "event_type"}
_LONGEST_VALUE: Final = 4096
_MOST_FIELDS: Final = 100


class Trail:
    """What one transaction changed."""

    def __init__(self) -> None:
        self._changes: dict[tuple[str, str | None], dict[str, dict[str, object]]] = {}
        # By id and uid: the ids of rows that were read.
        self._ids: dict[str, str] = {}

    def note(self, entity: str, key: str | None, fields: Mapping[str, Mapping[str, object]]) -> None:
        """Something changed; of each field what it was `before` and is `after`, or that it has `changed`."""
        told = self._changes.setdefault((entity, key), {})
        for name, change in fields.items():
            # Changed twice: it was what it was at first.
            told[name] = {**change, "before": told[name]["before"]} if "before" in told.get(name, {}) else {**change}

    @property
    def changes(self) -> list[dict[str, object]]:
        """As they are stored, in the order in which they were made."""
        return [{"entity": entity, "id": key, "fields": fields} for (entity, key), fields in self._changes.items()]

    @property
    def first_key(self) -> str | None:
        """The id (of event types the name) of what was changed first."""
        return next((key for _, key in self._changes if key is not None), None)

    def id_of(self, reference: str) -> str:
        """The id of what was read under an id or uid; the reference itself if nothing was."""
        return self._ids.get(reference, reference)

    def read(self, row: Any) -> None:
        """A row was loaded."""
        row_id, uid = getattr(row, "id", None), getattr(row, "uid", None)
        if isinstance(row_id, str):
            self._ids[row_id] = row_id
            if isinstance(uid, str):
                self._ids[uid] = row_id


class RecordingSession(Session):
    """SQLAlchemy's session, telling its Trail, if it has one, what goes through it."""


def record(session: AsyncSession) -> Trail:
    """Note from now on what the session changes."""
    trail: Trail = session.info.setdefault(_INFO, Trail())
    return trail


def stop_recording(session: AsyncSession) -> None:
    """Note nothing more of what the session changes."""
    session.info.pop(_INFO, None)


def note(session: AsyncSession, entity: str, key: str | None, fields: Mapping[str, Mapping[str, object]]) -> None:
    """Tell the session's Trail, if it has one, what a statement in plain SQL changed."""
    trail: Trail | None = session.info.get(_INFO)
    if trail is not None:
        trail.note(entity, key, fields)


@event.listens_for(RecordingSession, "loaded_as_persistent")
def _loaded(session: Session, row: Any) -> None:
    if (trail := session.info.get(_INFO)) is not None:
        trail.read(row)


@event.listens_for(RecordingSession, "after_flush")
def _flushed(session: Session, _context: UOWTransaction) -> None:
    """The rows still say what they were before. A flush that failed is not told."""
    trail: Trail | None = session.info.get(_INFO)
    if trail is None:
        return
    for row in [*session.new, *session.dirty, *session.deleted]:
        # The application that holds operational endpoints is nobody's to see.
        if getattr(row, "operational", False):
            continue
        state = inspect(row)
        table: Table = state.mapper.local_table
        fields = {}
        # SQLAlchemy's names are texts of a kind of its own, which is no key in JSON.
        for attribute in state.mapper.column_attrs:
            column = attribute.columns[0]
            history = state.attrs[attribute.key].history
            if column.name in _UNTOLD or not history.has_changes():
                continue
            after = history.added[0] if history.added else None
            before = history.deleted[0] if history.deleted else None
            if (before, after) != (None, None):
                fields[f"{column.name}"] = _change(column, after, before, new=row in session.new)
        if fields:
            trail.note(_noun(table), getattr(row, _KEYS.get(table.name, "id")), fields)


@event.listens_for(RecordingSession, "do_orm_execute")
def _executed(execution: ORMExecuteState) -> None:
    """A statement that writes: what it sets, and which row if it names one. What was there before it does not know."""
    trail: Trail | None = execution.session.info.get(_INFO)
    statement = execution.statement
    if trail is None or not isinstance(statement, Insert | Update | Delete) or not isinstance(statement.table, Table):
        return
    table, values = statement.table, statement.compile(dialect=_DIALECT).params
    key = _KEYS.get(table.name, "id")
    if isinstance(statement, Delete):
        trail.note(_noun(table), values.get(f"{key}_1"), {"deleted": {"after": True}})
        return
    fields = {
        f"{column.name}": _change(column, values[column.name], None, new=True)
        for column in table.columns
        if column.name in values and column.name not in _UNTOLD
        if isinstance(statement, Update) or values[column.name] is not None
    }
    if fields:
        trail.note(_noun(table), values.get(key if isinstance(statement, Insert) else f"{key}_1"), fields)


def _noun(table: Table) -> str:
    return _NOUNS.get(table.name) or f"{table.name}".removesuffix("s")


def _change(column: Any, after: object, before: object, *, new: bool) -> dict[str, object]:
    """What may be told of a field: of bytes, which are sealed, hashed or somebody's content, only that they changed."""
    if isinstance(column.type, LargeBinary):
        return {"changed": True}
    return {"after": _told(after)} if new else {"before": _told(before), "after": _told(after)}


def _told(value: object) -> object:
    """A value as it is stored: without secrets in its texts, and its length where it is long."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str):
        value = redact(value)
    # Not orjson, which refuses integers of more than 64 bits; JSON does not.
    size = len(json.dumps(value, default=str, ensure_ascii=False).encode())
    return value if size <= _LONGEST_VALUE else f"({size} bytes)"
