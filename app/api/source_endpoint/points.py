"""Endpoints of sources over HTTP: those of the application to which the source delivers."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request

from app.api.deps import (
    DatabaseDep,
    EndpointRef,
    OrganizationDep,
    PrincipalDep,
    ReadSessionDep,
    ReadSourceApplicationDep,
    SealerDep,
    SessionDep,
    SettingsDep,
    SourceApplicationDep,
    SourceRef,
    find_application_of_source,
)
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
from app.api.paging import ListOut, PagingDep
from app.api.strict import StrictRoute
from app.api.transformation.models import EndpointTransformationOut, EndpointTransformationPatch
from app.api.transformation.service import TransformationService, require_usable
from app.transformation.pool import TransformationPool

router: Final = APIRouter(prefix="/source/{source_id}/endpoint", tags=["Ingest Endpoint"], route_class=StrictRoute)


def _writing(session: SessionDep, sealer: SealerDep, settings: SettingsDep, caller: PrincipalDep) -> EndpointService:
    return EndpointService(session, sealer, settings, for_organization=caller.application_id is None)


def _reading(session: ReadSessionDep, sealer: SealerDep, settings: SettingsDep) -> EndpointService:
    return EndpointService(session, sealer, settings)


def _transformations(session: SessionDep, sealer: SealerDep) -> TransformationService:
    return TransformationService(session, sealer)


async def _pool(request: Request) -> TransformationPool:
    found: TransformationPool = request.app.state.transformations
    return found


async def _checked(
    source: SourceRef,
    reference: EndpointRef,
    caller: OrganizationDep,
    database: DatabaseDep,
    sealer: SealerDep,
    pool: Annotated[TransformationPool, Depends(_pool)],
    body: EndpointTransformationPatch,
) -> EndpointTransformationPatch:
    # Before the transaction of the change begins: no connection waits for code that somebody else wrote.
    if body.code is not None:
        async with database.transaction() as session:
            app = await find_application_of_source(session, caller, source)
            await TransformationService(session, sealer).require_place(caller, app, reference)
        await require_usable(pool, app.id, body.code)
    return body


EndpointsDep = Annotated[EndpointService, Depends(_writing, scope="function")]
ReadEndpointsDep = Annotated[EndpointService, Depends(_reading, scope="function")]
TransformationsDep = Annotated[TransformationService, Depends(_transformations, scope="function")]
CheckedDep = Annotated[EndpointTransformationPatch, Depends(_checked)]


@router.get("", operation_id="v1.ingest.endpoint.list", response_model_exclude_none=True)
async def list_source_endpoints(
    app: ReadSourceApplicationDep, endpoints: ReadEndpointsDep, paging: PagingDep
) -> ListOut[EndpointOut]:
    """List the endpoints that get what arrives at a source."""
    return await endpoints.page(app, paging)


@router.post("", status_code=201, operation_id="v1.ingest.endpoint.create", response_model_exclude_none=True)
async def create_source_endpoint(app: SourceApplicationDep, body: EndpointIn, endpoints: EndpointsDep) -> EndpointOut:
    """Create an endpoint for what arrives at a source; its signing secret is made for it unless one is given."""
    return await endpoints.create(app, body)


@router.get("/{endpoint_id}", operation_id="v1.ingest.endpoint.get", response_model_exclude_none=True)
async def get_source_endpoint(
    app: SourceApplicationDep, reference: EndpointRef, endpoints: EndpointsDep
) -> EndpointOut:
    """Get an endpoint of a source."""
    return await endpoints.get(app, reference)


@router.put("/{endpoint_id}", operation_id="v1.ingest.endpoint.upsert", response_model_exclude_none=True)
async def upsert_source_endpoint(
    app: SourceApplicationDep, reference: EndpointRef, body: EndpointUpdate, endpoints: EndpointsDep
) -> EndpointOut:
    """Replace an endpoint of a source, or create it with the uid that the path names."""
    endpoint, _ = await endpoints.put(app, reference, body)
    return endpoint


@router.delete("/{endpoint_id}", status_code=204, operation_id="v1.ingest.endpoint.delete")
async def delete_source_endpoint(app: SourceApplicationDep, reference: EndpointRef, endpoints: EndpointsDep) -> None:
    """Delete an endpoint of a source; what is still to be delivered to it is canceled."""
    await endpoints.delete(app, reference)


@router.get("/{endpoint_id}/secret", operation_id="v1.ingest.endpoint.get-secret")
async def get_source_endpoint_secret(
    app: SourceApplicationDep, reference: EndpointRef, endpoints: EndpointsDep
) -> EndpointSecretOut:
    """Get what the receiver verifies Postrider's signatures with."""
    return await endpoints.secret(app, reference)


@router.post("/{endpoint_id}/secret/rotate", status_code=204, operation_id="v1.ingest.endpoint.rotate-secret")
async def rotate_source_endpoint_secret(
    app: SourceApplicationDep, reference: EndpointRef, body: EndpointSecretRotateIn, endpoints: EndpointsDep
) -> None:
    """Sign with a new secret; the current one goes on signing beside it for a day, or as long as asked."""
    await endpoints.rotate_secret(app, reference, body)


@router.get("/{endpoint_id}/headers", operation_id="v1.ingest.endpoint.get-headers")
async def get_source_endpoint_headers(
    app: SourceApplicationDep, reference: EndpointRef, endpoints: EndpointsDep
) -> EndpointHeadersOut:
    """Get the headers that are sent with each message; of credentials only the names."""
    return await endpoints.headers(app, reference)


@router.put("/{endpoint_id}/headers", status_code=204, operation_id="v1.ingest.endpoint.set-headers")
async def set_source_endpoint_headers(
    app: SourceApplicationDep, reference: EndpointRef, body: EndpointHeadersIn, endpoints: EndpointsDep
) -> None:
    """Replace all headers that are sent with each message."""
    await endpoints.set_headers(app, reference, body)


@router.get(
    "/{endpoint_id}/transformation",
    operation_id="v1.ingest.endpoint.transformation.get",
    response_model_exclude_none=True,
)
async def get_source_transformation(
    app: SourceApplicationDep, reference: EndpointRef, transformations: TransformationsDep
) -> EndpointTransformationOut:
    """Get the code that changes what is sent to an endpoint of a source, and its variables."""
    return await transformations.get(app, reference)


@router.patch("/{endpoint_id}/transformation", status_code=204, operation_id="v1.ingest.endpoint.transformation.patch")
async def patch_source_transformation(
    body: CheckedDep, app: SourceApplicationDep, reference: EndpointRef, transformations: TransformationsDep
) -> None:
    """Set, enable or take away the code that changes what is sent to an endpoint of a source."""
    await transformations.patch(app, reference, body)
