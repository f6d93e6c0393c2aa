"""The pages of API tokens."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from app import clock
from app.api.api_token.models import ApiTokenCensoredOut, ApiTokenOut
from app.api.paging import ListOut
from app.web.api_client import ApiError, Query
from app.web.forms import number_or_text, words
from app.web.page_route import PageRoute
from app.web.view import View, ViewDep

router: Final = APIRouter(prefix="/dashboard", route_class=PageRoute, include_in_schema=False)

_PER_PAGE: Final = 50
_DAY: Final = 86_400
_FIELDS: Final = ("name", "kind", "scopes", "days")


@router.get("/token")
async def index(view: ViewDep) -> Response:
    """The organization's tokens, newest first."""
    query: Query = {"limit": _PER_PAGE, "order": "descending", "iterator": view.query("iterator")}
    page = await view.api.get(ListOut[ApiTokenCensoredOut], _path(view), query)
    return view.page("administration/tokens.html", page=page, now=clock.now())


@router.get("/token-new")
async def ask(view: ViewDep) -> Response:
    """The form of a new token."""
    return _form(view, {"name": "", "kind": "read", "scopes": "", "days": ""})


@router.post("/token-new")
async def create(view: ViewDep) -> Response:
    """Make one, and show it, this once."""
    values = {name: view.field(name) for name in _FIELDS}
    days = number_or_text(values["days"])
    body = {
        "name": values["name"],
        "scopes": {"all": None, "some": words(values["scopes"])}.get(values["kind"], [values["kind"]]),
        "expiry": days * _DAY if isinstance(days, int) else days,
    }
    try:
        made = await view.api.post(ApiTokenOut, _path(view), body)
    except ApiError as error:
        if error.status not in {403, 422}:
            raise
        return _form(view, values, error)
    return view.page("administration/token.html", made=made)


@router.post("/token/{key_id}/expire")
async def expire(view: ViewDep, key_id: str) -> Response:
    """End one now."""
    await view.api.do("POST", f"{_path(view)}/{key_id}/expire", {"expiry": 0})
    return view.redirect("/token", said="The token is refused everywhere within seconds.")


def _form(view: View, values: dict[str, str], error: ApiError | None = None) -> Response:
    status = 200 if error is None else error.status
    return view.page("administration/token_new.html", status, values=values, error=error)


def _path(view: View) -> str:
    return f"/management/authentication/{view.session.caller.organization_id}/api-token"
