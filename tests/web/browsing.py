"""A browser without scripts, for tests of what pages answer."""

import html
import re
from collections.abc import Mapping
from typing import Final

import httpx
from fastapi import FastAPI

from app.web.site import DASHBOARD
from app.web.view import csrf_of
from tests.api.people import PASSWORD, Person

ROOT = "http://postrider.test"
_TAGS: Final = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL)
_SPACES: Final = re.compile(r"\s+")
Fields = Mapping[str, str | list[str]]


class Operator:
    """Somebody who is signed in to the dashboard, and follows no redirect by itself. Paths are those below it."""

    def __init__(self, app: FastAPI) -> None:
        self.http = browser_of(app)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.http.get(f"{DASHBOARD.prefix}{path}", headers=headers)

    async def page(self, path: str) -> str:
        """What a page says, as people read it."""
        answer = await self.get(path)
        assert answer.status_code == 200, (answer.status_code, answer.headers, read(answer))
        return read(answer)

    async def post(self, path: str, fields: Fields | None = None) -> httpx.Response:
        """Send a form of one of its own pages."""
        csrf = csrf_of(self.http.cookies.get(DASHBOARD.cookie) or "")
        return await self.http.post(f"{DASHBOARD.prefix}{path}", data={"csrf": csrf, **(fields or {})})

    async def done(self, path: str, fields: Fields | None = None) -> str:
        """Send a form that is taken: the path to which it leads, below the dashboard."""
        answer = await self.post(path, fields)
        assert answer.status_code == 303, (answer.status_code, read(answer))
        return answer.headers["location"].removeprefix(DASHBOARD.prefix)


async def signed_in(app: FastAPI, token: str) -> Operator:
    """Who has this token of the API, in the dashboard."""
    operator = Operator(app)
    answer = await operator.http.post(DASHBOARD.sign_in, data={"token": token})
    assert (answer.status_code, answer.headers.get("location")) == (303, DASHBOARD.prefix), answer.text
    return operator


def read(answer: httpx.Response) -> str:
    """The text of a page, without its elements."""
    return _SPACES.sub(" ", html.unescape(_TAGS.sub(" ", answer.text)))


def browser_of(app: FastAPI, root: str = ROOT) -> httpx.AsyncClient:
    """It keeps cookies, and follows nothing by itself."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=root)


async def with_password(visitor: httpx.AsyncClient, who: Person, **fields: str) -> httpx.Response:
    """What is answered to the form of the sign-in page."""
    form = {"email": who.email, "password": PASSWORD, **fields}
    return await visitor.post("/dashboard/sign-in/password", data=form)


def csrf_in(page: httpx.Response) -> str:
    """What the forms of a page prove themselves with."""
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)
    assert found is not None, page.text
    return found[1]
