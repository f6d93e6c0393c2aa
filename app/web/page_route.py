"""The route class of pages: what goes wrong becomes a page, in the site's own look."""

from collections.abc import Callable, Coroutine
from typing import Any, Final
from urllib.parse import quote

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.api.problems import response_to
from app.errors import PostriderError
from app.web.api_client import ApiError
from app.web.cookies import Cookies
from app.web.policy import policy
from app.web.rendering import render
from app.web.site import site_of
from app.web.view import ForeignForm, NotSignedIn

_TITLES: Final = {
    400: "That cannot be done",
    403: "Not allowed",
    404: "Not found",
    409: "That is taken",
    422: "Something is missing",
    429: "Too fast",
    503: "Not available right now",
}
_FOREIGN: Final = "The form was not sent from a page of this session. Open the page again, and send it from there."
_MISSING: Final = "There is no such page, or you may not see it."


class PageRoute(APIRoute):
    """Answers as its handler does; failures with a page that says what to do."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except NotSignedIn:
                return _to_sign_in(request)
            except ForeignForm:
                return failure(request, 403, _FOREIGN)
            except ApiError as error:
                # The token has ended since the session was found.
                if error.status == 401:
                    return _to_sign_in(request)
                return failure(request, error.status, _MISSING if error.status == 404 else error.detail)
            except PostriderError as error:
                return failure(request, error.status, error.detail)
            except (RequestValidationError, HTTPException):
                return failure(request, 404, _MISSING)
            except Exception as error:
                # Logs it, and knows which are the database's.
                status = response_to(error).status_code
                return failure(request, status, "Try again; if it happens again, tell the operator.")

        return answer


def failure(request: Request, status: int, detail: str) -> Response:
    """The page of a failure; it needs nobody to be signed in."""
    site = site_of(request.url.path)
    settings = request.app.state.settings
    theme = Cookies(request, site, settings).theme
    title = _TITLES.get(status, "Something went wrong")
    values = {"site": site, "settings": settings, "theme": theme, "title": title}
    text = render("failure.html", **values, detail=detail, status=status)
    headers = {"content-security-policy": policy(site, settings)}
    return Response(text, status, headers, media_type="text/html")


def _to_sign_in(request: Request) -> Response:
    site = site_of(request.url.path)
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    back = f"?next={quote(wanted, safe='')}" if request.method == "GET" and not site.is_portal else ""
    target = f"{site.sign_in}{back}"
    if request.headers.get("hx-request") == "true":
        return Response(status_code=204, headers={"HX-Redirect": target})
    return RedirectResponse(target, 303)
