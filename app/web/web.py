"""The one list of routers of pages."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from app.errors import NotFound
from app.web import static_files
from app.web.administration import account, audit_log, operational, settings, tokens, users
from app.web.application import pages as application
from app.web.attempt import pages as attempt
from app.web.endpoint import access as endpoint_access
from app.web.endpoint import pages as endpoint
from app.web.endpoint import replay as endpoint_replay
from app.web.endpoint import secret as endpoint_secret
from app.web.endpoint import transformation as endpoint_transformation
from app.web.endpoint import trial as endpoint_trial
from app.web.event_type import editing as event_type_editing
from app.web.event_type import pages as event_type
from app.web.explanation import pages as explanation
from app.web.find import pages as find
from app.web.home import pages as home
from app.web.message import live
from app.web.message import pages as message
from app.web.message import sending as message_sending
from app.web.page_route import PageRoute
from app.web.portal import pages as portal
from app.web.sign_in import pages as sign_in
from app.web.sign_in import people
from app.web.signature import pages as signature
from app.web.site import SITES
from app.web.source import editing as source_editing
from app.web.source import pages as source
from app.web.system import pages as system

# On both sites, with the same paths below their prefixes.
_BOTH: Final[tuple[APIRouter, ...]] = (
    sign_in.both,
    event_type.both,
    endpoint.both,
    endpoint_access.both,
    endpoint_replay.both,
    endpoint_secret.both,
    endpoint_transformation.both,
    endpoint_trial.both,
    message.both,
    message_sending.both,
    live.both,
    attempt.both,
    explanation.both,
    signature.both,
)
# Each has its own prefix.
_SINGLE: Final[tuple[APIRouter, ...]] = (
    sign_in.router,
    people.router,
    account.router,
    users.router,
    tokens.router,
    audit_log.router,
    settings.router,
    operational.router,
    portal.router,
    find.router,
    home.router,
    system.router,
    static_files.router,
    application.router,
    event_type_editing.router,
    source.router,
    source_editing.router,
)

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
