"""Users over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from app.api.deps import OrganizationDep, PublicUrlDep, ReadSessionDep, SessionDep
from app.api.paging import ListOut, PagingDep
from app.api.strict import StrictRoute
from app.api.user.models import InvitationOut, UserIn, UserOut, UserPatch
from app.api.user.service import UserService

router = APIRouter(prefix="/user", tags=["User"], route_class=StrictRoute)


def _writing(caller: OrganizationDep, session: SessionDep, public_url: PublicUrlDep) -> UserService:
    return UserService(session, caller, public_url)


def _reading(caller: OrganizationDep, session: ReadSessionDep, public_url: PublicUrlDep) -> UserService:
    return UserService(session, caller, public_url)


UsersDep = Annotated[UserService, Depends(_writing, scope="function")]
ReadUsersDep = Annotated[UserService, Depends(_reading, scope="function")]
UserId = Annotated[
    str,
    Path(
        alias="user_id",
        description="The user's id.",
        pattern=r"^usr_[A-Za-z0-9]{27}$",
        examples=["usr_1srOrx2ZWZBpBUvZwXKQmoEYga2"],
    ),
]


@router.get("", operation_id="v1.user.list", response_model_exclude_none=True)
async def list_users(users: ReadUsersDep, paging: PagingDep) -> ListOut[UserOut]:
    """List those who may sign in to the organization's dashboard."""
    return await users.page(paging)


@router.post("", operation_id="v1.user.create", response_model_exclude_none=True)
async def create_user(body: UserIn, users: UsersDep) -> InvitationOut:
    """Create a user, and get the link with which they choose a password within a week."""
    return await users.create(body)


@router.get("/{user_id}", operation_id="v1.user.get", response_model_exclude_none=True)
async def get_user(user_id: UserId, users: ReadUsersDep) -> UserOut:
    """Get a user."""
    return await users.get(user_id)


@router.patch("/{user_id}", operation_id="v1.user.patch", response_model_exclude_none=True)
async def patch_user(user_id: UserId, body: UserPatch, users: UsersDep) -> UserOut:
    """Rename a user, give them another role, disable or enable them; the latter two sign them out at once."""
    return await users.change(user_id, body)


@router.post("/{user_id}/invite", operation_id="v1.user.invite", response_model_exclude_none=True)
async def invite_user(user_id: UserId, users: UsersDep) -> InvitationOut:
    """Get another link with which a user chooses a password; earlier ones lead nowhere then."""
    return await users.invite(user_id)


@router.delete("/{user_id}", status_code=204, operation_id="v1.user.delete")
async def delete_user(user_id: UserId, users: UsersDep) -> None:
    """Delete a user, who is signed out at once."""
    await users.delete(user_id)
