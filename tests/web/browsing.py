"""A browser without scripts, for tests of what pages answer."""

import re

import httpx
from fastapi import FastAPI

from tests.api.people import PASSWORD, Person

ROOT = "http://postrider.test"


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
