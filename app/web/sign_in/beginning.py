"""How a session of the dashboard begins, whatever the proof was."""

from starlette.responses import RedirectResponse, Response

from app.api.sign_in.models import MethodsOut
from app.api.web_session.service import SiteKind
from app.web.site import SITES
from app.web.view import View, sessions_of


async def begin(view: View, token: str, user_id: str | None = None, target: str = "") -> RedirectResponse:
    """Lead to the dashboard, signed in with a token; a session that there was has ended. AuthenticationFailed."""
    sessions = sessions_of(view.request)
    text = await sessions.begin(SiteKind.DASHBOARD, token, user_id=user_id)
    if (former := view.cookies.session) is not None:
        await sessions.end(former)
    response = RedirectResponse(safe(target) or view.url(""), 303)
    view.cookies.begin_session(response, text)
    return response


async def ask_who(
    view: View, *, status: int = 200, error: str | None = None, email: str = "", target: str = ""
) -> Response:
    """The page that asks who somebody is."""
    methods = await view.api_with(None).get(MethodsOut, "/auth/sign-in")
    values = {"email": email, "next": safe(target), "single_sign_on": methods.single_sign_on}
    return view.page("sign_in/ask.html", status, error=error, **values)


def safe(target: str) -> str:
    """A path of our own pages, or nothing: what stands in a link must not lead to another server."""
    own = any(target == site.prefix or target.startswith((f"{site.prefix}/", f"{site.prefix}?")) for site in SITES)
    return target if own and "\\" not in target and target.isprintable() else ""
