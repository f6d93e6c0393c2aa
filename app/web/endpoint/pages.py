"""The pages of endpoints: all of an application's, and each of them."""

import asyncio
from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from app.api.attempt.models import MessageAttemptOut
from app.api.endpoint.models import EndpointOut
from app.api.paging import ListOut
from app.api.throttle.models import EndpointThrottleRateStatusOut
from app.web.api_client import ApiError, Query
from app.web.endpoint.form import EndpointForm, event_types_of
from app.web.endpoint.health import healths_of, now_of, series_of
from app.web.page_route import PageRoute
from app.web.view import View, ViewDep

ALL: Final = "/app/{app_id}/endpoint"
ONE: Final = "/app/{app_id}/endpoint/{endpoint_id}"
_PER_PAGE: Final = 50
_ATTEMPTS: Final = 10

both: Final = APIRouter(route_class=PageRoute, include_in_schema=False)


@both.get(ALL)
async def index(view: ViewDep, app_id: str) -> Response:
    """An application's endpoints, and how each of them does."""
    query: Query = {"limit": _PER_PAGE, "iterator": view.query("iterator")}
    page = await view.api.get(ListOut[EndpointOut], f"/app/{app_id}/endpoint", query)
    now = await now_of(view, app_id)
    return view.page("endpoint/index.html", app_id=app_id, page=page, healths=healths_of(page.data, now))


# Not below the others: what follows there is an id or uid, and any word may be a uid.
@both.get("/app/{app_id}/endpoint-new")
async def ask(view: ViewDep, app_id: str) -> Response:
    """The form of a new endpoint."""
    return await _form(view, app_id, None, EndpointForm.empty())


@both.post("/app/{app_id}/endpoint-new")
async def create(view: ViewDep, app_id: str) -> Response:
    """Create it, or say what is wrong with it."""
    form = EndpointForm.given(view)
    try:
        made = await view.api.post(EndpointOut, f"/app/{app_id}/endpoint", form.body())
    except ApiError as error:
        return await _form(view, app_id, None, form, error)
    return view.redirect(f"/app/{app_id}/endpoint/{made.id}", said="The endpoint is created, and is sent messages.")


@both.get(ONE)
async def show(view: ViewDep, app_id: str, endpoint_id: str) -> Response:
    """One endpoint: how it does, and what it was sent lately."""
    endpoint = await endpoint_of(view, app_id, endpoint_id)
    path = f"/app/{app_id}/endpoint/{endpoint.id}"
    now, attempts = await asyncio.gather(
        now_of(view, app_id, endpoint.id),
        _attempts(view, app_id, endpoint.id),
    )
    throttling = None
    # A rate holds nothing up where nothing is due.
    if now is None or now.backlog.due:
        throttling = await view.api.get(EndpointThrottleRateStatusOut, f"{path}/rate-limit-status")
    health = healths_of([endpoint], now)[endpoint.id]
    values = {"health": health, "now": now, "throttling": throttling, "attempts": attempts}
    return view.page("endpoint/show.html", 200, app_id=app_id, endpoint=endpoint, **values)


@both.get(ONE + "/traffic")
async def traffic(view: ViewDep, app_id: str, endpoint_id: str) -> Response:
    """Its charts: a page, or for htmx a part of one."""
    series = await series_of(view, app_id, endpoint_id)
    address = f"/app/{app_id}/endpoint/{endpoint_id}/traffic"
    if view.is_htmx:
        return view.fragment("parts/traffic.html", series=series, address=address)
    endpoint = await endpoint_of(view, app_id, endpoint_id)
    return view.page("endpoint/traffic.html", app_id=app_id, endpoint=endpoint, series=series, address=address)


@both.get(ONE + "/edit")
async def edit(view: ViewDep, app_id: str, endpoint_id: str) -> Response:
    """The form of one that there is."""
    endpoint = await endpoint_of(view, app_id, endpoint_id)
    return await _form(view, app_id, endpoint, EndpointForm.of(endpoint))


@both.post(ONE + "/edit")
async def change(view: ViewDep, app_id: str, endpoint_id: str) -> Response:
    """Change it, or say what is wrong with the change."""
    endpoint = await endpoint_of(view, app_id, endpoint_id)
    form = EndpointForm.given(view)
    path = f"/app/{app_id}/endpoint/{endpoint.id}"
    try:
        await view.api.patch(EndpointOut, path, form.body())
    except ApiError as error:
        return await _form(view, app_id, endpoint, form, error)
    return view.redirect(path, said="The endpoint is changed.")


@both.post(ONE + "/enable")
async def enable(view: ViewDep, app_id: str, endpoint_id: str) -> Response:
    """Send to it from now on."""
    await view.api.patch(EndpointOut, f"/app/{app_id}/endpoint/{endpoint_id}", {"disabled": False})
    said = "The endpoint is enabled. What failed meanwhile can be sent again."
    return view.redirect(f"/app/{app_id}/endpoint/{endpoint_id}", said=said)


@both.post(ONE + "/disable")
async def disable(view: ViewDep, app_id: str, endpoint_id: str) -> Response:
    """Send nothing to it."""
    await view.api.patch(EndpointOut, f"/app/{app_id}/endpoint/{endpoint_id}", {"disabled": True})
    said = "The endpoint is disabled: nothing is sent to it."
    return view.redirect(f"/app/{app_id}/endpoint/{endpoint_id}", said=said)


@both.get(ONE + "/delete")
async def ask_delete(view: ViewDep, app_id: str, endpoint_id: str) -> Response:
    """Whether it is really to be deleted."""
    endpoint = await endpoint_of(view, app_id, endpoint_id)
    return view.page("endpoint/delete.html", app_id=app_id, endpoint=endpoint)


@both.post(ONE + "/delete")
async def delete(view: ViewDep, app_id: str, endpoint_id: str) -> Response:
    """Delete it."""
    await view.api.do("DELETE", f"/app/{app_id}/endpoint/{endpoint_id}")
    return view.redirect(f"/app/{app_id}/endpoint", said="The endpoint is deleted.")


async def endpoint_of(view: View, app_id: str, endpoint_id: str) -> EndpointOut:
    """The endpoint that a page is about. ApiError if there is none."""
    return await view.api.get(EndpointOut, f"/app/{app_id}/endpoint/{endpoint_id}")


async def _attempts(view: View, app_id: str, endpoint_id: str) -> Sequence[MessageAttemptOut]:
    query = {"limit": _ATTEMPTS, "with_msg": True, "with_content": False}
    path = f"/app/{app_id}/attempt/endpoint/{endpoint_id}"
    return (await view.api.get(ListOut[MessageAttemptOut], path, query)).data


async def _form(
    view: View, app_id: str, endpoint: EndpointOut | None, form: EndpointForm, error: ApiError | None = None
) -> Response:
    status = 200 if error is None else error.status
    known = await event_types_of(view, form.event_types)
    values = {"endpoint": endpoint, "form": form, "known": known, "error": error}
    return view.page("endpoint/form.html", status, app_id=app_id, **values)
