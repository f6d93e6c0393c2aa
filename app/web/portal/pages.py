"""The portal's first pages: a link opens it, and it closes; and its looks."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from app.api.auth.models import OneTimeTokenOut, WhoamiOut
from app.api.environment_settings.models import EnvironmentSettingsOut
from app.api.web_session.service import SiteKind
from app.errors import BadRequest
from app.web.api_client import ApiError
from app.web.page_route import PageRoute
from app.web.portal.appearance import appearance_in, appearance_of, theme_in
from app.web.portal.link import INCOMPLETE, read_key
from app.web.portal.stylesheet import stylesheet
from app.web.view import CODE, AnyoneDep, View, ViewDep, sessions_of

PARAMETERS: Final = ("primaryColor", "icon", "fontFamily", "darkMode", "name")
"""Of a link: how the portal is to look."""
SWITCH: Final = "switch"
"""Of the form: `on` if the session of another application's portal is to end."""

router: Final = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/login")
async def ask(view: AnyoneDep) -> Response:
    """Where links lead. Only the browser sees their key; a script sends it, so that previews do not use it up."""
    given = {name: text for name in PARAMETERS if (text := view.query(name))}
    theme = theme_in(given, is_framed=_is_framed(view))
    shown = theme or view.cookies.theme
    return view.page("portal/open.html", theme=shown, given={**given, **({"theme": theme} if theme else {})})


@router.post("/login")
async def sign_in(view: AnyoneDep) -> Response:
    """Begin a session with a link's key, which is good for one."""
    key = read_key(view.field("key"))
    is_other = view.is_signed_in and view.session.caller.application_id != key.app_id
    # Whoever has a portal can have others open it, and what those enter there is theirs. A frame shows what its page
    # wants.
    if is_other and not _is_framed(view) and view.field(SWITCH) != "on":
        fields = {name: view.field(name) for name in ("key", "theme", *PARAMETERS)}
        return view.page("portal/switch.html", theme=view.cookies.theme, fields=fields)
    response = RedirectResponse(view.url(""), 303)
    try:
        exchanged = await view.api_with(None).post(
            OneTimeTokenOut, "/auth/one-time-token", {"oneTimeToken": key.one_time_token}
        )
    except ApiError as error:
        if error.status != 401:
            raise
        # Frames are loaded again, and links are followed twice.
        if view.is_signed_in and not is_other:
            return response
        return view.page("portal/used.html", 401, theme=view.cookies.theme)
    await _begin(view, key.app_id, exchanged.token, response)
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


def _is_framed(view: View) -> bool:
    """Browsers that say nothing of it are old, and get what everybody gets."""
    return view.request.headers.get("sec-fetch-dest") in {"iframe", "frame"}


async def _begin(view: View, application_id: str, token: str, response: Response) -> None:
    """BadRequest if the link said that it is another application's."""
    sessions, given = sessions_of(view.request), {name: view.field(name) for name in PARAMETERS}
    api = view.api_with(token)
    if (await api.get(WhoamiOut, "/auth/whoami")).app_id != application_id:
        raise BadRequest(INCOMPLETE)
    settings = await api.get(EnvironmentSettingsOut, "/environment/settings")
    looks = {**appearance_of(settings), **appearance_in(given)}
    if settings.enable_transformations:
        looks[CODE] = "1"
    text = await sessions.begin(SiteKind.PORTAL, token, appearance=looks)
    if (former := view.cookies.session) is not None:
        await sessions.end(former)
    view.cookies.begin_session(response, text)
    if theme := view.field("theme"):
        view.cookies.set_theme(response, theme)
