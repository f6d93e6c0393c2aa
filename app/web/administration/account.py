"""The page of who signed in as a user: their password, and where they are signed in."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from app.api.account.models import AccountOut
from app.api.sign_in.models import SignedInOut
from app.web.api_client import ApiError
from app.web.forms import refused
from app.web.page_route import PageRoute
from app.web.sign_in.beginning import begin
from app.web.view import View, ViewDep

router: Final = APIRouter(prefix="/dashboard", route_class=PageRoute, include_in_schema=False)

_PATH: Final = "/account"


@router.get(_PATH)
async def show(view: ViewDep) -> Response:
    """Who am I, and where else am I signed in?"""
    return await _page(view)


@router.post(f"{_PATH}/password")
async def change_password(view: ViewDep) -> Response:
    """Another password: everywhere else one is signed out."""
    try:
        if view.secret("new") != view.secret("again"):
            raise refused("again", "This is not the same. Write the new password twice.")
        body = {"currentPassword": view.secret("current"), "newPassword": view.secret("new")}
        signed_in = await view.api.post(SignedInOut, "/account/password", body)
    except ApiError as error:
        if error.status not in {422, 429}:
            raise
        return await _page(view, error)
    response = await begin(view, signed_in.token, signed_in.user_id, view.url(_PATH))
    view.cookies.say(response, "You have another password, and are signed out everywhere else.")
    return response


@router.post(f"{_PATH}/session/{{session_id}}/end")
async def end_session(view: ViewDep, session_id: str) -> Response:
    """Sign out of one browser."""
    await view.api.do("DELETE", f"/account/session/{session_id}")
    return view.redirect(_PATH, said="That browser is signed out.")


async def _page(view: View, error: ApiError | None = None) -> Response:
    account = await view.api.get(AccountOut, "/account")
    status = 200 if error is None else error.status
    return view.page("administration/account.html", status, account=account, error=error)
