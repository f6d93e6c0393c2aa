"""The form that sends a message."""

from typing import Final

import orjson
from fastapi import APIRouter
from starlette.responses import Response

from app.api.event_type.models import EventTypeOut
from app.api.message.models import MessageOut
from app.api.paging import ListOut
from app.errors import InsufficientAccess
from app.web.api_client import ApiError
from app.web.event_type.schema import example_of
from app.web.forms import refused, words
from app.web.page_route import PageRoute
from app.web.view import View, ViewDep

_MOST_TYPES: Final = 250
_PAYLOAD: Final = '{\n  "hello": "world"\n}'

both: Final = APIRouter(route_class=PageRoute, include_in_schema=False)


@both.get("/app/{app_id}/msg-new")
async def form(view: ViewDep, app_id: str) -> Response:
    """A message to send, with the example of the event type that was chosen."""
    if not view.may("v1.message.create"):
        raise InsufficientAccess("You may look at messages, but not send any.")
    name = view.query("event_type")
    payload = _PAYLOAD
    if name:
        event_type = await view.api.get(EventTypeOut, f"/event-type/{name}")
        payload = _example(event_type) or payload
    return await _form(view, app_id, {"event_type": name, "payload": payload})


@both.post("/app/{app_id}/msg-new")
async def send(view: ViewDep, app_id: str) -> Response:
    """Publish it."""
    try:
        sent = await view.api.post(MessageOut, f"/app/{app_id}/msg", _message(view), {"with_content": False})
    except ApiError as error:
        if error.status not in {400, 409, 422}:
            raise
        names = ("event_type", "event_id", "channels", "tags", "payload")
        return await _form(view, app_id, {name: view.field(name) for name in names}, error)
    return view.redirect(f"/app/{app_id}/msg/{sent.id}", said="The message is accepted, and on its way.")


async def _form(view: View, app_id: str, values: dict[str, str], error: ApiError | None = None) -> Response:
    types = await view.api.get(ListOut[EventTypeOut], "/event-type", {"limit": _MOST_TYPES})
    status = 200 if error is None else 422
    return view.page("message/new.html", status, app_id=app_id, values=values, error=error, types=types.data)


def _message(view: View) -> dict[str, object]:
    """ApiError if the payload is no JSON object. It is sent as it was written, but for the line ends of browsers."""
    text = view.field("payload").replace("\r\n", "\n")
    try:
        is_object = isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError as error:
        raise refused("payload", f"This is not JSON: {error}.") from None
    if not is_object:
        raise refused("payload", 'This must be a JSON object, such as {"id": "in_1"}.')
    body: dict[str, object] = {"eventType": view.field("event_type"), "payload": orjson.Fragment(text)}
    if view.field("event_id"):
        body["eventId"] = view.field("event_id")
    body |= {name: found for name in ("channels", "tags") if (found := words(view.field(name)))}
    return body


def _example(event_type: EventTypeOut) -> str | None:
    """Of the newest version of its schema, if it has any."""
    schemas = event_type.schemas or {}
    newest = max(schemas, key=lambda name: (len(name), name), default=None)
    schema = schemas.get(newest) if newest is not None else None
    if not isinstance(schema, dict):
        return None
    return orjson.dumps(example_of(schema), option=orjson.OPT_INDENT_2).decode()
