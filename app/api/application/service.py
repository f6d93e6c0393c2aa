"""The rules of applications."""

from collections.abc import Iterable
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from app import clock, ids
from app.api.application.models import AlertEmailPatch, ApplicationIn, ApplicationOut, ApplicationPatch
from app.api.paging import ListOut, Paging, list_out
from app.db.application.model import ApplicationRow, LeftOut
from app.db.application.table import ApplicationsTable
from app.db.endpoint.table import EndpointsTable
from app.db.organization.table import OrganizationsTable
from app.db.pending_delivery.table import PendingDeliveriesTable
from app.db.source.table import SourcesTable
from app.errors import Conflict, NotFound, ValidationFailed, Violation

_UID_LOC: Final = ("body", "application", "uid")
_COLUMNS: Final = {"throttle_rate": "rate_limit", "metadata": "metadata_"}


class ApplicationService:
    """Keeps the applications of organizations; every method takes the organization first."""

    def __init__(self, session: AsyncSession) -> None:
        self._applications = ApplicationsTable(session)
        self._endpoints = EndpointsTable(session)
        self._organizations = OrganizationsTable(session)
        self._pending = PendingDeliveriesTable(session)
        self._sources = SourcesTable(session)

    async def page(self, organization_id: str, paging: Paging, left_out: LeftOut) -> ListOut[ApplicationOut]:
        """The organization's applications, oldest first unless asked otherwise."""
        window = paging.window(ascending=True, ids_of="app")
        page = await self._applications.page(organization_id, window, *self._applications.but_for(left_out))
        return list_out(page.rows, page.done, key=lambda row: row.id, item=application_out)

    async def create(
        self, organization_id: str, body: ApplicationIn, *, get_if_exists: bool, application_id: str | None = None
    ) -> tuple[ApplicationOut, bool]:
        """A new application; with `get_if_exists` the one that has its uid already. Says whether it was created.

        It has a new id unless one is given. Conflict if the uid is taken.
        """
        row = await self._new_row(organization_id)
        row.id = application_id or row.id
        _change(row, body, ApplicationIn.model_fields)
        try:
            await self._applications.save(row)
        except Conflict:
            taken = await self._applications.find(organization_id, body.uid) if get_if_exists and body.uid else None
            if taken is None:
                raise
            return application_out(taken), False
        return application_out(row), True

    async def put(self, organization_id: str, reference: str, body: ApplicationIn) -> tuple[ApplicationOut, bool]:
        """Replace the application with that id or uid, or create it with that uid; says whether it was created."""
        row = await self._applications.find_to_change(organization_id, reference)
        if row is None:
            try:
                return await self._replace(await self._new_row(organization_id), reference, body), True
            except Conflict:
                # Either another request created it this moment, or the uid in the body belongs to another application.
                row = await self._applications.find_to_change(organization_id, reference)
                if row is None:
                    raise
        return await self._replace(row, reference, body), False

    async def patch(self, organization_id: str, reference: str, body: ApplicationPatch) -> ApplicationOut:
        """Change those fields of an application that the body holds."""
        row = await self._find_to_change(organization_id, reference)
        _change(row, body, body.model_fields_set)
        await self._applications.save(row)
        return application_out(row)

    async def set_alert_email(self, organization_id: str, reference: str, body: AlertEmailPatch) -> None:
        """Keep to whom alerts about an application are to go, if the body says."""
        row = await self._find_to_change(organization_id, reference)
        if "email" in body.model_fields_set:
            row.alert_email = body.email
            row.updated_at = clock.now()

    async def delete(self, organization_id: str, reference: str) -> None:
        """Delete an application with its endpoints and sources, and cancel what is still to be delivered."""
        row = await self._find_to_change(organization_id, reference)
        now = clock.now()
        await self._applications.soft_delete(organization_id, row.id, now)
        await self._pending.cancel_of_application(row.id)
        await self._endpoints.soft_delete_all(row.id, now)
        await self._sources.soft_delete_of_application(organization_id, row.id, now)

    async def _new_row(self, organization_id: str) -> ApplicationRow:
        await self._organizations.ensure_live(organization_id)
        now = clock.now()
        return ApplicationRow(
            id=ids.new_id("app"), organization_id=organization_id, name="", created_at=now, updated_at=now
        )

    async def _find_to_change(self, organization_id: str, reference: str) -> ApplicationRow:
        row = await self._applications.find_to_change(organization_id, reference)
        if row is None:
            raise NotFound
        return row

    async def _replace(self, row: ApplicationRow, reference: str, body: ApplicationIn) -> ApplicationOut:
        _change(row, body, ApplicationIn.model_fields)
        if row.uid is None and reference != row.id:
            if reference.startswith(ids.PREFIXES):
                raise NotFound
            # It was named by its uid, and stays findable by it.
            row.uid = reference
        await self._applications.save(row)
        return application_out(row)


def require_uid(body: ApplicationIn, reference: str) -> None:
    """ValidationFailed unless an application that a body brings along has the uid by which the path names it."""
    if body.uid is None:
        raise ValidationFailed(Violation(_UID_LOC, "Application uid must be set", "application_uid_missing"))
    if body.uid != reference:
        text = "Application uid must be the same as the one in the path"
        raise ValidationFailed(Violation(_UID_LOC, text, "application_uid_mismatch"))


def application_out(row: ApplicationRow) -> ApplicationOut:
    """The application as it goes on the wire."""
    return ApplicationOut(
        id=row.id,
        uid=row.uid,
        name=row.name,
        throttle_rate=row.rate_limit,
        rate_limit=row.rate_limit,
        metadata=row.metadata_,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _change(row: ApplicationRow, body: ApplicationIn | ApplicationPatch, fields: Iterable[str]) -> None:
    for name in fields:
        setattr(row, _COLUMNS.get(name, name), getattr(body, name))
    row.updated_at = clock.now()
