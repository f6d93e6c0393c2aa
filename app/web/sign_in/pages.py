"""Signing in with a token, or with a link that stands for one; and out."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from app.api.auth.models import OneTimeTokenOut
from app.errors import AuthenticationFailed
from app.web.api_client import ApiError
from app.web.page_route import PageRoute
from app.web.sign_in.beginning import ask_who, begin, safe
from app.web.view import AnyoneDep, sessions_of

router: Final = APIRouter(prefix="/dashboard", route_class=PageRoute, include_in_schema=False)
both: Final = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/sign-in")
async def ask(view: AnyoneDep) -> Response:
    """Who are you? Also for who is signed in: a link may be for another organization."""
    return await ask_who(view, target=view.query("next"))


@router.post("/sign-in")
async def sign_in(view: AnyoneDep) -> Response:
    """Begin a session with a token."""
    try:
        return await begin(view, view.field("token"), target=view.field("next"))
    except AuthenticationFailed as error:
        return await ask_who(view, status=401, error=error.detail, target=view.field("next"))


@router.post("/sign-in/link")
async def follow(view: AnyoneDep) -> Response:
    """Begin a session with what stood in a link of `postrider dashboard`."""
    try:
        exchanged = await view.api_with(None).post(
            OneTimeTokenOut, "/auth/one-time-token", {"oneTimeToken": view.field("key")}
        )
        return await begin(view, exchanged.token)
    except (ApiError, AuthenticationFailed) as error:
        # Links are followed twice.
        if view.is_signed_in:
            return view.redirect("")
        return await ask_who(view, status=401, error=error.detail)


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
    response = RedirectResponse(safe(view.field("back")) or view.url(""), 303)
    view.cookies.set_theme(response, view.field("theme"))
    return response
