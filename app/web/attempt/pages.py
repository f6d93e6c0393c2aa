"""The page of an attempt."""

import asyncio
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from app.api.attempt.models import MessageAttemptOut
from app.api.endpoint.models import EndpointOut
from app.api.sent_request.models import SentRequestOut
from app.web.api_client import ApiError
from app.web.attempt.timing import parts_of
from app.web.page_route import PageRoute
from app.web.view import View, ViewDep

_MOST_SHOWN: Final = 65_536

both: Final = APIRouter(route_class=PageRoute, include_in_schema=False)


@both.get("/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}")
async def show(view: ViewDep, app_id: str, msg_id: str, attempt_id: str) -> Response:
    """One attempt: what was sent, what was answered, where the time went, and how to do it again."""
    path = f"/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}"
    attempt, sent = await asyncio.gather(
        view.api.get(MessageAttemptOut, path), view.api.get(SentRequestOut, f"{path}/request")
    )
    body = sent.body or ""
    return view.page(
        "attempt/show.html",
        app_id=app_id,
        msg_id=msg_id,
        attempt=attempt,
        sent=sent,
        body=body[:_MOST_SHOWN],
        curl=sent.curl if sent.curl is not None and len(sent.curl) <= _MOST_SHOWN else None,
        endpoint=await _endpoint(view, app_id, attempt.endpoint_id),
        timing=parts_of(attempt),
    )


@both.get("/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}/curl")
async def curl(view: ViewDep, app_id: str, msg_id: str, attempt_id: str) -> Response:
    """The command that sends it again, as a file."""
    sent = await view.api.get(SentRequestOut, f"/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}/request")
    headers = {"content-disposition": f'attachment; filename="{attempt_id}.sh"'}
    return Response(f"{sent.curl or ''}\n", headers=headers, media_type="application/octet-stream")


async def _endpoint(view: View, app_id: str, endpoint_id: str) -> EndpointOut | None:
    """None once it is deleted."""
    try:
        return await view.api.get(EndpointOut, f"/app/{app_id}/endpoint/{endpoint_id}")
    except ApiError as error:
        if error.status == 404:
            return None
        raise
