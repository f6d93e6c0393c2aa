"""The rules of statistics: over which time, and by what, things are counted."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.api.background_task.models import BackgroundTaskStarted
from app.api.statistic.models import (
    ActiveAppCount,
    AppAttemptEventTypeStats,
    AppAttemptStatsOut,
    AppUsageStatsIn,
    AppUsageStatsOut,
    AttemptStatisticsData,
    AttemptStatisticsResponse,
    EndpointCountOut,
    StatisticsPeriod,
)
from app.db.application.model import ApplicationRow
from app.db.application.table import ApplicationsTable
from app.db.background_task.model import TaskKind
from app.db.background_task.table import BackgroundTasksTable
from app.db.organization.table import OrganizationsTable
from app.db.statistic.table import Ended, StatisticsTable, TooManyMessages
from app.errors import BadRequest, ValidationFailed, Violation

_DELIVERED: Final = 0
_FAILED: Final = 2
_CANCELED: Final = 4
_PERIODS: Final = {
    StatisticsPeriod.ONE_DAY: timedelta(days=1),
    StatisticsPeriod.ONE_HOUR: timedelta(hours=1),
    StatisticsPeriod.FIVE_MINUTES: timedelta(minutes=5),
}
# How far back to look where nobody says.
_USUAL: Final = {
    StatisticsPeriod.ONE_DAY: timedelta(days=28),
    StatisticsPeriod.ONE_HOUR: timedelta(days=2),
    StatisticsPeriod.FIVE_MINUTES: timedelta(hours=6),
}
# With one day at each end, of spans that have begun and are not over.
_LONGEST: Final = timedelta(days=28)
_ROUNDING: Final = timedelta(days=2)
_EARLIEST: Final = datetime(2014, 6, 1, tzinfo=UTC)
_LATEST: Final = datetime(2040, 1, 1, tzinfo=UTC)
MOST_MESSAGES: Final = 50_000


class StatisticService:
    """Counts for one organization."""

    def __init__(self, session: AsyncSession) -> None:
        self._statistics = StatisticsTable(session)
        self._applications = ApplicationsTable(session)
        self._organizations = OrganizationsTable(session)
        self._tasks = BackgroundTasksTable(session)

    async def count_endpoints(self, organization_id: str, *, without_play: bool) -> EndpointCountOut:
        """How many endpoints the organization's applications have."""
        active, disabled = await self._statistics.endpoints(organization_id, without_play=without_play)
        return EndpointCountOut(active=active, disabled=disabled)

    async def count_active_applications(
        self, organization_id: str, *, without_play: bool, without_disabled: bool
    ) -> ActiveAppCount:
        """How many applications have an endpoint."""
        count = await self._statistics.active_applications(
            organization_id, without_play=without_play, without_disabled=without_disabled
        )
        return ActiveAppCount(count=count)

    async def by_event_type(
        self, app: ApplicationRow, since: datetime, until: datetime, event_types: Collection[str] | None
    ) -> AppAttemptStatsOut:
        """How deliveries ended, by event type. BadRequest for more than 28 days, or too many messages."""
        _check_range(_clamp(since), _clamp(until), _LONGEST)
        names = None if event_types is None else list(event_types)
        try:
            ended = await self._statistics.ended_by_type(app.id, since, until, names, MOST_MESSAGES)
        except TooManyMessages:
            raise _too_many() from None
        types: dict[str, dict[int, int]] = {}
        for each in ended:
            types.setdefault(str(each.label), {})[each.state] = each.count
        return AppAttemptStatsOut(
            by_event_type={
                name: AppAttemptEventTypeStats(
                    success=counts.get(_DELIVERED, 0),
                    failure=counts.get(_FAILED, 0),
                    canceled=counts.get(_CANCELED, 0),
                )
                for name, counts in sorted(types.items())
            },
            total_success=_total(ended, _DELIVERED),
            total_failure=_total(ended, _FAILED),
            total_canceled=_total(ended, _CANCELED),
            since=since,
            until=until,
        )

    async def by_time(
        self,
        app: ApplicationRow,
        start: datetime | None,
        end: datetime | None,
        period: StatisticsPeriod | None,
        event_types: Collection[str] | None,
    ) -> AttemptStatisticsResponse:
        """How deliveries ended, by spans of time in UTC. BadRequest for more than 28 days, or too many messages."""
        until = _clamp(end or clock.now())
        if period is None:
            period = StatisticsPeriod.ONE_DAY if start is None else _fitting(until - _clamp(start))
        since = _clamp(start or until - _USUAL[period])
        _check_range(since, until, _LONGEST)
        bounds = _bounds(since, until, _PERIODS[period])
        names = None if event_types is None else list(event_types)
        try:
            ended = await self._statistics.ended_by_span(app.id, bounds, names, MOST_MESSAGES)
        except TooManyMessages:
            raise _too_many() from None
        counts = {(each.label, each.state): each.count for each in ended}
        spans = range(1, len(bounds))
        return AttemptStatisticsResponse(
            start_date=bounds[0],
            end_date=bounds[-1],
            period=period,
            data=AttemptStatisticsData(
                success_count=[counts.get((span, _DELIVERED), 0) for span in spans],
                failure_count=[counts.get((span, _FAILED), 0) for span in spans],
                canceled_count=[counts.get((span, _CANCELED), 0) for span in spans],
            ),
        )

    async def aggregate_applications(self, organization_id: str, body: AppUsageStatsIn) -> AppUsageStatsOut:
        """Start the task that counts deliveries. ValidationFailed if it would have nothing to count."""
        if body.since > body.until:
            raise ValidationFailed(Violation(("body", "since"), "'since' must not be later than 'until'"))
        found: dict[str, str] | None = None
        if body.app_ids is not None:
            found = await self._applications.ids_of(organization_id, body.app_ids)
            if not found:
                raise ValidationFailed(Violation(("body", "appIds"), "None of these names an application"))
        arguments = {
            "since": _clamp(body.since).isoformat(),
            "until": _clamp(body.until).isoformat(),
            "applicationIds": None if found is None else sorted(set(found.values())),
        }
        await self._organizations.ensure(organization_id)
        row = await self._tasks.start(organization_id, None, TaskKind.APPLICATION_STATS, arguments)
        started = BackgroundTaskStarted.of(row)
        unresolved = [] if found is None else [name for name in body.app_ids or () if name not in found]
        return AppUsageStatsOut(**started.model_dump(), unresolved_app_ids=unresolved)

    async def aggregate_event_types(self, organization_id: str) -> BackgroundTaskStarted:
        """Start the task that lists to which event types each application subscribes."""
        await self._organizations.ensure(organization_id)
        return BackgroundTaskStarted.of(
            await self._tasks.start(organization_id, None, TaskKind.EVENT_TYPE_AGGREGATE, {})
        )


