"""The portal's first pages: a link opens it, and it closes; and its looks."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from app.api.auth.models import OneTimeTokenOut
from app.api.environment_settings.models import EnvironmentSettingsOut
from app.api.web_session.service import SiteKind
from app.web.api_client import ApiError
from app.web.page_route import PageRoute
from app.web.portal.appearance import appearance_in, appearance_of, theme_in
from app.web.portal.link import read_key
from app.web.portal.stylesheet import stylesheet
from app.web.view import CODE, AnyoneDep, View, ViewDep, sessions_of

PARAMETERS: Final = ("primaryColor", "icon", "fontFamily", "darkMode", "name")
"""Of a link: how the portal is to look."""

router: Final = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/login")
async def ask(view: AnyoneDep) -> Response:
    """Where links lead. Only the browser sees their key; a script sends it, so that previews do not use it up."""
    given = {name: text for name in PARAMETERS if (text := view.query(name))}
    # Browsers that say nothing of it are old, and get what everybody gets.
    is_framed = view.request.headers.get("sec-fetch-dest") in {"iframe", "frame"}
    theme = theme_in(given, is_framed=is_framed)
    shown = theme or view.cookies.theme
    return view.page("portal/open.html", theme=shown, given={**given, **({"theme": theme} if theme else {})})


@router.post("/login")
async def sign_in(view: AnyoneDep) -> Response:
    """Begin a session with a link's key, which is good for one."""
    key = read_key(view.field("key"))
    response = RedirectResponse(view.url(""), 303)
    try:
        exchanged = await view.api_with(None).post(
            OneTimeTokenOut, "/auth/one-time-token", {"oneTimeToken": key.one_time_token}
        )
    except ApiError as error:
        if error.status != 401:
            raise
        # Frames are loaded again, and links are followed twice.
        if view.is_signed_in and view.session.caller.application_id == key.app_id:
            return response
        return view.page("portal/used.html", 401, theme=view.cookies.theme)
    await _begin(view, exchanged.token, response)
    return response


@router.get("/portal")
async def first(view: ViewDep) -> Response:
    """An application's endpoints are what its users come for."""
    return view.redirect(f"/app/{view.session.caller.application_id}/endpoint")


@router.get("/portal/signed-out")
async def signed_out(view: AnyoneDep) -> Response:
    """After signing out there is nothing more to do here."""
    if view.is_signed_in:
        return view.redirect("")
    return view.page("portal/signed_out.html", theme=view.cookies.theme)


@router.get("/portal/appearance.css")
async def appearance(view: AnyoneDep) -> Response:
    """The session's own style; nothing where there is no session."""
    style = stylesheet(view.session.appearance) if view.is_signed_in else ""
    return Response(style, media_type="text/css")


async def _begin(view: View, token: str, response: Response) -> None:
    sessions, given = sessions_of(view.request), {name: view.field(name) for name in PARAMETERS}
    settings = await view.api_with(token).get(EnvironmentSettingsOut, "/environment/settings")
    looks = {**appearance_of(settings), **appearance_in(given)}
    if settings.enable_transformations:
        looks[CODE] = "1"
    text = await sessions.begin(SiteKind.PORTAL, token, appearance=looks)
    if (former := view.cookies.session) is not None:
        await sessions.end(former)
    view.cookies.begin_session(response, text)
    if theme := view.field("theme"):
        view.cookies.set_theme(response, theme)
