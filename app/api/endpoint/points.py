"""Endpoints over HTTP."""

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response

from app.api.deps import (
    REFERENCE,
    ApplicationDep,
    EndpointRef,
    OrganizationDep,
    PrincipalDep,
    ReadApplicationDep,
    ReadSessionDep,
    SealerDep,
    SessionDep,
    SettingsDep,
)
from app.api.endpoint.finding import EndpointFinder
from app.api.endpoint.models import (
    EndpointAttemptStats,
    EndpointHeadersIn,
    EndpointHeadersOut,
    EndpointHeadersPatch,
    EndpointIn,
    EndpointOut,
    EndpointPatch,
    EndpointSecretOut,
    EndpointSecretRotateIn,
    EndpointStats,
    EndpointUpdate,
    FoundEndpointOut,
)
from app.api.endpoint.service import EndpointService
from app.api.exact import exact
from app.api.fields import Moment
from app.api.paging import LimitDep, ListOut, PagingDep
from app.api.strict import StrictRoute

router = APIRouter(prefix="/app/{app_id}/endpoint", tags=["Endpoint"], route_class=StrictRoute)
finding = APIRouter(tags=["Endpoint"], route_class=StrictRoute)


def _writing(session: SessionDep, sealer: SealerDep, settings: SettingsDep, caller: PrincipalDep) -> EndpointService:
    return EndpointService(session, sealer, settings, for_organization=caller.application_id is None)


def _reading(session: ReadSessionDep, sealer: SealerDep, settings: SettingsDep) -> EndpointService:
    return EndpointService(session, sealer, settings)


EndpointsDep = Annotated[EndpointService, Depends(_writing, scope="function")]
ReadEndpointsDep = Annotated[EndpointService, Depends(_reading, scope="function")]
Since = Annotated[
    Moment | None,
    Query(description="From when on; 28 days before `until` if left out.", examples=["2026-01-01T00:00:00Z"]),
]
Until = Annotated[Moment | None, Query(description="Until when; now if left out.", examples=["2026-01-28T00:00:00Z"])]


async def _finding(session: ReadSessionDep) -> EndpointFinder:
    return EndpointFinder(session)


@finding.get("/endpoint/find", operation_id="v1.endpoint.find", response_model_exclude_none=True)
async def find_endpoints(
    caller: OrganizationDep,
    finder: Annotated[EndpointFinder, Depends(_finding, scope="function")],
    reference: Annotated[
        str, Query(description="An endpoint's id or uid.", max_length=256, pattern=REFERENCE, examples=["till-4"])
    ],
    limit: LimitDep,
    iterator: Annotated[
        str | None, Query(description="The `iterator` of the page before.", max_length=64, pattern=REFERENCE)
    ] = None,
) -> ListOut[FoundEndpointOut]:
    """Find the endpoints of a name in all applications of the organization, in the order of the applications."""
    return await finder.find(caller.organization_id, reference, iterator, limit)


# Version 2 of the official SDKs reads the new secret from the answer; the specification and version 1 have none there.
_READS_SECRET = re.compile(r"svix-libs/(?!1\.)\d+\.")


@router.get("", operation_id="v1.endpoint.list", response_model_exclude_none=True)
async def list_endpoints(
    app: ReadApplicationDep, endpoints: ReadEndpointsDep, paging: PagingDep
) -> ListOut[EndpointOut]:
    """List the application's endpoints."""
    return await endpoints.page(app, paging)


@router.post("", status_code=201, operation_id="v1.endpoint.create", response_model_exclude_none=True)
async def create_endpoint(app: ApplicationDep, body: EndpointIn, endpoints: EndpointsDep) -> EndpointOut:
    """Create an endpoint; its signing secret is made for it unless one is given."""
    return await endpoints.create(app, body)


@router.get("/{endpoint_id}", operation_id="v1.endpoint.get", response_model_exclude_none=True)
async def get_endpoint(app: ApplicationDep, reference: EndpointRef, endpoints: EndpointsDep) -> EndpointOut:
    """Get an endpoint."""
    return await endpoints.get(app, reference)


