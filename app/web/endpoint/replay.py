"""The pages that send to an endpoint again, or call off what waits: choose, see how much it is, confirm, watch."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from app import clock
from app.api.background_task.models import BackgroundTaskStarted
from app.api.paging import ListOut
from app.api.replay.models import EndpointReplayOut, ReplayEstimateOut, ReplayOperation
from app.web.api_client import ApiError
from app.web.endpoint.pages import ONE, endpoint_of
from app.web.forms import number_or_text, refused, words
from app.web.page_route import PageRoute
from app.web.view import View, ViewDep

both: Final = APIRouter(route_class=PageRoute, include_in_schema=False)

_SHOWN: Final = 10
SPANS: Final = (
    ("1h", "The last hour", timedelta(hours=1)),
    ("24h", "The last 24 hours", timedelta(days=1)),
    ("7d", "The last 7 days", timedelta(days=7)),
    ("14d", "The last 14 days", timedelta(days=14)),
)
_FIELDS: Final = ("operation", "span", "since", "until", "event_types", "channel", "tag", "status", "status_code_class")
# Of the operations, which the API asks for by these names.
_NAMES: Final[Mapping[ReplayOperation, str]] = {
    ReplayOperation.RECOVER: "v1.endpoint.recover",
    ReplayOperation.REPLAY_MISSING: "v1.endpoint.replay-missing",
    ReplayOperation.BULK_REPLAY: "v1.endpoint.bulk-replay",
    ReplayOperation.CANCEL_MSGS: "v1.endpoint.cancel-msgs",
}


@both.get(ONE + "/replay")
async def index(view: ViewDep, app_id: str, endpoint_id: str) -> Response:
    """What can be done, and what was."""
    return await _page(view, app_id, endpoint_id)


@both.get(ONE + "/replay/estimate")
async def estimate(view: ViewDep, app_id: str, endpoint_id: str) -> Response:
    """How much it would be, before it is done."""
    given = {name: view.query(name) for name in _FIELDS}
    try:
        asked = _asked(given)
        path = f"/app/{app_id}/endpoint/{endpoint_id}/replay/estimate"
        found = await view.api.get(ReplayEstimateOut, path, asked)
    except ApiError as error:
        return await _page(view, app_id, endpoint_id, given, error)
    endpoint = await endpoint_of(view, app_id, endpoint_id)
    values = {"asked": asked, "estimate": found, "times": _times(asked)}
    return view.page("endpoint/estimate.html", 200, app_id=app_id, endpoint=endpoint, **values)


@both.post(ONE + "/replay")
async def start(view: ViewDep, app_id: str, endpoint_id: str) -> Response:
    """Do it."""
    path = f"/app/{app_id}/endpoint/{endpoint_id}"
    try:
        operation = _operation(view.field("operation"))
        if operation is ReplayOperation.CANCEL_MSGS:
            await view.api.do("POST", f"{path}/{operation}", {"createdBefore": view.field("created_before")})
            return view.redirect(f"{path}/replay", said="What waits is being called off.")
        started = await view.api.post(BackgroundTaskStarted, f"{path}/{operation}", _body(view, operation))
    except ApiError as error:
        return await _page(view, app_id, endpoint_id, None, error)
    return view.redirect(f"{path}/replay/{started.id}")


@both.get(ONE + "/replay/{task_id}")
async def show(view: ViewDep, app_id: str, endpoint_id: str, task_id: str) -> Response:
    """How far it is; htmx asks for the part that changes."""
    path = f"/app/{app_id}/endpoint/{endpoint_id}/replay/{task_id}"
    task = await view.api.get(EndpointReplayOut, path)
    values: dict[str, object] = {"app_id": app_id, "task": task, "progress": _progress(task), "address": path}
    if view.is_htmx:
        return view.fragment("endpoint/progress.html", 200, **values)
    values["endpoint"] = await endpoint_of(view, app_id, endpoint_id)
    return view.page("endpoint/replayed.html", 200, **values)


def _operation(text: str) -> ReplayOperation:
    try:
        return ReplayOperation(text)
    except ValueError:
        raise refused("operation", "Choose what is to be done.") from None


def _asked(given: Mapping[str, str]) -> dict[str, str | int | list[str] | None]:
    """What the API's estimate is asked. ApiError for what it cannot be asked."""
    operation = _operation(given["operation"])
    span = next((length for name, _, length in SPANS if name == given["span"]), None)
    now = clock.now()
    since = _moment("since", given["since"]) if span is None else now - span
    until = _moment("until", given["until"]) if span is None else now
    if operation is ReplayOperation.CANCEL_MSGS:
        return {"operation": operation.value, "created_before": _text(until or now)}
    if since is None:
        raise refused("since", "Say from when on, or choose a span of time.")
    asked: dict[str, str | int | list[str] | None] = {"operation": operation.value, "since": _text(since)}
    asked["until"] = _text(until or now)
    if operation is ReplayOperation.BULK_REPLAY:
        asked["event_types"] = words(given["event_types"])
        asked |= {name: given[name] or None for name in ("channel", "tag", "status", "status_code_class")}
    return asked


def _body(view: View, operation: ReplayOperation) -> dict[str, object]:
    """What the operation is told: the same as its estimate was."""
    body: dict[str, object] = {"since": view.field("since"), "until": view.field("until") or None}
    if operation is ReplayOperation.BULK_REPLAY:
        body["eventTypes"] = view.fields("event_types") or None
        body |= {name: view.field(name) or None for name in ("channel", "tag")}
        body["status"] = number_or_text(view.field("status"))
        body["statusCodeClass"] = number_or_text(view.field("status_code_class"))
    return body


def _moment(field: str, text: str) -> datetime | None:
    """A time as browsers send it, which is meant in UTC."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise refused(field, "Write the time as 2026-01-31T23:59.") from None


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _times(asked: Mapping[str, object]) -> tuple[datetime | None, datetime | None]:
    since, until = asked.get("since"), asked.get("until") or asked.get("created_before")
    return (
        datetime.fromisoformat(since) if isinstance(since, str) else None,
        datetime.fromisoformat(until) if isinstance(until, str) else None,
    )


def _progress(task: EndpointReplayOut) -> int | None:
    """Hundredths of the time that has been looked at; None where nobody can say."""
    if task.since is None or task.until is None or task.reached is None:
        return None
    whole = (task.until - task.since).total_seconds()
    return round(100 * min(max((task.reached - task.since).total_seconds() / whole, 0), 1)) if whole > 0 else None


async def _page(
    view: View, app_id: str, endpoint_id: str, given: Mapping[str, str] | None = None, error: ApiError | None = None
) -> Response:
    if error is not None and error.status in {403, 404}:
        raise error
    endpoint = await endpoint_of(view, app_id, endpoint_id)
    path = f"/app/{app_id}/endpoint/{endpoint.id}/replay"
    values = {
        "tasks": await view.api.get(ListOut[EndpointReplayOut], path, {"limit": _SHOWN}),
        "given": given or dict.fromkeys(_FIELDS, "") | {"span": "24h"},
        "spans": [(name, label) for name, label, _ in SPANS],
        "allowed": [operation.value for operation, name in _NAMES.items() if view.may(name)],
        "error": error,
    }
    status = 200 if error is None else error.status
    return view.page("endpoint/replay.html", status, app_id=app_id, endpoint=endpoint, **values)
