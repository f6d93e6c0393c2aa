"""Event type pages: both sites show the catalogue."""

from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from app.api.catalog.export import newest_version
from app.api.event_type.models import EventTypeOut
from app.api.paging import ListOut
from app.web.api_client import ApiError, Query
from app.web.event_type.schema import Property, example_of, has_example, properties_of
from app.web.page_route import PageRoute
from app.web.view import ViewDep

PATH: Final = "/event-type"
_PER_PAGE: Final = 50
_MOST_VERSIONS: Final = 20

both: Final = APIRouter(route_class=PageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class _Version:
    """One version of an event type's schema, for people."""

    name: str
    schema: dict[str, object]
    properties: list[Property]
    example: object
    is_made_up: bool


@both.get(PATH)
async def index(view: ViewDep) -> Response:
    """The catalogue, by name."""
    search, archived = view.query("search"), view.query("archived") == "on"
    query: Query = {
        "search": search,
        "include_archived": archived,
        "limit": _PER_PAGE,
        "iterator": view.query("iterator"),
    }
    page = await view.api.get(ListOut[EventTypeOut], PATH, query)
    return view.page("event_type/index.html", page=page, search=search, archived=archived)


@both.get(PATH + "/{name}")
async def show(view: ViewDep, name: str) -> Response:
    """One event type: what it says, and what its messages look like."""
    try:
        event_type = await view.api.get(EventTypeOut, f"{PATH}/{name}")
    except ApiError as error:
        if error.status != 404:
            raise
        # Pages of messages lead here, and those may be of a type that is not in the catalogue.
        return view.page("event_type/missing.html", 404, name=name)
    return view.page("event_type/show.html", event_type=event_type, versions=_versions(event_type))


def _versions(event_type: EventTypeOut) -> list[_Version]:
    """The newest first; those that nobody needs any more are at the API alone."""
    left, found = dict(event_type.schemas or {}), list[_Version]()
    while left and len(found) < _MOST_VERSIONS:
        name = newest_version(left)
        schema = left.pop(name)
        schema = schema if isinstance(schema, dict) else {}
        made_up = not has_example(schema)
        found.append(_Version(name, schema, properties_of(schema), example_of(schema), made_up))
    return found
