"""Catalogs over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends

from app.api.background_task.models import BackgroundTaskStarted
from app.api.catalog.models import EventTypeImportOpenApiIn, EventTypeImportOpenApiOut
from app.api.catalog.service import CatalogService
from app.api.deps import OrganizationDep, SessionDep
from app.api.strict import StrictRoute

router = APIRouter(prefix="/event-type", tags=["Event Type"], route_class=StrictRoute)


def _writing(session: SessionDep) -> CatalogService:
    return CatalogService(session)


CatalogDep = Annotated[CatalogService, Depends(_writing, scope="function")]


@router.post("/import/openapi", operation_id="v1.event-type.import-openapi", response_model_exclude_none=True)
async def import_event_types(
    caller: OrganizationDep, body: EventTypeImportOpenApiIn, catalog: CatalogDep
) -> EventTypeImportOpenApiOut:
    """Create and change event types as the webhooks of an OpenAPI document describe them."""
    return await catalog.import_openapi(caller.organization_id, body)


@router.post("/export/openapi", status_code=202, operation_id="v1.event-type.export-openapi")
async def export_event_types(caller: OrganizationDep, catalog: CatalogDep) -> BackgroundTaskStarted:
    """Start a background task whose data will hold an OpenAPI document of all event types."""
    return await catalog.export_openapi(caller.organization_id)