def _clamp(time: datetime) -> datetime:
    """Nothing was published before the first id, and nothing is in far-off years."""
    return min(max(time, _EARLIEST), _LATEST)


def _check_range(since: datetime, until: datetime, longest: timedelta) -> None:
    if since > until:
        raise BadRequest("The range ends before it begins", code="invalid_range")
    if until - since > longest + _ROUNDING:
        raise BadRequest(f"The range cannot be longer than {longest.days} days", code="invalid_range")


def _too_many() -> BadRequest:
    return BadRequest(
        f"There are more than {MOST_MESSAGES} messages in that time: ask for a shorter one, or for fewer event types",
        code="limit_reached",
    )


def _fitting(length: timedelta) -> StatisticsPeriod:
    """The shortest period of which there are not too many to look at."""
    if length <= _USUAL[StatisticsPeriod.FIVE_MINUTES]:
        return StatisticsPeriod.FIVE_MINUTES
    return StatisticsPeriod.ONE_HOUR if length <= _USUAL[StatisticsPeriod.ONE_HOUR] else StatisticsPeriod.ONE_DAY


def _bounds(since: datetime, until: datetime, length: timedelta) -> list[datetime]:
    """Where whole spans begin and end, in UTC, that hold all of the time from `since` to `until`."""
    first = _EARLIEST + (since - _EARLIEST) // length * length
    count = max(-((first - until) // length), 1)
    return [first + number * length for number in range(count + 1)]


def _total(ended: Collection[Ended], state: int) -> int:
    return sum(each.count for each in ended if each.state == state)
