"""Portals as their users have them: opened by a link, in a browser of their own."""

import base64
import html
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import orjson
from fastapi import FastAPI

from app.web.site import PORTAL
from app.web.view import csrf_of
from tests.api.tenants import Tenant

ADDRESS: Final = "http://portal.test"
_PARAMETER: Final = re.compile(r"{(\w+)}")
_FORM: Final = re.compile(r'<form\b[^>]*\bmethod="post"[^>]*\baction="([^"]+)"[^>]*>(.*?)</form>', re.DOTALL)
_BUTTON: Final = re.compile(r'<button\b(?![^>]*type="button")[^>]*>')
_FORM_ACTION: Final = re.compile(r'formaction="([^"]+)"')


async def portal_link(client: httpx.AsyncClient, application: str, **wanted: Any) -> str:
    """A link to the portal of an application; `wanted` is what the API takes of it."""
    answer = await client.post(f"/auth/app-portal-access/{application}", json=wanted)
    assert answer.status_code == 200, answer.text
    url: str = answer.json()["url"]
    return url


def key_of(link: str) -> str:
    """What stands behind the `#key=` of a link."""
    return urlsplit(link).fragment.removeprefix("key=")


def one_time_token_of(link: str) -> str:
    found: str = orjson.loads(base64.b64decode(key_of(link)))["oneTimeToken"]
    return found


class Visitor:
    """A browser without scripts, in this process, that follows no redirect by itself."""

    def __init__(self, app: FastAPI) -> None:
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ADDRESS)

    @property
    def csrf(self) -> str:
        """What the forms of its session carry."""
        return csrf_of(self.http.cookies.get(PORTAL.cookie) or "")

    async def follow(self, link: str, **given: str) -> httpx.Response:
        """Do what the script of /login does with a link."""
        return await self.http.post("/login", data={"key": key_of(link), "csrf": self.csrf, **given})

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.http.get(path, headers=headers)

    async def post(self, path: str, fields: dict[str, str] | None = None, **headers: str) -> httpx.Response:
        """Send a form of its own pages."""
        return await self.http.post(path, data={"csrf": self.csrf, **(fields or {})}, headers=headers)


async def visit(app: FastAPI, client: httpx.AsyncClient, application: str, **wanted: Any) -> Visitor:
    """A browser that is signed in to the portal of an application."""
    visitor = Visitor(app)
    answer = await visitor.follow(await portal_link(client, application, **wanted))
    assert (answer.status_code, answer.headers["location"]) == (303, "/portal"), answer.text
    return visitor


def forms_in(page: str) -> set[str]:
    """The paths to which the buttons in the forms of a page send them."""
    found = set()
    for action, content in _FORM.findall(page):
        buttons = _BUTTON.findall(content)
        found |= {(given[0] if (given := _FORM_ACTION.findall(button)) else action) for button in buttons}
    return {urlsplit(html.unescape(action)).path for action in found}


def names_in(tenant: Tenant, customer: int) -> dict[str, str]:
    """What stands for the parameters of the portal's paths, of one application of an organization."""
    return {**tenant.customers[customer].ids, "name": tenant.ids["event_type_name"]}


def filled(template: str, names: Mapping[str, str]) -> str:
    """A path of the portal, with names. Fails the test for a parameter of which nobody has said what it is."""
    missing = [name for name in parameters_of(template) if name not in names]
    assert not missing, f"{template}: {missing} stand for what? Add them to names_in() of tests/web/portals.py."
    return template.format_map(names)


def parameters_of(template: str) -> list[str]:
    return _PARAMETER.findall(template)
