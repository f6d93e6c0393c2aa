"""Applications over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from app.api.application.models import AlertEmailPatch, ApplicationIn, ApplicationOut, ApplicationPatch
from app.api.application.service import ApplicationService, application_out
from app.api.deps import ApplicationDep, ApplicationRef, OrganizationDep, ReadSessionDep, SessionDep
from app.api.paging import ListOut, PagingDep
from app.api.strict import StrictRoute
from app.db.application.model import LeftOut

router = APIRouter(prefix="/app", tags=["Application"], route_class=StrictRoute)


def _writing(session: SessionDep) -> ApplicationService:
    return ApplicationService(session)


def _reading(session: ReadSessionDep) -> ApplicationService:
    return ApplicationService(session)


ApplicationsDep = Annotated[ApplicationService, Depends(_writing, scope="function")]
ReadApplicationsDep = Annotated[ApplicationService, Depends(_reading, scope="function")]


def _left_out(
    no_endpoints: Annotated[
        bool,
        Query(
            alias="exclude_apps_with_no_endpoints", description="Leave out those without endpoints.", examples=[True]
        ),
    ] = False,
    disabled: Annotated[
        bool,
        Query(
            alias="exclude_apps_with_disabled_endpoints",
            description="Leave out those whose endpoints are all disabled.",
            examples=[True],
        ),
    ] = False,
    play: Annotated[
        bool,
        Query(
            alias="exclude_apps_with_svix_play_endpoints",
            description="Leave out those whose endpoints are all at play.svix.com.",
            examples=[True],
        ),
    ] = False,
) -> LeftOut:
    return LeftOut(no_endpoints, disabled, play)


@router.get("", operation_id="v1.application.list", response_model_exclude_none=True)
async def list_applications(
    caller: OrganizationDep,
    applications: ReadApplicationsDep,
    paging: PagingDep,
    left_out: Annotated[LeftOut, Depends(_left_out)],
) -> ListOut[ApplicationOut]:
    """List the organization's applications."""
    return await applications.page(caller.organization_id, paging, left_out)


@router.post(
    "",
    status_code=201,
    operation_id="v1.application.create",
    response_model_exclude_none=True,
    responses={200: {"model": ApplicationOut, "description": "It existed (`get_if_exists`)"}},
)
async def create_application(
    caller: OrganizationDep,
    body: ApplicationIn,
    applications: ApplicationsDep,
    response: Response,
    get_if_exists: Annotated[
        bool, Query(description="Answer the application that has the uid, if there is one.")
    ] = False,
) -> ApplicationOut:
    """Create an application."""
    application, created = await applications.create(caller.organization_id, body, get_if_exists=get_if_exists)
    response.status_code = 201 if created else 200
    return application


@router.get("/{app_id}", operation_id="v1.application.get", response_model_exclude_none=True)
async def get_application(app: ApplicationDep) -> ApplicationOut:
    """Get an application."""
    return application_out(app)


@router.put(
    "/{app_id}",
    operation_id="v1.application.update",
    response_model_exclude_none=True,
    responses={201: {"model": ApplicationOut, "description": "Created"}},
)
async def update_application(
    caller: OrganizationDep,
    reference: ApplicationRef,
    body: ApplicationIn,
    applications: ApplicationsDep,
    response: Response,
) -> ApplicationOut:
    """Replace an application, or create it with the uid that the path names."""
    application, created = await applications.put(caller.organization_id, reference, body)
    response.status_code = 201 if created else 200
    return application


@router.patch("/{app_id}", operation_id="v1.application.patch", response_model_exclude_none=True)
async def patch_application(
    caller: OrganizationDep, reference: ApplicationRef, body: ApplicationPatch, applications: ApplicationsDep
) -> ApplicationOut:
    """Change those fields of an application that the body holds."""
    return await applications.patch(caller.organization_id, reference, body)


@router.patch("/{app_id}/alert-email", status_code=204, operation_id="v1.application.patch-alert-email")
async def patch_alert_email(
    caller: OrganizationDep, reference: ApplicationRef, body: AlertEmailPatch, applications: ApplicationsDep
) -> None:
    """Set the addresses to which alerts about an application are to go."""
    await applications.set_alert_email(caller.organization_id, reference, body)


@router.delete("/{app_id}", status_code=204, operation_id="v1.application.delete")
async def delete_application(caller: OrganizationDep, reference: ApplicationRef, applications: ApplicationsDep) -> None:
    """Delete an application and its endpoints; what is still to be delivered to them is canceled."""
    await applications.delete(caller.organization_id, reference)
