"""All the SQL that reads the audit log. What writes it is entry.py, and statements that change something themselves."""

from datetime import datetime

from sqlalchemy import ColumnElement
from sqlmodel import col

from app import ids
from app.db.audit.model import AuditEntryRow
from app.db.base import BaseTable


class AuditEntriesTable(BaseTable[AuditEntryRow]):
    """The audit log of one organization."""

    row = AuditEntryRow
    scope = "organization_id"

    @staticmethod
    def between(after: datetime | None, before: datetime | None) -> list[ColumnElement[bool]]:
        """Entries that were written in a span of time."""
        key = col(AuditEntryRow.id)
        conditions: list[ColumnElement[bool]] = []
        if after is not None:
            conditions.append(key >= ids.floor_id("audit", after))
        if before is not None:
            conditions.append(key < ids.floor_id("audit", before))
        return conditions

    @staticmethod
    def about(**wanted: str | None) -> list[ColumnElement[bool]]:
        """Entries whose columns have these values, of those that are given."""
        return [col(getattr(AuditEntryRow, name)) == value for name, value in wanted.items() if value is not None]
