"""The first page of the dashboard, and the parts of it that refresh themselves."""

import asyncio
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from app.api.application.models import ApplicationOut
from app.api.overview.models import NowOut, Period, SeriesOut
from app.api.paging import ListOut
from app.web.api_client import ApiError
from app.web.page_route import PageRoute
from app.web.view import View, ViewDep

PERIODS: Final = tuple(Period)

router: Final = APIRouter(prefix="/dashboard", route_class=PageRoute, include_in_schema=False)


@router.get("")
async def show(view: ViewDep) -> Response:
    """What comes and goes, what waits, what fails; and the same over time."""
    now, series, applications = await asyncio.gather(
        view.api.get(NowOut, "/stats/now"),
        _series(view),
        view.api.get(ListOut[ApplicationOut], "/app", {"limit": 1}),
    )
    is_live = view.query("live") != "off"
    return view.page("home/show.html", now=now, series=series, has_applications=bool(applications.data), live=is_live)


@router.get("/now")
async def now(view: ViewDep) -> Response:
    """What comes and goes right now: a part of the page, every five seconds."""
    try:
        found = await view.api.get(NowOut, "/stats/now")
    except ApiError as error:
        return _missing(view, error)
    return view.fragment("home/now.html", now=found)


@router.get("/series")
async def series(view: ViewDep) -> Response:
    """The charts: a part of the page, every minute."""
    try:
        found = await _series(view)
    except ApiError as error:
        return _missing(view, error)
    return view.fragment("home/series.html", series=found)


async def _series(view: View) -> SeriesOut:
    asked = view.query("period")
    period = asked if asked in PERIODS else Period.HOUR.value
    return await view.api.get(SeriesOut, "/stats/series", {"period": period})


def _missing(view: View, error: ApiError) -> Response:
    """In place of a part that cannot be had now; the page tries again. Who is signed out is led to sign in."""
    if error.status == 401:
        raise error
    return view.fragment("home/missing.html", detail=error.detail)
