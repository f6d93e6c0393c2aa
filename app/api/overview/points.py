"""Overviews over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from app.api.deps import REFERENCE, PrincipalDep, ReadSessionDep
from app.api.overview.models import NowOut, Period, SeriesOut
from app.api.overview.service import OverviewService
from app.api.strict import StrictRoute

router = APIRouter(prefix="/stats", tags=["Statistics"], route_class=StrictRoute)


def _overview(session: ReadSessionDep) -> OverviewService:
    return OverviewService(session)


OverviewDep = Annotated[OverviewService, Depends(_overview, scope="function")]
ApplicationQuery = Annotated[
    str | None,
    Query(
        alias="app_id",
        description="Only of this application, by its id or uid; otherwise of all that the token reaches.",
        max_length=256,
        pattern=REFERENCE,
    ),
]
EndpointQuery = Annotated[
    str | None,
    Query(
        alias="endpoint_id",
        description="Only of this endpoint of the application, by its id or uid.",
        max_length=256,
        pattern=REFERENCE,
    ),
]


@router.get("/series", operation_id="v1.statistics.series")
async def get_series(
    caller: PrincipalDep,
    overview: OverviewDep,
    application: ApplicationQuery = None,
    endpoint: EndpointQuery = None,
    period: Annotated[Period, Query(description="How far back the series goes.", examples=["24h"])] = Period.HOUR,
) -> SeriesOut:
    """Get what was accepted, delivered and failed over time, and how long attempts took."""
    return await overview.series(caller, application, endpoint, period)


@router.get("/now", operation_id="v1.statistics.now")
async def get_now(
    caller: PrincipalDep,
    overview: OverviewDep,
    application: ApplicationQuery = None,
    endpoint: EndpointQuery = None,
) -> NowOut:
    """Get how things go right now: the throughput, what waits, and which endpoints fail or are disabled."""
    return await overview.now(caller, application, endpoint)
