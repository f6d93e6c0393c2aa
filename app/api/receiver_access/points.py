"""Receiver access over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends

from app.api.deps import (
    ApplicationDep,
    EndpointRef,
    SealerDep,
    SessionDep,
    SettingsDep,
)
from app.api.receiver_access.models import (
    EndpointAuthenticationIn,
    EndpointAuthenticationOut,
    EndpointMtlsConfigIn,
    EndpointMtlsConfigOut,
    EndpointMtlsOut,
    EndpointOauthConfigIn,
    EndpointOauthConfigOut,
    EndpointOauthOut,
    EndpointServerCaIn,
    EndpointServerCaOut,
)
from app.api.receiver_access.service import ReceiverAccessService
from app.api.strict import StrictRoute

router = APIRouter(prefix="/app/{app_id}/endpoint/{endpoint_id}", tags=["Endpoint"], route_class=StrictRoute)


def _writing(session: SessionDep, sealer: SealerDep, settings: SettingsDep) -> ReceiverAccessService:
    return ReceiverAccessService(session, sealer, settings)


AccessDep = Annotated[ReceiverAccessService, Depends(_writing, scope="function")]


@router.get(
    "/authentication",
    operation_id="v1.endpoint.get-authentication",
    response_model_exclude_none=True,
)
async def get_authentication(
    app: ApplicationDep, reference: EndpointRef, access: AccessDep
) -> EndpointAuthenticationOut:
    """Get how requests are authenticated, without what is secret about it; 404 if they are not."""
    return await access.authentication(app, reference)


@router.put("/authentication", status_code=204, operation_id="v1.endpoint.set-authentication")
async def set_authentication(
    app: ApplicationDep, reference: EndpointRef, body: EndpointAuthenticationIn, access: AccessDep
) -> None:
    """Authenticate requests with a user name and password, or a header, instead of what was set before."""
    await access.set_authentication(app, reference, body)


@router.delete("/authentication", status_code=204, operation_id="v1.endpoint.delete-authentication")
async def delete_authentication(app: ApplicationDep, reference: EndpointRef, access: AccessDep) -> None:
    """Send requests without authentication, whichever kind was set."""
    await access.delete_authentication(app, reference)


@router.get("/oauth", operation_id="v1.endpoint.get-oauth", response_model_exclude_none=True)
async def get_oauth(app: ApplicationDep, reference: EndpointRef, access: AccessDep) -> EndpointOauthConfigOut:
    """Get how tokens are asked for, without the client's secret; 404 if they are not."""
    return await access.oauth(app, reference)


@router.put("/oauth", status_code=204, operation_id="v1.endpoint.set-oauth-config")
async def set_oauth(
    app: ApplicationDep, reference: EndpointRef, body: EndpointOauthConfigIn, access: AccessDep
) -> None:
    """Authenticate requests with OAuth tokens, instead of what was set before."""
    await access.set_oauth(app, reference, body)


@router.delete("/oauth", status_code=204, operation_id="v1.endpoint.delete-oauth-config")
async def delete_oauth(app: ApplicationDep, reference: EndpointRef, access: AccessDep) -> None:
    """Send requests without OAuth tokens; another kind of authentication stays."""
    await access.delete_oauth(app, reference)


@router.get("/oauth-config", operation_id="v1.endpoint.get-oauth-2", response_model_exclude_none=True)
async def get_oauth_status(app: ApplicationDep, reference: EndpointRef, access: AccessDep) -> EndpointOauthOut:
    """Get whether requests carry OAuth tokens, and how those are asked for."""
    return await access.oauth_status(app, reference)


@router.get("/mtls", operation_id="v1.endpoint.get-mtls")
async def get_mtls(app: ApplicationDep, reference: EndpointRef, access: AccessDep) -> EndpointMtlsConfigOut:
    """Find out whether there is a client certificate; 404 if there is none."""
    return await access.mtls(app, reference)


@router.put("/mtls", status_code=204, operation_id="v1.endpoint.set-mtls-config")
async def set_mtls(app: ApplicationDep, reference: EndpointRef, body: EndpointMtlsConfigIn, access: AccessDep) -> None:
    """Present a client certificate to the receiver."""
    await access.set_mtls(app, reference, body)


@router.delete("/mtls", status_code=204, operation_id="v1.endpoint.delete-mtls-config")
async def delete_mtls(app: ApplicationDep, reference: EndpointRef, access: AccessDep) -> None:
    """Present no client certificate any more."""
    await access.delete_mtls(app, reference)


@router.get("/mtls-config", operation_id="v1.endpoint.get-mtls-2", response_model_exclude_none=True)
async def get_mtls_status(app: ApplicationDep, reference: EndpointRef, access: AccessDep) -> EndpointMtlsOut:
    """Get whether there is a client certificate."""
    return await access.mtls_status(app, reference)


@router.get("/ca", operation_id="v1.endpoint.get-server-ca")
async def get_server_ca(app: ApplicationDep, reference: EndpointRef, access: AccessDep) -> EndpointServerCaOut:
    """Get the authorities that the receiver is verified with, beside the system's."""
    return await access.server_ca(app, reference)


@router.put("/ca", status_code=204, operation_id="v1.endpoint.set-server-ca")
async def set_server_ca(
    app: ApplicationDep, reference: EndpointRef, body: EndpointServerCaIn, access: AccessDep
) -> None:
    """Verify the receiver with these authorities too; null for the system's alone."""
    await access.set_server_ca(app, reference, body)
