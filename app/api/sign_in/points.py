"""Signing in over HTTP: without a token, which is what one gets."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request

from app import clock
from app.api.deps import DatabaseDep, SessionDep, SettingsDep
from app.api.responses import TOO_MANY
from app.api.sign_in.models import (
    InvitationAcceptIn,
    MethodsOut,
    OpenIdBeginIn,
    OpenIdBeginOut,
    OpenIdFinishIn,
    OpenIdFinishOut,
    PasswordSignInIn,
    SignedInOut,
)
from app.api.sign_in.openid import OpenId
from app.api.sign_in.service import Issuer, SignInService, begin_openid
from app.api.strict import StrictRoute
from app.db.user.model import UserRow
from app.principal import Principal

router = APIRouter(prefix="/auth/sign-in", tags=["Authentication"], route_class=StrictRoute)

_OPEN: Final[dict[str, Any]] = {"security": []}


def _service(request: Request, session: SessionDep, database: DatabaseDep, settings: SettingsDep) -> SignInService:
    return SignInService(session, database.pool, request.app.state.gate, Issuer(settings))


def _provider(request: Request) -> OpenId | None:
    found: OpenId | None = request.app.state.openid
    return found


SignInDep = Annotated[SignInService, Depends(_service, scope="function")]
ProviderDep = Annotated[OpenId | None, Depends(_provider)]


@router.get("", operation_id="v1.authentication.sign-in-methods", openapi_extra=_OPEN)
async def methods(provider: ProviderDep) -> MethodsOut:
    """Find out how users may sign in."""
    return MethodsOut(single_sign_on=provider is not None)


@router.post("", operation_id="v1.authentication.sign-in", openapi_extra=_OPEN, responses=TOO_MANY)
async def sign_in(request: Request, body: PasswordSignInIn, service: SignInDep) -> SignedInOut:
    """Sign in with an email and a password, and get a token for a week."""
    row, signed_in = await service.with_password(body, request.client.host if request.client else None)
    _note(request, row)
    return signed_in


@router.post("/invitation", operation_id="v1.authentication.accept-invitation", openapi_extra=_OPEN)
async def accept_invitation(request: Request, body: InvitationAcceptIn, service: SignInDep) -> SignedInOut:
    """Choose a password with an invitation, once, and sign in with it."""
    row, signed_in = await service.with_invitation(body)
    _note(request, row)
    return signed_in


@router.post("/openid/begin", operation_id="v1.authentication.begin-openid", openapi_extra=_OPEN)
async def begin(body: OpenIdBeginIn, provider: ProviderDep) -> OpenIdBeginOut:
    """Begin to sign in with the provider of OpenID Connect: find out where to send the browser."""
    return await begin_openid(provider, body)


@router.post("/openid/finish", operation_id="v1.authentication.finish-openid", openapi_extra=_OPEN)
async def finish_openid(
    request: Request, body: OpenIdFinishIn, service: SignInDep, provider: ProviderDep
) -> OpenIdFinishOut:
    """Sign in with what the provider of OpenID Connect answered, and get a token for a week."""
    row, signed_in = await service.finish_openid(provider, body)
    _note(request, row)
    return signed_in


def _note(request: Request, row: UserRow) -> None:
    """Nobody calls until it is known who it was: the audit log asks."""
    request.state.caller = Principal(row.organization_id, None, clock.unix(), session_id=row.id)
