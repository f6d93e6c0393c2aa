"""The live page: what comes in and goes out of an application, as it happens."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from app.api.attempt.models import MessageAttemptOut, MessageStatus
from app.api.message.models import MessageOut
from app.api.paging import ListOut
from app.web.api_client import Query
from app.web.forms import words
from app.web.page_route import PageRoute
from app.web.view import View, ViewDep

_MOST_SHOWN: Final = 20
_LOOKED_AT: Final = 250
_STATUSES: Final = {"success": MessageStatus.SUCCESS.value, "fail": MessageStatus.FAIL.value}

both: Final = APIRouter(route_class=PageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class _Shown:
    """What the page shows; `seen` differs when that does."""

    messages: Sequence[MessageOut]
    attempts: Sequence[MessageAttemptOut]
    event_types: str
    status: str
    seen: str


@both.get("/app/{app_id}/live")
async def live(view: ViewDep, app_id: str) -> Response:
    """The newest messages and attempts; asked for anew every second, unless it is paused."""
    shown, paused = await _newest(view, app_id), view.query("paused") == "on"
    return view.page("message/live.html", app_id=app_id, shown=shown, paused=paused)


@both.get("/app/{app_id}/live/now")
async def now(view: ViewDep, app_id: str) -> Response:
    """The part of it that changes; nothing if it has not changed since the page saw it last."""
    shown = await _newest(view, app_id)
    if shown.seen == view.query("seen"):
        return Response(status_code=204)
    return view.fragment("message/live_now.html", app_id=app_id, shown=shown)


async def _newest(view: View, app_id: str) -> _Shown:
    event_types, status = view.query("event_types"), view.query("status")
    wanted = words(event_types)
    of_messages: Query = {"limit": _MOST_SHOWN, "with_content": False, "event_types": wanted}
    of_attempts: Query = {"limit": _LOOKED_AT if wanted else _MOST_SHOWN, "status": _STATUSES.get(status)}
    messages, attempts = await asyncio.gather(
        view.api.get(ListOut[MessageOut], f"/app/{app_id}/msg", of_messages),
        view.api.get(ListOut[MessageAttemptOut], f"/app/{app_id}/attempt", of_attempts),
    )
    tried = [one for one in attempts.data if not wanted or (one.msg is not None and one.msg.event_type in wanted)]
    # The list is in the order in which they began; what the page shows is when they ended.
    tried = sorted(tried[:_MOST_SHOWN], key=lambda one: one.timestamp, reverse=True)
    shown = [*(message.id for message in messages.data), *(attempt.id for attempt in tried)]
    seen = hashlib.sha256(" ".join(shown).encode()).hexdigest()[:16]
    return _Shown(messages.data, tried, event_types, status, seen)
