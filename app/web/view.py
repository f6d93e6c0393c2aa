"""What a page's handler is given: the API in the name of who is signed in, the form, and ways to answer."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import FormData

from app import scopes
from app.api.application.models import ApplicationOut
from app.api.web_session.service import WebSession, WebSessionService
from app.errors import NotFound
from app.logs import correlation_id
from app.settings import Settings
from app.web.api_client import ApiClient
from app.web.cookies import Cookies
from app.web.policy import policy
from app.web.rendering import render
from app.web.site import Site, site_of

_READING_METHODS: Final = frozenset({"GET", "HEAD"})
# A portal's token without scopes may do no more, whatever else there is that the organization's may.
_ALL_OF_PORTAL: Final = scopes.of_portal(scopes.CAPABILITIES)
_APPLICATION: Final = "v1.application.get"
_CODE: Final = "v1.endpoint.transformation."
CODE: Final = "code"
"""Of a portal's session: that its organization lets portals write transformations."""
CSRF: Final = "csrf"
"""The field of every form that proves that the form is ours; `x-csrf-token` is the same as a header."""


class NotSignedIn(Exception):
    """The page is for those who are signed in."""


class ForeignForm(Exception):
    """What was sent did not come from a form of ours (CSRF)."""


class View:
    """One request of a browser. Paths are those below the site's prefix: `/app/…`."""

    def __init__(self, request: Request, settings: Settings, session: WebSession | None, form: FormData) -> None:
        self.request = request
        self.settings = settings
        self.site: Site = site_of(request.url.path)
        self.form = form
        self.cookies = Cookies(request, self.site, settings)
        self.application: ApplicationOut | None = None
        self._session = session
        self._api: ApiClient | None = None

    @property
    def session(self) -> WebSession:
        """Who is signed in. NotSignedIn if nobody is."""
        if self._session is None:
            raise NotSignedIn
        return self._session

    @property
    def is_signed_in(self) -> bool:
        return self._session is not None

    @property
    def api(self) -> ApiClient:
        """The API, with the session's token."""
        if self._api is None:
            self._api = self.api_with(self.session.token)
        return self._api

    def api_with(self, token: str | None) -> ApiClient:
        """The API with another token, or with none, for who is about to sign in."""
        return ApiClient(self.request, token, correlation_id.get() or "")

    @property
    def is_htmx(self) -> bool:
        """Whether htmx asks, for a part of a page."""
        return self.request.headers.get("hx-request") == "true"

    @property
    def csrf(self) -> str:
        """What the forms of this session carry; bound to its cookie, which no other site can read."""
        return csrf_of(self.cookies.session or "")

    def may(self, operation: str) -> bool:
        """Whether who is signed in may do that, as the OpenAPI document calls it."""
        if operation.startswith(_CODE) and self.site.is_portal and CODE not in self.session.appearance:
            return False
        return self._holds(operation, "POST")

    def may_read(self, operation: str) -> bool:
        """The same for an operation that is a GET."""
        return self._holds(operation, "GET")

    def _holds(self, operation: str, method: str) -> bool:
        caller = self.session.caller
        held = _ALL_OF_PORTAL if caller.scopes is None and caller.application_id else caller.scopes
        return held is None or scopes.allows(held, operation, method)

    def url(self, path: str, **query: str | int | None) -> str:
        """The address of a page of this site."""
        return f"{self.site.prefix}{path}{with_query(query)}"

    def query(self, name: str, default: str = "") -> str:
        """A parameter of the page's address; texts with NUL are nobody's."""
        return self.request.query_params.get(name, default).replace("\0", "").strip()

    def field(self, name: str, default: str = "") -> str:
        """A field of the form, without spaces at its ends."""
        value = self.form.get(name, default)
        return value.strip() if isinstance(value, str) else default

    def secret(self, name: str) -> str:
        """A field of the form as it was typed: spaces at the ends of a password are part of it."""
        value = self.form.get(name, "")
        return value if isinstance(value, str) else ""

    def fields(self, name: str) -> list[str]:
        """All fields of that name that are not empty."""
        return [value.strip() for value in self.form.getlist(name) if isinstance(value, str) and value.strip()]

    def page(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A whole page."""
        said = self.cookies.said
        response = self._render(template, status, {"said": said, **values})
        if said is not None:
            self.cookies.forget_said(response)
        return response

    def fragment(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A part of a page, for htmx."""
        return self._render(template, status, values)

    def redirect(self, path: str, said: str | None = None) -> RedirectResponse:
        """Lead to another page of the site after a form was taken, which may be told what to say first."""
        response = RedirectResponse(self.url(path), 303)
        if said is not None:
            self.cookies.say(response, said)
        return response

    def _render(self, template: str, status: int, values: Mapping[str, Any]) -> HTMLResponse:
        response = HTMLResponse(render(template, view=self, **values), status)
        response.headers["content-security-policy"] = policy(self.site, self.settings)
        return response


def with_query(query: Mapping[str, str | int | None]) -> str:
    """A query string with its `?`, of what is not None or empty; nothing if nothing is left."""
    kept = {name: value for name, value in query.items() if value not in (None, "")}
    return f"?{urlencode(kept)}" if kept else ""


def csrf_of(cookie: str) -> str:
    """What proves that a form was made for the browser that has this cookie."""
    return hashlib.sha256(f"csrf:{cookie}".encode()).hexdigest()


def sessions_of(request: Request) -> WebSessionService:
    """The sessions of this process's database."""
    state = request.app.state
    return WebSessionService(state.database.pool, state.sealer, state.tokens)


async def anyone(request: Request) -> View:
    """The view of a page that needs nobody to be signed in. ForeignForm for a form that is not ours."""
    settings: Settings = request.app.state.settings
    site = site_of(request.url.path)
    cookie = Cookies(request, site, settings).session
    session = None if cookie is None else await sessions_of(request).find(site.kind, cookie)
    form = FormData()
    if request.method not in _READING_METHODS:
        form = await request.form(max_files=0, max_fields=1000)
        _check_form(request, form, "" if session is None or cookie is None else cookie)
    return View(request, settings, session, form)


async def signed_in(view: Annotated[View, Depends(anyone)]) -> View:
    """The view of a page for who is signed in. NotSignedIn for others.

    NotFound for another application than the portal's own: the API would say so, but not every page asks it. In the
    dashboard each page of an application says whose it is; ApiError if there is none.
    """
    own, wanted = view.session.caller.application_id, view.request.path_params.get("app_id")
    if view.site.is_portal and wanted not in {None, own}:
        raise NotFound
    if wanted is not None and not view.site.is_portal and not view.is_htmx and view.may_read(_APPLICATION):
        view.application = await view.api.get(ApplicationOut, f"/app/{wanted}")
    return view


def _check_form(request: Request, form: FormData, cookie: str) -> None:
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise ForeignForm
    given = form.get(CSRF) or request.headers.get("x-csrf-token")
    # Who is not signed in has no rights that another site could use: there, where the form comes from is enough.
    if cookie and not (isinstance(given, str) and hmac.compare_digest(given.encode(), csrf_of(cookie).encode())):
        raise ForeignForm


AnyoneDep = Annotated[View, Depends(anyone)]
ViewDep = Annotated[View, Depends(signed_in)]
