"""Sources over HTTP."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Request, Response

from app.api.auth.models import AppPortalAccessIn, AppPortalAccessOut
from app.api.auth.service import AuthService
from app.api.deps import (
    ApplicationDep,
    OrganizationDep,
    PublicUrlDep,
    ReadSessionDep,
    SealerDep,
    SessionDep,
    SettingsDep,
    SourceApplicationDep,
    SourceRef,
)
from app.api.paging import ListOut, PagingDep
from app.api.source.models import (
    IngestSourceIn,
    IngestSourceOut,
    IngestSourcePatch,
    IngestSourcePortalAccessIn,
    RotatedUrlOut,
    RotateTokenOut,
)
from app.api.source.service import SourceService
from app.api.source.svix_types import as_svix_has_it, is_sdk
from app.api.strict import StrictRoute

router: Final = APIRouter(prefix="/source", tags=["Ingest Source"], route_class=StrictRoute)
inbound: Final = APIRouter(prefix="/app/{app_id}/inbound", tags=["Inbound"], route_class=StrictRoute)


def _writing(session: SessionDep, sealer: SealerDep, base_url: PublicUrlDep) -> SourceService:
    return SourceService(session, sealer, base_url)


def _reading(session: ReadSessionDep, sealer: SealerDep, base_url: PublicUrlDep) -> SourceService:
    return SourceService(session, sealer, base_url)


def _auth(session: SessionDep, settings: SettingsDep, sealer: SealerDep) -> AuthService:
    return AuthService(session, settings, sealer)


async def _by_sdk(user_agent: Annotated[str, Header(include_in_schema=False)] = "") -> bool:
    return is_sdk(user_agent)


SourcesDep = Annotated[SourceService, Depends(_writing, scope="function")]
ReadSourcesDep = Annotated[SourceService, Depends(_reading, scope="function")]
AuthDep = Annotated[AuthService, Depends(_auth, scope="function")]
BySdk = Annotated[bool, Depends(_by_sdk)]


def _seen(source: IngestSourceOut, by_sdk: bool) -> IngestSourceOut:
    return as_svix_has_it(source) if by_sdk else source


@router.get("", operation_id="v1.ingest.source.list", response_model_exclude_none=True)
async def list_sources(
    caller: OrganizationDep, sources: ReadSourcesDep, paging: PagingDep, by_sdk: BySdk
) -> ListOut[IngestSourceOut]:
    """List the organization's sources, with their URLs."""
    page = await sources.page(caller.organization_id, paging)
    if by_sdk:
        page.data = [as_svix_has_it(source) for source in page.data]
    return page


@router.post("", status_code=201, operation_id="v1.ingest.source.create", response_model_exclude_none=True)
async def create_source(
    caller: OrganizationDep, body: IngestSourceIn, sources: SourcesDep, by_sdk: BySdk
) -> IngestSourceOut:
    """Create a source: a URL that a provider's webhooks are posted to."""
    return _seen(await sources.create(caller.organization_id, body), by_sdk)


@router.get("/{source_id}", operation_id="v1.ingest.source.get", response_model_exclude_none=True)
async def get_source(
    caller: OrganizationDep, reference: SourceRef, sources: SourcesDep, by_sdk: BySdk
) -> IngestSourceOut:
    """Get a source, with its URL."""
    return _seen(await sources.get(caller.organization_id, reference), by_sdk)


@router.put(
    "/{source_id}",
    operation_id="v1.ingest.source.upsert",
    response_model_exclude_none=True,
    responses={201: {"model": IngestSourceOut, "description": "Created"}},
)
async def upsert_source(
    caller: OrganizationDep,
    reference: SourceRef,
    body: IngestSourceIn,
    sources: SourcesDep,
    by_sdk: BySdk,
    response: Response,
) -> IngestSourceOut:
    """Replace a source and its config, or create it with the uid that the path names; its URL stays as it is."""
    source, created = await sources.put(caller.organization_id, reference, body, by_sdk=by_sdk)
    response.status_code = 201 if created else 200
    return _seen(source, by_sdk)


@router.patch("/{source_id}", operation_id="v1.ingest.source.patch", response_model_exclude_none=True)
async def patch_source(
    caller: OrganizationDep, reference: SourceRef, body: IngestSourcePatch, sources: SourcesDep, by_sdk: BySdk
) -> IngestSourceOut:
    """Change those fields of a source, and of its config, that the body holds."""
    return _seen(await sources.patch(caller.organization_id, reference, body), by_sdk)


@router.delete("/{source_id}", status_code=204, operation_id="v1.ingest.source.delete")
async def delete_source(caller: OrganizationDep, reference: SourceRef, sources: SourcesDep) -> None:
    """Delete a source with its URL, and the application that was made for it; the messages stay."""
    await sources.delete(caller.organization_id, reference)


@router.post("/{source_id}/token/rotate", operation_id="v1.ingest.source.rotate-token")
async def rotate_source_token(caller: OrganizationDep, reference: SourceRef, sources: SourcesDep) -> RotateTokenOut:
    """Give a source another URL; earlier ones stay good for 48 hours, in which there may be three rotations."""
    return RotateTokenOut(ingest_url=await sources.rotate_token(caller.organization_id, reference))


@router.post("/{source_id}/dashboard", operation_id="v1.ingest.authentication.consumer-portal-access")
async def source_portal_access(
    app: SourceApplicationDep, auth: AuthDep, request: Request, body: IngestSourcePortalAccessIn | None = None
) -> AppPortalAccessOut:
    """Get a link and a token with which somebody manages the endpoints that get what arrives at a source."""
    body = body or IngestSourcePortalAccessIn()
    access = AppPortalAccessIn(expiry=body.seconds, read_only=body.read_only)
    return await auth.portal_access(app.organization_id, app.id, access, str(request.base_url))


@inbound.post("/rotate-url", operation_id="v1.inbound.rotate-url")
async def rotate_inbound_url(_caller: OrganizationDep, app: ApplicationDep, sources: SourcesDep) -> RotatedUrlOut:
    """Give an application another URL at which it receives whatever is posted; earlier ones end at once."""
    return RotatedUrlOut(url=await sources.rotate_inbound(app))
