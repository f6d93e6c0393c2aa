"""The page of the system."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from app.api.system.models import SystemOut
from app.web.api_client import ApiError
from app.web.page_route import PageRoute
from app.web.view import ViewDep

router: Final = APIRouter(prefix="/dashboard", route_class=PageRoute, include_in_schema=False)


@router.get("/system")
async def show(view: ViewDep) -> Response:
    """The servers, workers, chores and schema; for the operator also the queue and the ledger of all organizations."""
    found = await view.api.get(SystemOut, "/system")
    return view.page("system/show.html", system=found, live=view.query("live") != "off")


@router.get("/system-now")
async def now(view: ViewDep) -> Response:
    """The same as a part of the page, every ten seconds."""
    try:
        found = await view.api.get(SystemOut, "/system")
    except ApiError as error:
        if error.status == 401:
            raise
        return view.fragment("home/missing.html", detail=error.detail)
    return view.fragment("system/now.html", system=found)
