"""How an endpoint is doing, as a badge says it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.api.endpoint.models import EndpointOut
from app.api.overview.models import FailingEndpointOut, NowOut, Period, SeriesOut
from app.web.view import View


@dataclass(frozen=True, slots=True)
class Health:
    """A badge (its text and kind), and what is known of an endpoint's failures."""

    text: str
    kind: str
    failing: FailingEndpointOut | None = None


async def now_of(view: View, app_id: str, endpoint_id: str | None = None) -> NowOut | None:
    """How an application, or one of its endpoints, is doing; None where the token may not read it."""
    if not view.may_read("v1.statistics.now"):
        return None
    return await view.api.get(NowOut, "/stats/now", {"app_id": app_id, "endpoint_id": endpoint_id})


async def series_of(view: View, app_id: str, endpoint_id: str | None = None) -> SeriesOut:
    """What a chart shows, of the period that the page's address names."""
    wanted = view.query("period")
    period = wanted if wanted in set(Period) else Period.DAY.value
    query = {"app_id": app_id, "endpoint_id": endpoint_id, "period": period}
    return await view.api.get(SeriesOut, "/stats/series", query)


def healths_of(endpoints: Iterable[EndpointOut], now: NowOut | None) -> Mapping[str, Health]:
    """By the endpoints' ids. `now` is None where the token may not read it."""
    failing = {} if now is None else {each.id: each for each in now.failing}
    return {endpoint.id: _health(endpoint, failing.get(endpoint.id)) for endpoint in endpoints}


def _health(endpoint: EndpointOut, failing: FailingEndpointOut | None) -> Health:
    if endpoint.disabled:
        return Health(
            "gave up" if endpoint.disabled_reason else "disabled", "bad" if endpoint.disabled_reason else "quiet"
        )
    if failing is None:
        return Health("enabled", "good")
    return Health("breaker open" if failing.breaker == "open" else "failing", "bad", failing)
