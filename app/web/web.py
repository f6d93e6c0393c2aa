"""The one list of routers of pages."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from app.errors import NotFound
from app.web import static_files
from app.web.page_route import PageRoute
from app.web.portal import pages as portal
from app.web.sign_in import pages as sign_in
from app.web.site import SITES

# On both sites, with the same paths below their prefixes.
_BOTH: Final[tuple[APIRouter, ...]] = (sign_in.both,)
# Each has its own prefix.
_SINGLE: Final[tuple[APIRouter, ...]] = (sign_in.router, portal.router, static_files.router)

_missing: Final = APIRouter(route_class=PageRoute, include_in_schema=False)


@_missing.api_route("/{path:path}", methods=["GET", "POST"])
async def missing(path: str) -> Response:
    """Whatever else is below a site's prefix."""
    raise NotFound("There is no such page.")


def routes() -> list[BaseRoute]:
    """All of them, made once for a process."""
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/", _lead_to_dashboard, methods=["GET"])
    for single in _SINGLE:
        router.include_router(single)
    for site in SITES:
        for both in (*_BOTH, _missing):
            router.include_router(both, prefix=site.prefix)
    return list(router.routes)


async def _lead_to_dashboard() -> RedirectResponse:
    return RedirectResponse("/dashboard", 307)
