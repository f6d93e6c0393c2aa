"""API tokens over HTTP."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from sqlalchemy.ext.asyncio import AsyncSession

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
from app.db.organization.environments import EnvironmentsTable
from app.errors import NotFound
from app.tokens import Principal

router = APIRouter(
    prefix="/management/authentication/{env_id}/api-token", tags=["Authentication"], route_class=StrictRoute
)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose tokens are meant, and with which scopes the caller may make some (None: all)."""

    organization_id: str
    scopes: frozenset[str] | None


EnvironmentId = Annotated[str, Path(description="The organization's id.", pattern=r"^org_[A-Za-z0-9]{27}$")]


async def _find_owner(caller: Principal, session: AsyncSession, env_id: str) -> Owner:
    """The organization that the path names, which must be the caller, unless that manages all."""
    if env_id == caller.organization_id:
        return Owner(env_id, caller.scopes)
    if not caller.is_management or await EnvironmentsTable(session).get(caller.organization_id, env_id) is None:
        raise NotFound
    return Owner(env_id, None)


# Read where it is written: a replica may not know yet that it was made, or deleted.
async def _owner_to_change(caller: OrganizationDep, session: SessionDep, env_id: EnvironmentId) -> Owner:
    return await _find_owner(caller, session, env_id)


async def _owner_to_show(caller: OrganizationDep, session: ReadSessionDep, env_id: EnvironmentId) -> Owner:
    return await _find_owner(caller, session, env_id)


ChangedOwnerDep = Annotated[Owner, Depends(_owner_to_change, scope="function")]
ShownOwnerDep = Annotated[Owner, Depends(_owner_to_show, scope="function")]
TokenId = Annotated[str, Path(alias="key_id", description="The token's id.", pattern=r"^key_[A-Za-z0-9]{27}$")]


def _writing(request: Request, owner: ChangedOwnerDep, session: SessionDep) -> ApiTokenService:
    return ApiTokenService(session, owner.organization_id, operation_names(request.app), owner.scopes)


def _reading(owner: ShownOwnerDep, session: ReadSessionDep) -> ApiTokenService:
    return ApiTokenService(session, owner.organization_id, (), owner.scopes)


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
