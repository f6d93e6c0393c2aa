"""The cookies of pages: whose session it is, what is to be said once, and how pages look. None is for scripts."""

from typing import Final
from urllib.parse import quote, unquote

from fastapi import Request
from starlette.responses import Response

from app.settings import Settings
from app.web.site import Site

THEMES: Final = ("auto", "light", "dark")
_THEME: Final = "postrider_theme"
_SAID: Final = "postrider_said"
_PENDING: Final = "postrider_pending"
_LONGEST_SAID: Final = 1000
_YEAR: Final = 365 * 86400


class Cookies:
    """Reads the cookies of a request and sets those of its response.

    Behind TLS names begin with `__Host-` (RFC 6265bis §4.1.3.2), so that no neighbouring host can set them. A portal
    that may be framed by other sites has cookies that are sent there, and each of these sites has its own (CHIPS).
    """

    def __init__(self, request: Request, site: Site, settings: Settings) -> None:
        self._request = request
        self._secure = request.url.scheme == "https"
        # Browsers say where a request comes from to whom they trust with Secure cookies: TLS, and loopback without.
        trusted = self._secure or "sec-fetch-site" in request.headers
        self._framed = site.is_portal and bool(settings.portal_origins) and trusted
        self._theme = f"{_THEME}_portal" if site.is_portal else _THEME
        self._session = self._name(site.cookie)

    @property
    def session(self) -> str | None:
        """The text of the session's cookie."""
        return self._request.cookies.get(self._session)

    @property
    def theme(self) -> str:
        """auto, light or dark."""
        wanted = self._request.cookies.get(self._theme, THEMES[0])
        return wanted if wanted in THEMES else THEMES[0]

    @property
    def said(self) -> str | None:
        """What the page before wanted to be said; `forget_said` when it was."""
        said = self._request.cookies.get(self._name(_SAID))
        return None if said is None else unquote(said)

    def begin_session(self, response: Response, text: str) -> None:
        self._set(response, self._session, text, None)

    def end_session(self, response: Response) -> None:
        self._set(response, self._session, "", 0)

    def say(self, response: Response, text: str) -> None:
        """Have the next page say it."""
        self._set(response, self._name(_SAID), quote(text[:_LONGEST_SAID]), 60)

    def forget_said(self, response: Response) -> None:
        self._set(response, self._name(_SAID), "", 0)

    @property
    def pending(self) -> str | None:
        """The sign-in elsewhere that this browser has begun."""
        return self._request.cookies.get(self._name(_PENDING))

    def keep_pending(self, response: Response, text: str) -> None:
        self._set(response, self._name(_PENDING), text, 600)

    def forget_pending(self, response: Response) -> None:
        self._set(response, self._name(_PENDING), "", 0)

    def set_theme(self, response: Response, theme: str) -> None:
        """Remember it; what is none of THEMES is the first of them."""
        self._set(response, self._theme, theme if theme in THEMES else THEMES[0], _YEAR)

    def _name(self, name: str) -> str:
        return f"__Host-{name}" if self._secure else name

    def _set(self, response: Response, name: str, value: str, seconds: int | None) -> None:
        """Written by hand, because Python's own cookies know Partitioned from 3.14 on only. Values need no quoting."""
        parts = [f"{name}={value}", "Path=/", "HttpOnly"]
        if seconds is not None:
            parts.append(f"Max-Age={seconds}")
        if self._framed:
            parts += ["Secure", "SameSite=None", "Partitioned"]
        else:
            parts += [*(["Secure"] if self._secure else []), "SameSite=Lax"]
        response.headers.append("set-cookie", "; ".join(parts))
