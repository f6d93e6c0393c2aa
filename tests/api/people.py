"""Users of a test's organization, made and signed in over the API."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import httpx
from fastapi import FastAPI

from tests import factories
from tests.factories import Json

PASSWORD = "correct horse battery staple"
SIGN_IN = "/auth/sign-in"


@dataclass
class Person:
    """A user who has a password, and the token that they got for it."""

    id: str
    email: str
    token: str

    def client(self, app: FastAPI) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        return factories.client_of(app, self.token)


def email() -> str:
    """One that no other test uses."""
    return f"{factories.unique('ada').lower()}@example.com"


async def invite(client: httpx.AsyncClient, role: str = "admin", **fields: object) -> Json:
    """A new user who has no password yet, as the API answers it."""
    answer = await client.post("/user", json={"email": email(), "role": role, **fields})
    assert answer.status_code == 200, answer.text
    made: Json = answer.json()
    return made


def invitation_of(made: Json) -> str:
    """What stands in an invitation's link."""
    text: str = made["url"].partition("#")[2]
    return text


async def person(client: httpx.AsyncClient, role: str = "admin") -> Person:
    """A new user who has chosen PASSWORD."""
    made = await invite(client, role)
    answer = await client.post(f"{SIGN_IN}/invitation", json={"invitation": invitation_of(made), "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return Person(made["user"]["id"], made["user"]["email"], answer.json()["token"])


async def sign_in(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> httpx.Response:
    """What is answered to an email and a password."""
    return await client.post(SIGN_IN, json={"email": email, "password": password})
