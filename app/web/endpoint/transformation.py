"""The page of an endpoint's transformation: its code, and trying it out."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from app.api.transformation.models import EndpointTransformationOut, TransformationSimulateOut
from app.web.api_client import ApiError
from app.web.endpoint.pages import ONE, endpoint_of
from app.web.forms import as_json, json_object
from app.web.page_route import PageRoute
from app.web.view import View, ViewDep

_BEGINNING: Final = """function handler(webhook) {
  // webhook.payload is what is sent: change it, or return it as it is.
  return webhook;
}"""
_FIELDS: Final = ("code", "variables", "enabled", "event_type", "payload")
_PAYLOAD: Final = '{\n  "id": "in_1",\n  "amount": 4200\n}'

both: Final = APIRouter(route_class=PageRoute, include_in_schema=False)


@both.get(ONE + "/transformation")
async def show(view: ViewDep, app_id: str, endpoint_id: str) -> Response:
    """The code, and a payload to try it on."""
    found = await view.api.get(EndpointTransformationOut, f"/app/{app_id}/endpoint/{endpoint_id}/transformation")
    values = {
        "code": found.code or _BEGINNING,
        "variables": as_json(found.variables or {}),
        "enabled": "on" if found.enabled else "",
        "event_type": "invoice.paid",
        "payload": _PAYLOAD,
    }
    return await _page(view, app_id, endpoint_id, values)


@both.post(ONE + "/transformation")
async def save(view: ViewDep, app_id: str, endpoint_id: str) -> Response:
    """Keep the code."""
    try:
        body = {
            "code": _code(view) or None,
            "enabled": view.field("enabled") == "on",
            "variables": _variables(view) or None,
        }
        await view.api.do("PATCH", f"/app/{app_id}/endpoint/{endpoint_id}/transformation", body)
    except ApiError as error:
        return await _page(view, app_id, endpoint_id, _given(view), error)
    said = "Messages are sent through the code." if body["enabled"] else "The code is kept, and is not enabled."
    return view.redirect(f"/app/{app_id}/endpoint/{endpoint_id}/transformation", said=said)


@both.post(ONE + "/transformation/simulate")
async def simulate(view: ViewDep, app_id: str, endpoint_id: str) -> Response:
    """Run what is in the form on the payload, and show what would be sent; nothing is."""
    try:
        body = {
            "code": _code(view),
            "eventType": view.field("event_type"),
            "payload": json_object("payload", view.field("payload")),
            "variables": _variables(view) or None,
        }
        path = f"/app/{app_id}/endpoint/{endpoint_id}/transformation/simulate"
        outcome = await view.api.post(TransformationSimulateOut, path, body)
    except ApiError as error:
        return await _page(view, app_id, endpoint_id, _given(view), error)
    return await _page(view, app_id, endpoint_id, _given(view), outcome=outcome)


def _code(view: View) -> str:
    return view.field("code").replace("\r\n", "\n")


def _variables(view: View) -> dict[str, object]:
    return json_object("variables", view.field("variables"))


def _given(view: View) -> dict[str, str]:
    return {name: view.field(name) for name in _FIELDS}


async def _page(
    view: View,
    app_id: str,
    endpoint_id: str,
    values: dict[str, str],
    error: ApiError | None = None,
    outcome: TransformationSimulateOut | None = None,
) -> Response:
    if error is not None and error.status in {403, 404}:
        raise error
    endpoint = await endpoint_of(view, app_id, endpoint_id)
    shown = {"endpoint": endpoint, "values": values, "error": error, "outcome": outcome}
    status = 200 if error is None else error.status
    return view.page("endpoint/transformation.html", status, app_id=app_id, **shown)
