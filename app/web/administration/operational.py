"""The page of operational webhook endpoints: where the organization itself is told what happens to its customers'."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from app.api.endpoint.models import EndpointSecretOut
from app.api.operational_webhook.models import EVENT_TYPES, OperationalWebhookEndpointOut
from app.api.paging import ListOut
from app.web.api_client import ApiError
from app.web.page_route import PageRoute
from app.web.view import View, ViewDep

router: Final = APIRouter(prefix="/dashboard", route_class=PageRoute, include_in_schema=False)

_API: Final = "/operational-webhook/endpoint"
_PATH: Final = "/operational-webhook"
_PER_PAGE: Final = 50


@router.get(_PATH)
async def index(view: ViewDep) -> Response:
    """Where the organization is told."""
    return await _page(view)


@router.post(_PATH)
async def create(view: ViewDep) -> Response:
    """One more, or what is wrong with it."""
    values = {"url": view.field("url"), "description": view.field("description")}
    chosen = view.fields("event_types")
    try:
        # None chosen is all of them, also those that later versions bring.
        body = {**values, **({"eventTypes": chosen} if chosen else {})}
        await view.api.post(OperationalWebhookEndpointOut, _API, body)
    except ApiError as error:
        if error.status != 422:
            raise
        return await _page(view, {**values, "event_types": chosen}, error)
    return view.redirect(_PATH, said="The endpoint is told from now on.")


# Not with a GET, so that it is in no history, and asked for by a form of ours only.
@router.post(f"{_PATH}/{{endpoint_id}}/secret")
async def secret(view: ViewDep, endpoint_id: str) -> Response:
    """With what its messages are signed."""
    found = await view.api.get(EndpointSecretOut, f"{_API}/{endpoint_id}/secret")
    return view.page("administration/operational_secret.html", key=found.key)


@router.post(f"{_PATH}/{{endpoint_id}}/delete")
async def delete(view: ViewDep, endpoint_id: str) -> Response:
    """Tell it no more."""
    await view.api.do("DELETE", f"{_API}/{endpoint_id}")
    return view.redirect(_PATH, said="The endpoint is deleted.")


async def _page(view: View, values: dict[str, object] | None = None, error: ApiError | None = None) -> Response:
    query: dict[str, str | int | float | bool | list[str] | None] = {"limit": _PER_PAGE}
    query["iterator"] = view.query("iterator")
    page = await view.api.get(ListOut[OperationalWebhookEndpointOut], _API, query)
    shown = values or {"url": "", "description": "", "event_types": []}
    status = 200 if error is None else error.status
    return view.page("administration/operational.html", status, page=page, values=shown, error=error, known=EVENT_TYPES)
