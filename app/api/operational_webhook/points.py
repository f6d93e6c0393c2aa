"""Operational webhook endpoints over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends

from app.api.deps import (
    EndpointRef,
    OrganizationDep,
    ReadSessionDep,
    SealerDep,
    SessionDep,
    SettingsDep,
)
from app.api.endpoint.models import EndpointHeadersIn, EndpointHeadersOut, EndpointSecretOut, EndpointSecretRotateIn
from app.api.operational_webhook.models import (
    OperationalWebhookEndpointIn,
    OperationalWebhookEndpointOut,
    OperationalWebhookEndpointUpsertIn,
)
from app.api.operational_webhook.service import OperationalWebhookService
from app.api.paging import ListOut, PagingDep
from app.api.strict import StrictRoute

router = APIRouter(prefix="/operational-webhook/endpoint", tags=["Webhook Endpoint"], route_class=StrictRoute)


def _writing(
    caller: OrganizationDep, session: SessionDep, sealer: SealerDep, settings: SettingsDep
) -> OperationalWebhookService:
    return OperationalWebhookService(caller.organization_id, session, sealer, settings)


def _reading(
    caller: OrganizationDep, session: ReadSessionDep, sealer: SealerDep, settings: SettingsDep
) -> OperationalWebhookService:
    return OperationalWebhookService(caller.organization_id, session, sealer, settings)


EndpointsDep = Annotated[OperationalWebhookService, Depends(_writing, scope="function")]
ReadEndpointsDep = Annotated[OperationalWebhookService, Depends(_reading, scope="function")]


@router.get("", operation_id="v1.operational-webhook.endpoint.list", response_model_exclude_none=True)
async def list_operational_endpoints(
    endpoints: ReadEndpointsDep, paging: PagingDep
) -> ListOut[OperationalWebhookEndpointOut]:
    """List the organization's operational webhook endpoints."""
    return await endpoints.page(paging)


@router.post(
    "", status_code=201, operation_id="v1.operational-webhook.endpoint.create", response_model_exclude_none=True
)
async def create_operational_endpoint(
    body: OperationalWebhookEndpointIn, endpoints: EndpointsDep
) -> OperationalWebhookEndpointOut:
    """Create an endpoint that is told of what happens; its signing secret is made for it unless one is given."""
    return await endpoints.create(body)


@router.get("/{endpoint_id}", operation_id="v1.operational-webhook.endpoint.get", response_model_exclude_none=True)
async def get_operational_endpoint(reference: EndpointRef, endpoints: EndpointsDep) -> OperationalWebhookEndpointOut:
    """Get an operational webhook endpoint."""
    return await endpoints.get(reference)


@router.put("/{endpoint_id}", operation_id="v1.operational-webhook.endpoint.upsert", response_model_exclude_none=True)
async def upsert_operational_endpoint(
    reference: EndpointRef, body: OperationalWebhookEndpointUpsertIn, endpoints: EndpointsDep
) -> OperationalWebhookEndpointOut:
    """Replace an operational webhook endpoint, or create it with the uid that the path names."""
    return await endpoints.put(reference, body)


@router.delete("/{endpoint_id}", status_code=204, operation_id="v1.operational-webhook.endpoint.delete")
async def delete_operational_endpoint(reference: EndpointRef, endpoints: EndpointsDep) -> None:
    """Delete an operational webhook endpoint; what is still to be delivered to it is canceled."""
    await endpoints.delete(reference)


@router.get("/{endpoint_id}/headers", operation_id="v1.operational-webhook.endpoint.get-headers")
async def get_operational_headers(reference: EndpointRef, endpoints: EndpointsDep) -> EndpointHeadersOut:
    """Get the headers that are sent with each message; of credentials only the names."""
    return await endpoints.headers(reference)


@router.put("/{endpoint_id}/headers", status_code=204, operation_id="v1.operational-webhook.endpoint.set-headers")
async def set_operational_headers(reference: EndpointRef, body: EndpointHeadersIn, endpoints: EndpointsDep) -> None:
    """Replace all headers that are sent with each message."""
    await endpoints.set_headers(reference, body)


@router.get("/{endpoint_id}/secret", operation_id="v1.operational-webhook.endpoint.get-secret")
async def get_operational_secret(reference: EndpointRef, endpoints: EndpointsDep) -> EndpointSecretOut:
    """Get what the endpoint's receiver verifies signatures with."""
    return await endpoints.secret(reference)


@router.post(
    "/{endpoint_id}/secret/rotate", status_code=204, operation_id="v1.operational-webhook.endpoint.rotate-secret"
)
async def rotate_operational_secret(
    reference: EndpointRef, body: EndpointSecretRotateIn, endpoints: EndpointsDep
) -> None:
    """Sign with a new secret; the current one goes on signing beside it for a day, or as long as asked."""
    await endpoints.rotate_secret(reference, body)
