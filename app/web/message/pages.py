"""The pages of messages: searching them, and one with all that became of it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from app import clock
from app.api.attempt.models import EmptyOut, MessageAttemptOut, MessageEndpointOut
from app.api.explanation.models import ExplanationOut
from app.api.history.models import MessageRawPayloadOut
from app.api.message.models import MessageOut
from app.api.paging import ListOut
from app.api.source_event.models import ReceivedOut
from app.web.api_client import ApiError, Query
from app.web.explanation.pages import PER_PAGE
from app.web.message.indented import indented
from app.web.message.search import Asked, looked_back_to
from app.web.page_route import PageRoute
from app.web.view import View, ViewDep

_MOST_ATTEMPTS: Final = 250
_MOST_ENDPOINTS: Final = 100
_MOST_SHOWN: Final = 65_536
"""Characters of a payload on a page; the rest can be downloaded."""
_UNDER_WAY: Final = frozenset({"pending", "sending"})
_SOON: Final = timedelta(seconds=10)
_EMPTY: Final = ListOut[MessageOut](data=[], iterator=None, done=True)

both: Final = APIRouter(route_class=PageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class _Payload:
    """What is shown of a payload: as it was sent, and indented."""

    text: str
    pretty: str
    size: int
    is_cut: bool


@dataclass(frozen=True, slots=True)
class _Delivery:
    """A message at one endpoint, and what was tried there, the oldest first."""

    endpoint: MessageEndpointOut
    attempts: Sequence[MessageAttemptOut]

    def waits_until(self, moment: datetime) -> bool:
        """Whether it is tried, or goes on, by then."""
        at = self.endpoint.next_attempt
        return self.endpoint.status_text in _UNDER_WAY and (at is None or at <= moment)

    @property
    def is_due(self) -> bool:
        return self.waits_until(clock.now())


@both.get("/app/{app_id}/msg")
async def index(view: ViewDep, app_id: str) -> Response:
    """The messages of an application, searched by all that is said; a name leads to its message at once."""
    asked = Asked.of(view)
    error: ApiError | None = None
    if asked.reference:
        try:
            found = await view.api.get(MessageOut, f"/app/{app_id}/msg/{_segment(asked.reference)}")
            return view.redirect(f"/app/{app_id}/msg/{found.id}")
        except ApiError as refused:
            error = ApiError(404, "not_found", f"The application has no message of the name {asked.reference}.")
            if refused.status not in {404, 422}:
                raise
    page = _EMPTY
    if error is None:
        try:
            body = asked.body(view.query("iterator"))
            page = await view.api.post(ListOut[MessageOut], f"/app/{app_id}/msg/search", body)
        except ApiError as refused:
            if refused.status != 422:
                raise
            error = refused
    return view.page(
        "message/index.html", app_id=app_id, page=page, asked=asked, error=error, looked_back_to=looked_back_to(page)
    )


@both.get("/app/{app_id}/msg/{msg_id}")
async def show(view: ViewDep, app_id: str, msg_id: str) -> Response:
    """One message: its payload, and its deliveries; htmx asks for what becomes of them."""
    path = f"/app/{app_id}/msg/{msg_id}"
    if view.is_htmx:
        return await _course(view, app_id, msg_id)
    message, payload, deliveries, received = await asyncio.gather(
        view.api.get(MessageOut, path, {"with_content": False}),
        _payload(view, path),
        _deliveries(view, app_id, msg_id),
        _received(view, path),
    )
    return view.page(
        "message/show.html",
        app_id=app_id,
        message=message,
        message_id=message.id,
        payload=payload,
        deliveries=deliveries,
        moving=_moving(deliveries),
        explanations=None,
        received=received,
    )


async def _course(view: View, app_id: str, msg_id: str) -> Response:
    """The part of a message's page that changes."""
    deliveries, explanations = await asyncio.gather(
        _deliveries(view, app_id, msg_id), _explanations(view, app_id, msg_id)
    )
    values = {"deliveries": deliveries, "moving": _moving(deliveries), "explanations": explanations}
    return view.fragment("message/course.html", 200, app_id=app_id, message_id=msg_id, **values)


def _moving(deliveries: Sequence[_Delivery]) -> bool:
    """Whether something is about to happen."""
    soon = clock.now() + _SOON
    return any(delivery.waits_until(soon) for delivery in deliveries)


@both.get("/app/{app_id}/msg/{msg_id}/payload")
async def payload(view: ViewDep, app_id: str, msg_id: str) -> Response:
    """What is sent of a message, as a file."""
    raw = await view.api.get(MessageRawPayloadOut, f"/app/{app_id}/msg/{msg_id}/raw")
    headers = {"content-disposition": f'attachment; filename="{msg_id}.json"'}
    return Response(raw.payload, headers=headers, media_type="application/octet-stream")


@both.post("/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/resend")
async def resend(view: ViewDep, app_id: str, msg_id: str, endpoint_id: str) -> Response:
    """Have a message tried once more, now."""
    path = f"/app/{app_id}/msg/{msg_id}"
    await view.api.post(EmptyOut, f"{path}/endpoint/{endpoint_id}/resend")
    return view.redirect(path, said="It is tried once more, now.")


async def _received(view: View, path: str) -> ReceivedOut | None:
    """The request in which it arrived at a source, for operators; None if it was published."""
    if view.site.is_portal:
        return None
    try:
        return await view.api.get(ReceivedOut, f"{path}/received")
    except ApiError as error:
        if error.status == 404:
            return None
        raise


async def _payload(view: View, path: str) -> _Payload:
    raw = await view.api.get(MessageRawPayloadOut, f"{path}/raw")
    text = raw.payload
    is_cut = len(text) > _MOST_SHOWN
    pretty = indented(text[:_MOST_SHOWN]) if _is_json(text) else text
    return _Payload(text[:_MOST_SHOWN], pretty[: 2 * _MOST_SHOWN], len(text.encode()), is_cut)


def _is_json(text: str) -> bool:
    """What is sent in place of a payload may be anything."""
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except msgspec.DecodeError:
        return False
    return True


async def _deliveries(view: View, app_id: str, msg_id: str) -> list[_Delivery]:
    of_attempts: Query = {"limit": _MOST_ATTEMPTS, "with_content": False}
    of_endpoints: Query = {"limit": _MOST_ENDPOINTS, "expanded_statuses": True}
    tried, reached = await asyncio.gather(
        view.api.get(ListOut[MessageAttemptOut], f"/app/{app_id}/attempt/msg/{msg_id}", of_attempts),
        view.api.get(ListOut[MessageEndpointOut], f"/app/{app_id}/msg/{msg_id}/endpoint", of_endpoints),
    )
    return [
        _Delivery(endpoint, [one for one in reversed(tried.data) if one.endpoint_id == endpoint.id])
        for endpoint in reached.data
    ]


async def _explanations(view: View, app_id: str, msg_id: str) -> ListOut[ExplanationOut] | None:
    if not view.may_read("v1.message.explain"):
        return None
    query: Query = {"limit": PER_PAGE}
    return await view.api.get(ListOut[ExplanationOut], f"/app/{app_id}/msg/{msg_id}/explain", query)


def _segment(reference: str) -> str:
    """As a part of a path: no event id has any other sign, and none leads elsewhere."""
    return "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-_.") else "%20" for sign in reference) or "-"
