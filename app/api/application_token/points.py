"""Tokens of applications over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends

from app.api.api_token.models import ApiTokenOut
from app.api.application_token.models import CreateTokenIn, RotatePollerTokenIn
from app.api.application_token.service import ApplicationTokenService
from app.api.deps import (
    ApplicationDep,
    EndpointRef,
    OrganizationDep,
    PrincipalDep,
    ReadApplicationDep,
    ReadSessionDep,
    SealerDep,
    SessionDep,
)
from app.api.strict import StrictRoute

router = APIRouter(prefix="/auth/app/{app_id}", tags=["Authentication"], route_class=StrictRoute)


def _writing(session: SessionDep, sealer: SealerDep) -> ApplicationTokenService:
    return ApplicationTokenService(session, sealer)


def _reading(session: ReadSessionDep, sealer: SealerDep) -> ApplicationTokenService:
    return ApplicationTokenService(session, sealer)


TokensDep = Annotated[ApplicationTokenService, Depends(_writing, scope="function")]
ReadTokensDep = Annotated[ApplicationTokenService, Depends(_reading, scope="function")]


@router.post(
    "/create-message-token", operation_id="v1.authentication.create-message-token", response_model_exclude_none=True
)
async def create_message_token(
    caller: OrganizationDep, app: ApplicationDep, body: CreateTokenIn, tokens: TokensDep
) -> ApiTokenOut:
    """Create a token that can publish to this application and do nothing else."""
    return await tokens.create_for_messages(caller, app, body)


@router.get(
    "/poller/{endpoint_id}/token",
    operation_id="v1.authentication.get-poller-token",
    response_model_exclude_none=True,
)
async def get_poller_token(app: ReadApplicationDep, poller: EndpointRef, tokens: ReadTokensDep) -> ApiTokenOut:
    """Get the token that can poll this poller and do nothing else."""
    return await tokens.of_poller(app, poller)


@router.post(
    "/poller/{endpoint_id}/token/rotate",
    status_code=201,
    operation_id="v1.authentication.rotate-poller-token",
    response_model_exclude_none=True,
)
async def rotate_poller_token(
    caller: PrincipalDep,
    app: ApplicationDep,
    poller: EndpointRef,
    body: RotatePollerTokenIn,
    tokens: TokensDep,
) -> ApiTokenOut:
    """Create a new token for a poller; the earlier ones end in five minutes, or when asked."""
    return await tokens.rotate(caller, app, poller, body)