@router.put(
    "/{endpoint_id}",
    operation_id="v1.endpoint.update",
    response_model_exclude_none=True,
    responses={201: {"model": EndpointOut, "description": "Created"}},
)
async def update_endpoint(
    app: ApplicationDep, reference: EndpointRef, body: EndpointUpdate, endpoints: EndpointsDep, response: Response
) -> EndpointOut:
    """Replace an endpoint, or create it with the uid that the path names."""
    endpoint, created = await endpoints.put(app, reference, body)
    response.status_code = 201 if created else 200
    return endpoint


@router.patch("/{endpoint_id}", operation_id="v1.endpoint.patch", response_model_exclude_none=True)
async def patch_endpoint(
    app: ApplicationDep, reference: EndpointRef, body: EndpointPatch, endpoints: EndpointsDep
) -> EndpointOut:
    """Change those fields of an endpoint that the body holds."""
    return await endpoints.patch(app, reference, body)


@router.delete("/{endpoint_id}", status_code=204, operation_id="v1.endpoint.delete")
async def delete_endpoint(app: ApplicationDep, reference: EndpointRef, endpoints: EndpointsDep) -> None:
    """Delete an endpoint; what is still to be delivered to it is canceled."""
    await endpoints.delete(app, reference)


@router.get("/{endpoint_id}/headers", operation_id="v1.endpoint.get-headers")
async def get_endpoint_headers(
    app: ApplicationDep, reference: EndpointRef, endpoints: EndpointsDep
) -> EndpointHeadersOut:
    """Get the headers that are sent with each message; of credentials only the names."""
    return await endpoints.headers(app, reference)


@router.put("/{endpoint_id}/headers", status_code=204, operation_id="v1.endpoint.update-headers")
async def update_endpoint_headers(
    app: ApplicationDep, reference: EndpointRef, body: EndpointHeadersIn, endpoints: EndpointsDep
) -> None:
    """Replace all headers that are sent with each message."""
    await endpoints.set_headers(app, reference, body)


@router.patch("/{endpoint_id}/headers", status_code=204, operation_id="v1.endpoint.patch-headers")
async def patch_endpoint_headers(
    app: ApplicationDep, reference: EndpointRef, body: EndpointHeadersPatch, endpoints: EndpointsDep
) -> None:
    """Set some of the headers that are sent with each message; null removes one."""
    await endpoints.patch_headers(app, reference, body)


@router.get("/{endpoint_id}/secret", operation_id="v1.endpoint.get-secret")
async def get_endpoint_secret(
    app: ApplicationDep, reference: EndpointRef, endpoints: EndpointsDep
) -> EndpointSecretOut:
    """Get what the endpoint's receiver verifies signatures with."""
    return await endpoints.secret(app, reference)


@router.post(
    "/{endpoint_id}/secret/rotate",
    status_code=204,
    operation_id="v1.endpoint.rotate-secret",
    response_model=None,
    responses={200: {"model": EndpointSecretOut, "description": "The new secret, for the second generation of SDKs"}},
)
async def rotate_endpoint_secret(
    app: ApplicationDep,
    reference: EndpointRef,
    body: EndpointSecretRotateIn,
    endpoints: EndpointsDep,
    user_agent: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """Sign with a new secret; the current one goes on signing beside it for a day, or as long as asked."""
    secret = await endpoints.rotate_secret(app, reference, body)
    return exact(secret) if _READS_SECRET.search(user_agent) else Response(status_code=204)


@router.get("/{endpoint_id}/stats", operation_id="v1.endpoint.get-stats")
async def endpoint_stats(
    app: ReadApplicationDep,
    reference: EndpointRef,
    endpoints: ReadEndpointsDep,
    since: Since = None,
    until: Until = None,
) -> EndpointStats:
    """Count the endpoint's deliveries by state."""
    return await endpoints.stats(app, reference, since, until)


@router.get("/{endpoint_id}/attempt-stats", operation_id="v1.endpoint.get-attempt-stats")
async def endpoint_attempt_stats(
    app: ReadApplicationDep,
    reference: EndpointRef,
    endpoints: ReadEndpointsDep,
    since: Since = None,
    until: Until = None,
) -> EndpointAttemptStats:
    """Count how the endpoint's deliveries of whole hours ended."""
    return await endpoints.attempt_stats(app, reference, since, until)
