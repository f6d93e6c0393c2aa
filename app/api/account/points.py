"""A user's own account over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from app.api.account.models import AccountOut, PasswordChangeIn
from app.api.account.service import AccountService
from app.api.deps import OrganizationDep, SessionDep, SettingsDep
from app.api.responses import TOO_MANY
from app.api.sign_in.models import SignedInOut
from app.api.sign_in.service import Issuer
from app.api.strict import StrictRoute

router = APIRouter(prefix="/account", tags=["User"], route_class=StrictRoute)


# Read where it is written: a replica may not know yet who signed in a moment ago.
def _service(caller: OrganizationDep, session: SessionDep) -> AccountService:
    return AccountService(session, caller)


AccountDep = Annotated[AccountService, Depends(_service, scope="function")]
SessionId = Annotated[
    str,
    Path(
        alias="session_id",
        description="The session's id.",
        pattern=r"^key_[A-Za-z0-9]{27}$",
        examples=["key_1srOrx2ZWZBpBUvZwXKQmoEYga2"],
    ),
]


@router.get("", operation_id="v1.account.get", response_model_exclude_none=True)
async def get_account(account: AccountDep) -> AccountOut:
    """Find out who signed in, and where else they are signed in."""
    return await account.get()


@router.post("/password", operation_id="v1.account.change-password", responses=TOO_MANY)
async def change_password(
    request: Request, body: PasswordChangeIn, account: AccountDep, settings: SettingsDep
) -> SignedInOut:
    """Choose another password: this signs out everywhere, and in here, with the token that is answered."""
    address = request.client.host if request.client else None
    return await account.change_password(body, request.app.state.gate, Issuer(settings), address)


@router.delete("/session/{session_id}", status_code=204, operation_id="v1.account.end-session")
async def end_session(session_id: SessionId, account: AccountDep) -> None:
    """Sign out of one browser."""
    await account.end_session(session_id)
