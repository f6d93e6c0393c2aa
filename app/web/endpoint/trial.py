"""The page from which an endpoint is sent something to try it."""

from typing import Final

import orjson
from fastapi import APIRouter
from starlette.responses import Response

from app.api.attempt.models import MessageAttemptOut
from app.api.event_type.models import EventTypeOut
from app.api.message.models import MessageOut
from app.api.paging import ListOut
from app.web.api_client import ApiError
from app.web.endpoint.pages import ONE, endpoint_of
from app.web.event_type.schema import has_example
from app.web.forms import json_object
from app.web.page_route import PageRoute
from app.web.view import View, ViewDep

_MOST_LISTED: Final = 250
_SAMPLE: Final = orjson.dumps({"hello": "world"}, option=orjson.OPT_INDENT_2).decode()

both: Final = APIRouter(route_class=PageRoute, include_in_schema=False)


@both.get(ONE + "/test")
async def ask(view: ViewDep, app_id: str, endpoint_id: str) -> Response:
    """What to send."""
    return await _page(view, app_id, endpoint_id)


@both.post(ONE + "/test/example")
async def send_example(view: ViewDep, app_id: str, endpoint_id: str) -> Response:
    """Send the example of an event type."""
    try:
        path = f"/app/{app_id}/endpoint/{endpoint_id}/send-example"
        sent = await view.api.post(MessageOut, path, {"eventType": view.field("event_type")})
    except ApiError as error:
        return await _page(view, app_id, endpoint_id, error)
    return view.redirect(f"/app/{app_id}/msg/{sent.id}", said="The example is on its way to the endpoint.")


@both.post(ONE + "/test/message")
async def send_message(view: ViewDep, app_id: str, endpoint_id: str) -> Response:
    """Send a message of one's own, and show what came of it."""
    try:
        body = {"eventType": view.field("type"), "payload": json_object("payload", view.field("payload"))}
        path = f"/app/{app_id}/endpoint/{endpoint_id}/msg/test-attempt"
        attempt = await view.api.post(MessageAttemptOut, path, body)
    except ApiError as error:
        return await _page(view, app_id, endpoint_id, error)
    said = (
        f"The receiver answered {attempt.response_status_code}." if attempt.response_status_code else "No answer came."
    )
    return view.redirect(f"/app/{app_id}/msg/{attempt.msg_id}/attempt/{attempt.id}", said=said)


async def _page(view: View, app_id: str, endpoint_id: str, error: ApiError | None = None) -> Response:
    if error is not None and error.status in {403, 404}:
        raise error
    endpoint = await endpoint_of(view, app_id, endpoint_id)
    listed = await view.api.get(ListOut[EventTypeOut], "/event-type", {"limit": _MOST_LISTED, "with_content": True})
    values = {
        "examples": [(each.name, each.name) for each in listed.data if _has_example(each)],
        "names": [each.name for each in listed.data],
        "type": view.field("type"),
        "payload": view.field("payload") or _SAMPLE,
        # The API waits for a worker, and knows of no such operation for portals.
        "may_write": not view.site.is_portal and view.may("v1.message.test-attempt"),
    }
    status = 200 if error is None else error.status
    return view.page("endpoint/test.html", status, app_id=app_id, endpoint=endpoint, error=error, **values)


def _has_example(event_type: EventTypeOut) -> bool:
    schemas = event_type.schemas or {}
    if not schemas:
        return False
    newest = schemas[max(schemas, key=lambda version: (len(version), version))]
    return isinstance(newest, dict) and has_example(newest)
