"""The rules of operational webhook endpoints: those of any endpoint, in an application that only they are found in."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.api.endpoint.models import (
    EndpointHeadersIn,
    EndpointHeadersOut,
    EndpointIn,
    EndpointOut,
    EndpointSecretOut,
    EndpointSecretRotateIn,
    EndpointUpdate,
)
from app.api.endpoint.service import EndpointService
from app.api.operational_webhook.models import (
    OperationalWebhookEndpointIn,
    OperationalWebhookEndpointOut,
    OperationalWebhookEndpointUpsertIn,
)
from app.api.paging import ListOut, Paging
from app.db.application.model import ApplicationRow
from app.db.operational_webhook.table import OperationalApplications
from app.db.organization.table import OrganizationsTable
from app.errors import NotFound
from app.sealing import Sealer
from app.settings import Settings


class OperationalWebhookService:
    """Keeps one organization's operational webhook endpoints."""

    def __init__(self, organization_id: str, session: AsyncSession, sealer: Sealer, settings: Settings) -> None:
        self._organization_id = organization_id
        self._organizations = OrganizationsTable(session)
        self._applications = OperationalApplications(session)
        self._endpoints = EndpointService(session, sealer, settings)

    async def page(self, paging: Paging) -> ListOut[OperationalWebhookEndpointOut]:
        """The organization's operational webhook endpoints, newest first unless asked otherwise."""
        app = await self._applications.find(self._organization_id)
        if app is None:
            return ListOut[OperationalWebhookEndpointOut](data=[], iterator=None, done=True)
        page = await self._endpoints.page(app, paging)
        data = [_out(item) for item in page.data]
        return ListOut[OperationalWebhookEndpointOut](
            data=data, iterator=page.iterator, prev_iterator=page.prev_iterator, done=page.done
        )

    async def create(self, body: OperationalWebhookEndpointIn) -> OperationalWebhookEndpointOut:
        """A new one. Conflict if the uid is taken."""
        return _out(await self._endpoints.create(await self._ensure(), EndpointIn.model_validate(body.model_dump())))

    async def get(self, reference: str) -> OperationalWebhookEndpointOut:
        """The one with that id or uid."""
        return _out(await self._endpoints.get(await self._find(), reference))

    async def put(self, reference: str, body: OperationalWebhookEndpointUpsertIn) -> OperationalWebhookEndpointOut:
        """Replace the one with that id or uid, or create it with that uid."""
        update = EndpointUpdate.model_validate(body.model_dump())
        endpoint, _ = await self._endpoints.put(await self._ensure(), reference, update)
        return _out(endpoint)

    async def delete(self, reference: str) -> None:
        """Delete one, and cancel what is still to be delivered to it."""
        await self._endpoints.delete(await self._find(), reference)

    async def headers(self, reference: str) -> EndpointHeadersOut:
        """Its custom headers; credentials only by name."""
        return await self._endpoints.headers(await self._find(), reference)

    async def set_headers(self, reference: str, body: EndpointHeadersIn) -> None:
        """Replace all its custom headers."""
        await self._endpoints.set_headers(await self._find(), reference, body)

    async def secret(self, reference: str) -> EndpointSecretOut:
        """What its receiver verifies signatures with."""
        return await self._endpoints.secret(await self._find(), reference)

    async def rotate_secret(self, reference: str, body: EndpointSecretRotateIn) -> None:
        """Sign with a new secret, and with the current one too for a while. BadRequest if too many are live."""
        await self._endpoints.rotate_secret(await self._find(), reference, body)

    async def _find(self) -> ApplicationRow:
        app = await self._applications.find(self._organization_id)
        if app is None:
            raise NotFound
        return app

    async def _ensure(self) -> ApplicationRow:
        await self._organizations.ensure(self._organization_id)
        return await self._applications.ensure(self._organization_id)


def _out(endpoint: EndpointOut) -> OperationalWebhookEndpointOut:
    return OperationalWebhookEndpointOut.model_validate(endpoint.model_dump())
