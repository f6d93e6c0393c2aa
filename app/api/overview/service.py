"""The rules of overviews: which spans a period has, and what is made of what was counted."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.api.overview.models import (
    BacklogOut,
    CountsOut,
    DisabledEndpointOut,
    FailingEndpointOut,
    LatencyOut,
    NowOut,
    Period,
    PointOut,
    RateOut,
    SeriesOut,
)
from app.db.application.table import ApplicationsTable
from app.db.endpoint.table import EndpointsTable
from app.db.endpoint_health.troubled import DisabledEndpoint, FailingEndpoint, disabled_endpoints, failing_endpoints
from app.db.pending_delivery.backlog import backlog_of
from app.db.rollup.current import Flow, current
from app.db.rollup.latency import percentile
from app.db.rollup.scope import Scope
from app.db.rollup.series import Point, SeriesTable
from app.db.rollup.writing import floor
from app.errors import NotFound, ValidationFailed, Violation, existing
from app.principal import Principal

# How long each span is, and how many there are.
_SPANS: Final = {
    Period.HOUR: (timedelta(minutes=1), 60),
    Period.DAY: (timedelta(minutes=15), 96),
    Period.WEEK: (timedelta(hours=2), 84),
    Period.FOUR_WEEKS: (timedelta(hours=6), 112),
}


class OverviewService:
    """Looks at an organization, an application or an endpoint."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def series(
        self, caller: Principal, app_reference: str | None, endpoint_reference: str | None, period: Period
    ) -> SeriesOut:
        """What was accepted and tried in a period until now. NotFound beyond what the caller may see."""
        scope = await self._scope(caller, app_reference, endpoint_reference)
        step, count = _SPANS[period]
        last = floor(clock.now(), step)
        starts = [last - step * (count - 1 - n) for n in range(count)]
        found = await SeriesTable(self._session).read(scope, starts, step)
        accepts = scope.kind != "endpoint"
        return SeriesOut(
            period=period,
            step_seconds=int(step.total_seconds()),
            behind=found.is_behind,
            total=CountsOut(**_counts(_sum(found.points), accepts=accepts)),
            points=[
                PointOut(at=at, **_counts(point, accepts=accepts))
                for at, point in zip(starts, found.points, strict=True)
            ],
        )

    async def now(self, caller: Principal, app_reference: str | None, endpoint_reference: str | None) -> NowOut:
        """How things go right now. NotFound beyond what the caller may see."""
        scope, now = await self._scope(caller, app_reference, endpoint_reference), clock.now()
        found = await current(self._session, scope, now)
        backlog = await backlog_of(self._session, scope)
        failing = await failing_endpoints(self._session, scope, now)
        disabled = await disabled_endpoints(self._session, scope)
        accepts = scope.kind != "endpoint"
        return NowOut(
            at=now,
            last_10_seconds=_rate(found.moment, accepts=accepts),
            last_60_seconds=_rate(found.minute, accepts=accepts),
            latency=None if found.latency is None else LatencyOut(**dict(zip(_SHARES, found.latency, strict=True))),
            backlog=BacklogOut(
                due=backlog.due,
                later=backlog.later,
                in_line=backlog.in_line,
                oldest_due_seconds=backlog.oldest_due_seconds,
                more=backlog.is_more,
            ),
            failing=[_failing(endpoint) for endpoint in failing],
            disabled=[_disabled(endpoint) for endpoint in disabled],
        )

    async def _scope(self, caller: Principal, app_reference: str | None, endpoint_reference: str | None) -> Scope:
        """What the caller asks about: an application's own users never see more than that one."""
        reference = app_reference or caller.application_id
        if reference is None:
            if endpoint_reference is not None:
                raise ValidationFailed(Violation(("query", "app_id"), "Name the application of the endpoint, too"))
            return Scope("organization", caller.organization_id)
        row = await ApplicationsTable(self._session).find(caller.organization_id, reference)
        if row is None or caller.application_id not in {None, row.id}:
            raise NotFound
        if endpoint_reference is None:
            return Scope("application", row.id)
        endpoint = existing(await EndpointsTable(self._session).find(row.id, endpoint_reference))
        return Scope("endpoint", endpoint.id)


_SHARES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def _sum(points: Iterable[Point]) -> Point:
    total, latency = Point(), Counter[int]()
    for point in points:
        total.accepted += point.accepted
        total.attempts += point.attempts
        total.failed += point.failed
        latency.update(point.latency)
    total.latency = latency
    return total


def _counts(point: Point, *, accepts: bool) -> dict[str, Any]:
    found = {name: percentile(point.latency, share) for name, share in _SHARES.items()}
    return {
        "accepted": point.accepted if accepts else None,
        "attempts": point.attempts,
        "delivered": point.attempts - point.failed,
        "failed": point.failed,
        "latency": LatencyOut(**{name: round(value, 1) for name, value in found.items() if value is not None})
        if point.latency
        else None,
    }


def _rate(flow: Flow, *, accepts: bool) -> RateOut:
    delivered = flow.attempts - flow.failed
    return RateOut(
        accepted_per_second=round(flow.accepted / flow.accepted_seconds, 2) if accepts else None,
        attempts_per_second=round(flow.attempts / flow.attempts_seconds, 2),
        delivered_per_second=round(delivered / flow.attempts_seconds, 2),
        success_rate=round(delivered / flow.attempts, 4) if flow.attempts else None,
    )


def _failing(endpoint: FailingEndpoint) -> FailingEndpointOut:
    return FailingEndpointOut(
        id=endpoint.id,
        uid=endpoint.uid,
        url=endpoint.url,
        app_id=endpoint.application_id,
        app_name=endpoint.application_name,
        failing_since=endpoint.since,
        failures=endpoint.failures,
        breaker="open" if endpoint.is_open else "closed",
        paused_until=endpoint.paused_until,
        last_status=endpoint.last_status,
    )


def _disabled(endpoint: DisabledEndpoint) -> DisabledEndpointOut:
    return DisabledEndpointOut(
        id=endpoint.id,
        uid=endpoint.uid,
        url=endpoint.url,
        app_id=endpoint.application_id,
        app_name=endpoint.application_name,
        reason=endpoint.reason,
        changed_at=endpoint.changed_at,
    )
