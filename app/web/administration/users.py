"""The pages of users."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from app.api.paging import ListOut
from app.api.user.models import InvitationOut, UserOut
from app.web.api_client import ApiError
from app.web.page_route import PageRoute
from app.web.view import View, ViewDep

router: Final = APIRouter(prefix="/dashboard", route_class=PageRoute, include_in_schema=False)

_PATH: Final = "/user"
_PER_PAGE: Final = 50


@router.get(_PATH)
async def index(view: ViewDep) -> Response:
    """Those who may sign in."""
    page = await view.api.get(ListOut[UserOut], _PATH, {"limit": _PER_PAGE, "iterator": view.query("iterator")})
    return view.page("administration/users.html", page=page)


@router.get("/user-new")
async def ask(view: ViewDep) -> Response:
    """The form of a new user."""
    return view.page("administration/user_new.html", error=None, values={"email": "", "name": "", "role": "viewer"})


@router.post("/user-new")
async def create(view: ViewDep) -> Response:
    """Create one, and show their invitation, this once."""
    values = {name: view.field(name) for name in ("email", "name", "role")}
    try:
        body = {"email": values["email"], "name": values["name"] or None, "role": values["role"]}
        made = await view.api.post(InvitationOut, _PATH, body)
    except ApiError as error:
        if error.status not in {409, 422}:
            raise
        return view.page("administration/user_new.html", error.status, error=error, values=values)
    return _invitation(view, made)


@router.get(f"{_PATH}/{{user_id}}")
async def show(view: ViewDep, user_id: str) -> Response:
    """One user, and what can be changed of them."""
    user = await view.api.get(UserOut, f"{_PATH}/{user_id}")
    return view.page("administration/user.html", user=user, error=None)


@router.post(f"{_PATH}/{{user_id}}")
async def change(view: ViewDep, user_id: str) -> Response:
    """Another name or role."""
    try:
        body = {"name": view.field("name") or None, "role": view.field("role")}
        changed = await view.api.patch(UserOut, f"{_PATH}/{user_id}", body)
    except ApiError as error:
        return await _refused(view, user_id, error)
    return view.redirect(f"{_PATH}/{user_id}", said=f"{changed.email} is changed.")


@router.post(f"{_PATH}/{{user_id}}/disable")
async def disable(view: ViewDep, user_id: str) -> Response:
    """Disable them, or let them sign in again."""
    disabled = view.field("disabled") == "true"
    try:
        changed = await view.api.patch(UserOut, f"{_PATH}/{user_id}", {"disabled": disabled})
    except ApiError as error:
        return await _refused(view, user_id, error)
    word = "disabled, and signed out everywhere" if disabled else "enabled"
    return view.redirect(f"{_PATH}/{user_id}", said=f"{changed.email} is {word}.")


@router.post(f"{_PATH}/{{user_id}}/invite")
async def invite(view: ViewDep, user_id: str) -> Response:
    """Another invitation, shown this once."""
    try:
        made = await view.api.post(InvitationOut, f"{_PATH}/{user_id}/invite")
    except ApiError as error:
        return await _refused(view, user_id, error)
    return _invitation(view, made)


@router.post(f"{_PATH}/{{user_id}}/delete")
async def delete(view: ViewDep, user_id: str) -> Response:
    """Delete them."""
    try:
        await view.api.do("DELETE", f"{_PATH}/{user_id}")
    except ApiError as error:
        return await _refused(view, user_id, error)
    return view.redirect(_PATH, said="The user is deleted, and signed out everywhere.")


def _invitation(view: View, made: InvitationOut) -> Response:
    """The link, to where this browser finds the dashboard; the API knows only where it is called."""
    url = f"{str(view.request.base_url).rstrip('/')}{view.url('/invitation')}#{made.url.partition('#')[2]}"
    return view.page("administration/invitation.html", made=made, url=url)


async def _refused(view: View, user_id: str, error: ApiError) -> Response:
    if error.status not in {400, 409, 422}:
        raise error
    user = await view.api.get(UserOut, f"{_PATH}/{user_id}")
    return view.page("administration/user.html", error.status, user=user, error=error)
