"""API tokens over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from app.api.api_token.models import (
    ApiTokenCensoredOut,
    ApiTokenExpireIn,
    ApiTokenIn,
    ApiTokenOut,
    ApiTokenPatch,
    ApiTokenUpdate,
)
from app.api.api_token.service import ApiTokenService
from app.api.deps import OrganizationDep, ReadSessionDep, SessionDep
from app.api.openapi import operation_names
from app.api.paging import ListOut, PagingDep
from app.api.strict import StrictRoute
from app.errors import NotFound
from app.tokens import Principal

router = APIRouter(
    prefix="/management/authentication/{env_id}/api-token", tags=["Authentication"], route_class=StrictRoute
)


async def _caller(
    caller: OrganizationDep,
    env_id: Annotated[str, Path(description="The organization's id.", pattern=r"^org_[A-Za-z0-9]{27}$")],
) -> Principal:
    """The organization that the path names, which must be the caller."""
    if env_id != caller.organization_id:
        raise NotFound
    return caller


OwnDep = Annotated[Principal, Depends(_caller)]
TokenId = Annotated[str, Path(alias="key_id", description="The token's id.", pattern=r"^key_[A-Za-z0-9]{27}$")]


def _writing(request: Request, caller: OwnDep, session: SessionDep) -> ApiTokenService:
    return ApiTokenService(session, caller.organization_id, operation_names(request.app), caller.scopes)


def _reading(request: Request, caller: OwnDep, session: ReadSessionDep) -> ApiTokenService:
    return ApiTokenService(session, caller.organization_id, operation_names(request.app), caller.scopes)


TokensDep = Annotated[ApiTokenService, Depends(_writing, scope="function")]
ReadTokensDep = Annotated[ApiTokenService, Depends(_reading, scope="function")]


@router.get("", operation_id="v1.management.authentication.list-api-tokens", response_model_exclude_none=True)
async def list_api_tokens(tokens: ReadTokensDep, paging: PagingDep) -> ListOut[ApiTokenCensoredOut]:
    """List the organization's API tokens, without what is secret about them."""
    return await tokens.page(paging)


@router.post("", operation_id="v1.management.authentication.create-api-token", response_model_exclude_none=True)
async def create_api_token(body: ApiTokenIn, tokens: TokensDep) -> ApiTokenOut:
    """Create an API token. This answer is the only place where it can be read."""
    return await tokens.create(body)


@router.get("/{key_id}", operation_id="v1.management.authentication.get-api-token", response_model_exclude_none=True)
async def get_api_token(token_id: TokenId, tokens: ReadTokensDep) -> ApiTokenCensoredOut:
    """Get an API token, without what is secret about it."""
    return await tokens.get(token_id)


@router.put("/{key_id}", operation_id="v1.management.authentication.update-api-token", response_model_exclude_none=True)
async def update_api_token(token_id: TokenId, body: ApiTokenUpdate, tokens: TokensDep) -> ApiTokenCensoredOut:
    """Rename an API token."""
    return await tokens.change(token_id, body)


@router.patch(
    "/{key_id}", operation_id="v1.management.authentication.patch-api-token", response_model_exclude_none=True
)
async def patch_api_token(token_id: TokenId, body: ApiTokenPatch, tokens: TokensDep) -> ApiTokenCensoredOut:
    """Rename an API token, or give it other scopes; they hold within seconds."""
    return await tokens.change(token_id, body)


@router.post("/{key_id}/expire", status_code=204, operation_id="v1.management.authentication.expire-api-token")
async def expire_api_token(token_id: TokenId, body: ApiTokenExpireIn, tokens: TokensDep) -> None:
    """End an API token, now or in up to three days; it is refused everywhere within seconds after that."""
    await tokens.expire(token_id, body)
