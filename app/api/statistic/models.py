"""Statistics on the wire."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, Field

from app.api.background_task.models import BackgroundTaskStarted
from app.api.fields import Dto, Moment, Timestamp

_MOST_APPLICATIONS: Final = 1000
_REFERENCE: Final = r"^[a-zA-Z0-9\-_.]+$"


class StatisticsPeriod(StrEnum):
    """How long each span of time is."""

    ONE_DAY = "OneDay"
    ONE_HOUR = "OneHour"
    FIVE_MINUTES = "FiveMinutes"


class EndpointCountOut(Dto):
    """How many endpoints there are."""

    active: int = Field(description="Those that are sent to.", examples=[120])
    disabled: int = Field(description="Those that are not.", examples=[3])


class ActiveAppCount(Dto):
    """How many applications have an endpoint that counts."""

    count: int = Field(examples=[42])


class AttemptStatisticsData(Dto):
    """Of each span of time, from the first on, how many deliveries ended in which way."""

    success_count: list[int] = Field(description="Delivered.", examples=[[120, 98]])
    failure_count: list[int] = Field(description="Given up.", examples=[[2, 0]])
    canceled_count: list[int] = Field(description="Ended without having been delivered.", examples=[[0, 0]])


class AttemptStatisticsResponse(Dto):
    """How an application's deliveries ended, over time: each counts when its message was published."""

    start_date: Timestamp = Field(description="When the first span begins.", examples=["2026-01-30T00:00:00Z"])
    end_date: Timestamp = Field(description="When the last span ends.", examples=["2026-02-01T00:00:00Z"])
    period: StatisticsPeriod = Field(description="How long each span is.", examples=["OneDay"])
    data: AttemptStatisticsData


class AppAttemptEventTypeStats(BaseModel):
    """How many deliveries of one event type ended in which way."""

    success: int = Field(default=0, description="Delivered.", examples=[120])
    failure: int = Field(default=0, description="Given up.", examples=[2])
    canceled: int = Field(default=0, description="Ended without having been delivered.", examples=[0])


class AppAttemptStatsOut(BaseModel):
    """How an application's deliveries ended, of messages of a span of time; its names are as they stand here."""

    by_event_type: dict[str, AppAttemptEventTypeStats] = Field(
        examples=[{"invoice.paid": {"success": 120, "failure": 2, "canceled": 0}}]
    )
    total_success: int = Field(examples=[120])
    total_failure: int = Field(examples=[2])
    total_canceled: int = Field(examples=[0])
    since: Timestamp = Field(examples=["2026-01-30T00:00:00Z"])
    until: Timestamp = Field(examples=["2026-02-01T00:00:00Z"])


def _distinct(value: list[str]) -> list[str]:
    return list(dict.fromkeys(value))


class AppUsageStatsIn(Dto):
    """Which deliveries to count."""

    since: Moment = Field(description="Of messages published from then on.", examples=["2026-01-01T00:00:00Z"])
    until: Moment = Field(description="Of messages published before then.", examples=["2026-02-01T00:00:00Z"])
    app_ids: (
        Annotated[
            list[Annotated[str, Field(min_length=1, max_length=256, pattern=_REFERENCE)]],
            Field(max_length=_MOST_APPLICATIONS),
            AfterValidator(_distinct),
        ]
        | None
    ) = Field(
        default=None,
        description="Only of these applications, by their ids or uids; otherwise of all that had any.",
        examples=[None],
    )


class AppUsageStatsOut(BackgroundTaskStarted):
    """The task that counts."""

    unresolved_app_ids: list[str] = Field(description="Those of `appIds` that name no application.", examples=[[]])
