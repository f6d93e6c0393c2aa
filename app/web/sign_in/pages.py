"""Signing in and out."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from app.api.web_session.service import SiteKind
from app.errors import AuthenticationFailed
from app.web.cookies import THEMES
from app.web.page_route import PageRoute
from app.web.site import SITES
from app.web.view import AnyoneDep, sessions_of

router: Final = APIRouter(prefix="/dashboard", route_class=PageRoute, include_in_schema=False)
both: Final = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/sign-in")
async def ask(view: AnyoneDep) -> Response:
    """Who are you?"""
    if view.is_signed_in:
        return view.redirect("")
    return view.page("sign_in/ask.html", error=None, next=_safe(view.query("next")))


@router.post("/sign-in")
async def sign_in(view: AnyoneDep) -> Response:
    """Begin a session with a token."""
    target = _safe(view.field("next"))
    try:
        text = await sessions_of(view.request).begin(SiteKind.DASHBOARD, view.field("token"))
    except AuthenticationFailed as error:
        return view.page("sign_in/ask.html", 401, error=error.detail, next=target)
    response = RedirectResponse(target or view.url(""), 303)
    view.cookies.begin_session(response, text)
    return response


@both.post("/sign-out")
async def sign_out(view: AnyoneDep) -> Response:
    """End the session."""
    if (text := view.cookies.session) is not None:
        await sessions_of(view.request).end(text)
    response = RedirectResponse(view.site.signed_out, 303)
    view.cookies.end_session(response)
    return response


@both.post("/theme")
async def set_theme(view: AnyoneDep) -> Response:
    """Dark, light, or as the browser has it."""
    response = RedirectResponse(_safe(view.field("back")) or view.url(""), 303)
    theme = view.field("theme")
    view.cookies.set_theme(response, theme if theme in THEMES else THEMES[0])
    return response


def _safe(target: str) -> str:
    """A path of our own pages, or nothing: what stands in a link must not lead to another server."""
    own = any(target == site.prefix or target.startswith((f"{site.prefix}/", f"{site.prefix}?")) for site in SITES)
    return target if own and "\\" not in target and target.isprintable() else ""
