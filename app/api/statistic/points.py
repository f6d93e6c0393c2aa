"""Statistics over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from app.api.background_task.models import BackgroundTaskStarted
from app.api.deps import OrganizationDep, ReadApplicationDep, ReadSessionDep, SessionDep
from app.api.fields import Moment
from app.api.statistic.models import (
    ActiveAppCount,
    AppAttemptStatsOut,
    AppUsageStatsIn,
    AppUsageStatsOut,
    AttemptStatisticsResponse,
    EndpointCountOut,
    StatisticsPeriod,
)
from app.api.statistic.service import StatisticService
from app.api.strict import StrictRoute
from app.api.timeline import EventTypesDep

router = APIRouter(prefix="/stats", tags=["Statistics"], route_class=StrictRoute)
of_applications = APIRouter(prefix="/app", tags=["Application"], route_class=StrictRoute)


def _writing(session: SessionDep) -> StatisticService:
    return StatisticService(session)


def _reading(session: ReadSessionDep) -> StatisticService:
    return StatisticService(session)


StatisticsDep = Annotated[StatisticService, Depends(_writing, scope="function")]
ReadStatisticsDep = Annotated[StatisticService, Depends(_reading, scope="function")]
WithoutPlay = Annotated[
    bool,
    Query(alias="exclude_svix_play", description="Do not count endpoints at play.svix.com.", examples=[True]),
]


@router.post("/usage/app", status_code=202, operation_id="v1.statistics.aggregate-app-stats")
async def aggregate_app_stats(
    caller: OrganizationDep, body: AppUsageStatsIn, statistics: StatisticsDep
) -> AppUsageStatsOut:
    """Start a background task that counts the deliveries of each application in a span of time."""
    return await statistics.aggregate_applications(caller.organization_id, body)


@router.put("/usage/event-types", status_code=202, operation_id="v1.statistics.aggregate-event-types")
async def aggregate_event_types(caller: OrganizationDep, statistics: StatisticsDep) -> BackgroundTaskStarted:
    """Start a background task that lists the event types to which each application subscribes."""
    return await statistics.aggregate_event_types(caller.organization_id)


@router.get("/endpoint/count", operation_id="v1.statistics.endpoint-count")
async def count_endpoints(
    caller: OrganizationDep, statistics: ReadStatisticsDep, without_play: WithoutPlay = True
) -> EndpointCountOut:
    """Count the endpoints of all applications."""
    return await statistics.count_endpoints(caller.organization_id, without_play=without_play)


@router.get("/app/{app_id}/attempt", operation_id="v1.stats.app-attempts")
async def app_attempts(
    app: ReadApplicationDep,
    statistics: ReadStatisticsDep,
    event_types: EventTypesDep,
    start: Annotated[
        Moment | None,
        Query(alias="startDate", description="From this time on.", examples=["2026-01-30T00:00:00Z"]),
    ] = None,
    end: Annotated[
        Moment | None, Query(alias="endDate", description="Before this time.", examples=["2026-02-01T00:00:00Z"])
    ] = None,
    period: Annotated[
        StatisticsPeriod | None, Query(description="How long each span of time is.", examples=["OneDay"])
    ] = None,
) -> AttemptStatisticsResponse:
    """Count how an application's deliveries ended, by spans of time."""
    return await statistics.by_time(app, start, end, period, event_types)


@of_applications.get("/stats/count-active", operation_id="v1.application.count-active")
async def count_active(
    caller: OrganizationDep,
    statistics: ReadStatisticsDep,
    without_play: WithoutPlay = True,
    without_disabled: Annotated[
        bool, Query(alias="exclude_disabled", description="Do not count disabled endpoints.", examples=[True])
    ] = True,
) -> ActiveAppCount:
    """Count the applications that have an endpoint."""
    return await statistics.count_active_applications(
        caller.organization_id, without_play=without_play, without_disabled=without_disabled
    )


@of_applications.get("/{app_id}/stats/attempts", operation_id="v1.application.stats.attempts")
async def attempts_by_event_type(
    app: ReadApplicationDep,
    statistics: ReadStatisticsDep,
    event_types: EventTypesDep,
    since: Annotated[
        Moment, Query(description="Of messages published from then on.", examples=["2026-01-30T00:00:00Z"])
    ],
    until: Annotated[
        Moment, Query(description="Of messages published before then.", examples=["2026-02-01T00:00:00Z"])
    ],
) -> AppAttemptStatsOut:
    """Count how an application's deliveries ended, by event type."""
    return await statistics.by_event_type(app, since, until, event_types)
