"""Source pages: what there is, and what arrived."""

import asyncio
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from app.api.endpoint.models import EndpointOut
from app.api.message.models import MessageOut
from app.api.paging import ListOut
from app.api.source.models import IngestSourceOut
from app.api.source_log.models import IngestLogOut
from app.api.source_trigger.models import IngestSourceTriggerOut
from app.receiving.registry import all_providers
from app.receiving.samples import names_of
from app.web.api_client import INGEST, ApiError, Query
from app.web.page_route import PageRoute
from app.web.source.kinds import find_kind
from app.web.view import View, ViewDep

PATH: Final = "/source"
API: Final = f"{INGEST}/source"
_PER_PAGE: Final = 50
_MOST_RECEIVED: Final = 20
_LOOKED_AT: Final = 100
_FEW_REJECTED: Final = 5

router: Final = APIRouter(prefix="/dashboard", route_class=PageRoute, include_in_schema=False)


@router.get(PATH)
async def index(view: ViewDep) -> Response:
    """All sources."""
    query: Query = {"limit": _PER_PAGE, "iterator": view.query("iterator")}
    page = await view.api.get(ListOut[IngestSourceOut], API, query)
    titles = {name: provider.title for name, provider in all_providers().items()}
    return view.page("source/index.html", page=page, titles=titles)


@router.get(PATH + "/{source_id}")
async def show(view: ViewDep, source_id: str) -> Response:
    """One source: where the provider posts, and what came of it."""
    return await _show(view, source_id, None)


@router.post(PATH + "/{source_id}/trigger")
async def trigger(view: ViewDep, source_id: str) -> Response:
    """Have a sample arrive, and say what became of it."""
    body = {"eventType": view.field("event") or None}
    outcome = await view.api.post(IngestSourceTriggerOut, f"{API}/{source_id}/trigger", body)
    if outcome.message_id is not None:
        return view.redirect(f"{PATH}/{source_id}", said=f"It was accepted as {outcome.event_type}.")
    return await _show(view, source_id, outcome)


@router.get(PATH + "/{source_id}/log")
async def rejected(view: ViewDep, source_id: str) -> Response:
    """What was rejected, and why."""
    source = await view.api.get(IngestSourceOut, f"{API}/{source_id}")
    query: Query = {"limit": _PER_PAGE, "iterator": view.query("iterator")}
    page = await view.api.get(ListOut[IngestLogOut], f"{API}/{source_id}/log", query)
    return view.page("source/log.html", source=source, page=page)


async def _show(view: View, source_id: str, outcome: IngestSourceTriggerOut | None) -> Response:
    source = await view.api.get(IngestSourceOut, f"{API}/{source_id}")
    received, log, is_delivered = await asyncio.gather(
        _received(view, source), _log(view, source), _is_delivered(view, source)
    )
    return view.page(
        "source/show.html",
        source=source,
        kind=find_kind(source.provider),
        samples=names_of(source.provider),
        received=received,
        log=log,
        is_delivered=is_delivered,
        outcome=outcome,
    )


async def _received(view: View, source: IngestSourceOut) -> list[MessageOut]:
    """The newest messages of its application that are this source's, as far as their names say."""
    if not view.may_read("v1.message.list"):
        return []
    query: Query = {"limit": _LOOKED_AT, "with_content": False}
    page = await view.api.get(ListOut[MessageOut], f"/app/{source.application_id}/msg", query)
    provider = all_providers().get(source.provider)
    prefix = f"{provider.event_prefix if provider else source.provider}."
    mine = (
        message
        for message in page.data
        if (message.event_id or "").startswith(f"{source.id}.")
        or (message.event_id is None and message.event_type.startswith(prefix))
    )
    return list(mine)[:_MOST_RECEIVED]


async def _is_delivered(view: View, source: IngestSourceOut) -> bool:
    """Whether its application has an endpoint, as far as one may know."""
    if not view.may_read("v1.endpoint.list"):
        return True
    endpoints = await view.api.get(ListOut[EndpointOut], f"/app/{source.application_id}/endpoint", {"limit": 1})
    return bool(endpoints.data)


async def _log(view: View, source: IngestSourceOut) -> list[IngestLogOut]:
    """The newest rejections."""
    try:
        page = await view.api.get(ListOut[IngestLogOut], f"{API}/{source.id}/log", {"limit": _FEW_REJECTED})
    except ApiError as error:
        # The token's scopes may hold sources alone.
        if error.status == 403:
            return []
        raise
    return list(page.data)
