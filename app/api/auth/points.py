"""Portal access over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from app.api.auth.models import (
    ApplicationTokenExpireIn,
    AppPortalAccessIn,
    AppPortalAccessOut,
    OneTimeTokenIn,
    OneTimeTokenOut,
    WhoamiOut,
)
from app.api.auth.service import AuthService
from app.api.deps import ApplicationRef, OrganizationDep, PrincipalDep, SealerDep, SessionDep, SettingsDep
from app.api.strict import StrictRoute

router = APIRouter(prefix="/auth", tags=["Authentication"], route_class=StrictRoute)


def _service(session: SessionDep, settings: SettingsDep, sealer: SealerDep) -> AuthService:
    return AuthService(session, settings, sealer)


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


@router.post(
    "/one-time-token",
    operation_id="v1.authentication.exchange-one-time-token",
    openapi_extra={"security": []},
)
async def exchange_one_time_token(request: Request, body: OneTimeTokenIn, auth: AuthDep) -> OneTimeTokenOut:
    """Exchange what stands in a link to the portal for the portal's token, once."""
    # Nobody calls until it is known whose it was: the audit log asks.
    request.state.caller, exchanged = await auth.exchange(body)
    return exchanged


@router.post("/logout", status_code=204, operation_id="v1.authentication.logout")
async def logout(caller: PrincipalDep, auth: AuthDep) -> None:
    """End a portal session: its token is refused everywhere within seconds."""
    await auth.log_out(caller)


@router.post("/app/{app_id}/expire-all", status_code=204, operation_id="v1.authentication.expire-all")
async def expire_all(
    caller: OrganizationDep, reference: ApplicationRef, body: ApplicationTokenExpireIn, auth: AuthDep
) -> None:
    """End all portal tokens that an application has so far, or those of some sessions, now or in up to three days."""
    await auth.expire_all(caller.organization_id, reference, body)


@router.get("/whoami", operation_id="v1.authentication.whoami", response_model_exclude_none=True)
async def whoami(caller: PrincipalDep) -> WhoamiOut:
    """Find out whom the token stands for."""
    return WhoamiOut(
        env_id=caller.organization_id,
        app_id=caller.application_id,
        permission_source="SvixJwt" if caller.kind == "jwt" else "RegionalAuthToken",
        session_id=caller.session_id,
    )
