"""Portal access over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from app.api.auth.models import AppPortalAccessIn, AppPortalAccessOut
from app.api.auth.service import AuthService
from app.api.deps import ApplicationRef, OrganizationDep, PrincipalDep, SessionDep, SettingsDep

router = APIRouter(prefix="/auth", tags=["Authentication"])


def _service(session: SessionDep, settings: SettingsDep) -> AuthService:
    return AuthService(session, settings)


AuthDep = Annotated[AuthService, Depends(_service, scope="function")]


@router.post("/app-portal-access/{app_id}", operation_id="v1.authentication.app-portal-access")
async def app_portal_access(
    caller: OrganizationDep, reference: ApplicationRef, body: AppPortalAccessIn, auth: AuthDep, request: Request
) -> AppPortalAccessOut:
    """Get a link and a token with which an application's users manage its endpoints themselves."""
    return await auth.portal_access(caller.organization_id, reference, body, str(request.base_url))


@router.post("/dashboard-access/{app_id}", operation_id="v1.authentication.dashboard-access", include_in_schema=False)
async def dashboard_access(
    caller: OrganizationDep, reference: ApplicationRef, auth: AuthDep, request: Request
) -> AppPortalAccessOut:
    """The older name of portal access, without a body."""
    return await auth.portal_access(caller.organization_id, reference, AppPortalAccessIn(), str(request.base_url))


@router.post("/logout", status_code=204, operation_id="v1.authentication.logout")
async def logout(caller: PrincipalDep) -> None:
    """End a portal session: the caller forgets its token, which stays good until it expires."""
