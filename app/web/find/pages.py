"""The find page, of the dashboard alone: one box for whatever somebody has in their hands."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from app.api.application.models import ApplicationOut
from app.api.endpoint.models import FoundEndpointOut
from app.api.event_type.models import EventTypeOut
from app.api.history.models import FoundMessageOut
from app.api.paging import ListOut
from app.api.source.models import IngestSourceOut
from app.web.api_client import INGEST, ApiError, Query
from app.web.page_route import PageRoute
from app.web.site import DASHBOARD
from app.web.view import View, ViewDep

_PER_PAGE: Final = 50
# What the API takes for a name. All else names nothing.
_REFERENCE: Final = re.compile(r"[a-zA-Z0-9\-_.]{1,256}")
# Event ids may begin like the id of a source.
_ID: Final = re.compile(r"(app|ep|msg|atmpt)_[0-9A-Za-z]{27}|(src)_[0-9A-Za-z]{22}")
# There is none, the session may not see it, or such a thing is never called so.
_MISSING: Final = frozenset({400, 403, 404, 422})

ModelT = TypeVar("ModelT", bound=BaseModel)
ItemT = TypeVar("ItemT", bound=BaseModel)

router: Final = APIRouter(prefix=DASHBOARD.prefix, route_class=PageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class _Found:
    """Something that has the name, and where its page is."""

    noun: str
    name: str
    path: str
    about: str


@router.get("/find")
async def find(view: ViewDep) -> Response:
    """Lead to what has the name; if several have it, say which."""
    reference = view.query("reference")
    found = await _look(view, reference) if _REFERENCE.fullmatch(reference) else []
    if len(found) == 1:
        return view.redirect(found[0].path)
    return view.page("find/index.html", reference=reference, found=found)


async def _look(view: View, reference: str) -> list[_Found]:
    """An id says what it is of; any other name may have been given to one of each."""
    if (form := _ID.fullmatch(reference)) is not None:
        return await _OF_IDS[form[1] or form[2]](view, reference)
    everywhere = (_applications, _endpoints, _messages, _sources, _event_types)
    return [found for look in everywhere for found in await look(view, reference)]


async def _applications(view: View, reference: str) -> list[_Found]:
    app = await _or_none(view.api.get(ApplicationOut, f"/app/{reference}"))
    return [_Found("application", app.name, f"/app/{app.id}", app.uid or "")] if app else []


async def _endpoints(view: View, reference: str) -> list[_Found]:
    found = await _all(view, FoundEndpointOut, "/endpoint/find", reference)
    return [
        _Found("endpoint", each.url, f"/app/{each.app_id}/endpoint/{each.id}", f"of {each.app_name}") for each in found
    ]


async def _messages(view: View, reference: str) -> list[_Found]:
    found = await _all(view, FoundMessageOut, "/message/find", reference)
    attempt = f"/attempt/{reference}" if reference.startswith("atmpt_") else ""
    return [
        _Found(
            "attempt" if attempt else "message",
            reference if attempt else each.id,
            f"/app/{each.app_id}/msg/{each.id}{attempt}",
            f"{each.event_type}, of {each.app_name}",
        )
        for each in found
    ]


async def _sources(view: View, reference: str) -> list[_Found]:
    source = await _or_none(view.api.get(IngestSourceOut, f"{INGEST}/source/{reference}"))
    return [_Found("source", source.name, f"/source/{source.id}", source.provider)] if source else []


async def _event_types(view: View, reference: str) -> list[_Found]:
    each = await _or_none(view.api.get(EventTypeOut, f"/event-type/{reference}"))
    return [_Found("event type", each.name, f"/event-type/{each.name}", each.description)] if each else []


_OF_IDS: Final[dict[str, Callable[[View, str], Awaitable[list[_Found]]]]] = {
    "app": _applications,
    "ep": _endpoints,
    "msg": _messages,
    "atmpt": _messages,
    "src": _sources,
}


async def _all(view: View, model: type[ItemT], path: str, reference: str) -> list[ItemT]:
    """What a list of the API has found, up to a page full: it looks in so many applications at a time."""
    found: list[ItemT] = []
    iterator: str | None = None
    while len(found) < _PER_PAGE:
        query: Query = {"reference": reference, "limit": _PER_PAGE, "iterator": iterator}
        page = await _or_none(view.api.get(ListOut[model], path, query))  # type: ignore[valid-type]
        if page is None:
            break
        found += page.data
        iterator = page.iterator
        if page.done:
            break
    return found


async def _or_none(asked: Awaitable[ModelT]) -> ModelT | None:
    """None if there is none of that name, or the session may not see it."""
    try:
        return await asked
    except ApiError as error:
        if error.status in _MISSING:
            return None
        raise
