"""The pages of applications."""

import asyncio
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from app.api.application.models import ApplicationOut
from app.api.auth.models import AppPortalAccessOut
from app.api.endpoint.models import EndpointOut
from app.api.paging import ListOut
from app.web.api_client import ApiError, Query
from app.web.endpoint.health import healths_of, now_of, series_of
from app.web.forms import as_json, json_object, number_or_text
from app.web.page_route import PageRoute
from app.web.view import View, ViewDep

_PER_PAGE: Final = 50
_MOST_ENDPOINTS: Final = 10
_WRONG_NAME: Final = "Nothing was deleted: the name was not the application's. Type it as it stands above."

router: Final = APIRouter(prefix="/dashboard", route_class=PageRoute, include_in_schema=False)


@router.get("/app")
async def index(view: ViewDep) -> Response:
    """The organization's applications, newest first; or the way to the one that was asked for by its id or uid."""
    wanted, missing = view.query("find"), False
    if wanted:
        found = await _find(view, wanted)
        if found is not None:
            return view.redirect(f"/app/{found.id}")
        missing = True
    query: Query = {"limit": _PER_PAGE, "order": "descending", "iterator": view.query("iterator")}
    page = await view.api.get(ListOut[ApplicationOut], "/app", query)
    return view.page("application/index.html", page=page, wanted=wanted, missing=missing)


# Not below /app: what follows there is an id or uid, and any word may be a uid.
@router.get("/app-new")
async def ask(view: ViewDep) -> Response:
    """The form of a new application."""
    return view.page("application/new.html", values={}, error=None)


@router.post("/app-new")
async def create(view: ViewDep) -> Response:
    """Create it, or say what is wrong with it."""
    try:
        made = await view.api.post(ApplicationOut, "/app", _body(view))
    except ApiError as error:
        return view.page("application/new.html", error.status, values=_given(view), error=error)
    return view.redirect(f"/app/{made.id}", said="The application is created. It has no endpoints yet.")


@router.get("/app/{app_id}")
async def show(view: ViewDep, app_id: str) -> Response:
    """One application: how it does, and its endpoints."""
    app = await _application(view, app_id)
    now, endpoints = await asyncio.gather(
        now_of(view, app.id),
        view.api.get(ListOut[EndpointOut], f"/app/{app.id}/endpoint", {"limit": _MOST_ENDPOINTS}),
    )
    values = {"now": now, "endpoints": endpoints, "healths": healths_of(endpoints.data, now)}
    return view.page("application/show.html", 200, app=app, **values)


@router.get("/app/{app_id}/traffic")
async def traffic(view: ViewDep, app_id: str) -> Response:
    """Its charts: a page, or for htmx a part of one."""
    series = await series_of(view, app_id)
    values = {"app_id": app_id, "series": series, "address": f"/app/{app_id}/traffic"}
    if view.is_htmx:
        return view.fragment("parts/traffic.html", 200, **values)
    return view.page("application/traffic.html", 200, **values)


@router.get("/app/{app_id}/settings")
async def settings(view: ViewDep, app_id: str) -> Response:
    """What holds for an application, to be changed."""
    app = await _application(view, app_id)
    return _settings(view, app, _values(app))


@router.post("/app/{app_id}/settings")
async def change(view: ViewDep, app_id: str) -> Response:
    """Change it, or say what is wrong with the change."""
    app = await _application(view, app_id)
    try:
        await view.api.patch(ApplicationOut, f"/app/{app.id}", _body(view))
    except ApiError as error:
        return _settings(view, app, _given(view), error)
    return view.redirect(f"/app/{app.id}/settings", said="The application is changed.")


@router.post("/app/{app_id}/delete")
async def delete(view: ViewDep, app_id: str) -> Response:
    """Delete it, if its name was typed."""
    app = await _application(view, app_id)
    if view.field("typed") != app.name.strip():
        return _settings(view, app, _values(app), ApiError(422, "validation_error", _WRONG_NAME))
    await view.api.do("DELETE", f"/app/{app.id}")
    return view.redirect("/app", said=f"{app.name} is deleted, with its endpoints.")


@router.post("/app/{app_id}/portal")
async def open_portal(view: ViewDep, app_id: str) -> Response:
    """A link that opens the portal as the application's own users see it."""
    app = await _application(view, app_id)
    read_only = view.field("access") == "read"
    body = {"readOnly": True} if read_only else {}
    access = await view.api.post(AppPortalAccessOut, f"/auth/app-portal-access/{app.id}", body)
    return view.page("application/portal.html", app=app, link=access.url, read_only=read_only)


async def _application(view: View, app_id: str) -> ApplicationOut:
    """The one that the page is of. ApiError if it may not be read."""
    return view.application or await view.api.get(ApplicationOut, f"/app/{app_id}")


async def _find(view: View, reference: str) -> ApplicationOut | None:
    try:
        return await view.api.get(ApplicationOut, f"/app/{reference}") if "/" not in reference else None
    except ApiError as error:
        # A text that cannot be an id or uid is refused as one that is not found is.
        if error.status in {404, 422}:
            return None
        raise


def _settings(view: View, app: ApplicationOut, values: dict[str, str], error: ApiError | None = None) -> Response:
    status = 200 if error is None else error.status
    return view.page("application/settings.html", status, app=app, values=values, error=error)


def _values(app: ApplicationOut) -> dict[str, str]:
    return {
        "name": app.name,
        "uid": app.uid or "",
        "rate": str(app.throttle_rate or ""),
        "metadata": as_json(app.metadata),
    }


def _given(view: View) -> dict[str, str]:
    """What was typed, to be shown again."""
    return {name: view.field(name) for name in ("name", "uid", "rate", "metadata")}


def _body(view: View) -> dict[str, object]:
    """What the API is told. ApiError for metadata that cannot be read."""
    return {
        "name": view.field("name"),
        "uid": view.field("uid") or None,
        "throttleRate": number_or_text(view.field("rate")),
        "metadata": json_object("metadata", view.field("metadata")),
    }
