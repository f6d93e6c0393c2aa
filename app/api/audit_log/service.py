"""The rules of the audit log: it is read, by its organization alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.api.audit_log.models import AuditActorOut, AuditChangeOut, AuditEntryOut
from app.api.paging import ListOut, Paging, list_out
from app.db.audit.model import ActorKind, AuditEntryRow
from app.db.audit.table import AuditEntriesTable
from app.db.user.table import UsersTable


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries are wanted; None stands for any."""

    application_id: str | None = None
    operation: str | None = None
    actor_id: str | None = None
    target: str | None = None
    after: datetime | None = None
    before: datetime | None = None


class AuditLogService:
    """Shows an organization's audit log."""

    def __init__(self, session: AsyncSession) -> None:
        self._entries = AuditEntriesTable(session)
        self._users = UsersTable(session)

    async def page(self, organization_id: str, wanted: AuditFilter, paging: Paging) -> ListOut[AuditEntryOut]:
        """Entries, newest first unless asked otherwise."""
        conditions = self._entries.between(wanted.after, wanted.before) + self._entries.about(
            application_id=wanted.application_id,
            operation=wanted.operation,
            actor_id=wanted.actor_id,
            target=wanted.target,
        )
        window = paging.window(ascending=False, ids_of="audit")
        page = await self._entries.page(organization_id, window, *conditions)
        actors = {row.actor_id for row in page.rows if row.actor_id and row.actor_kind == ActorKind.USER}
        emails = await self._users.names(organization_id, actors)
        return list_out(page.rows, page.done, key=lambda row: row.id, item=lambda row: _out(row, emails))


def _out(row: AuditEntryRow, emails: Mapping[str, str]) -> AuditEntryOut:
    return AuditEntryOut(
        id=row.id,
        operation=row.operation,
        actor=AuditActorOut(
            kind=ActorKind(row.actor_kind),
            id=row.actor_id,
            email=emails.get(row.actor_id or ""),
            address=row.address,
        ),
        app_id=row.application_id,
        target=row.target,
        changes=[AuditChangeOut.model_validate(change) for change in row.changes],
        correlation_id=row.correlation_id,
        created_at=row.created_at,
    )
