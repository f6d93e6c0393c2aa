"""Every page of both sites, as it is sent."""

from dataclasses import dataclass
from time import perf_counter

import httpx
from fastapi import FastAPI

from app.web.site import DASHBOARD, PORTAL
from tests import factories
from tests.web.inventory import Inventory
from tests.web.portals import ADDRESS, visit
from tests.web.reading import Document, read


@dataclass(frozen=True)
class Seen:
    """An answer to a browser that asked for a page, and how long it took (seconds)."""

    page: str
    answer: httpx.Response
    bytes: int
    seconds: float

    @property
    def is_html(self) -> bool:
        return str(self.answer.headers.get("content-type", "")).startswith("text/html")

    @property
    def document(self) -> Document:
        return read(self.answer.text)


async def see_all(app: FastAPI, inventory: Inventory) -> list[Seen]:
    """Every page of both sites, of who is signed in there."""
    async with factories.client_of(app, inventory.token) as client:
        portal = (await visit(app, client, inventory.application)).http
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ADDRESS) as dashboard:
        asked = await dashboard.post("/dashboard/sign-in", data={"token": inventory.token})
        assert asked.status_code == 303, asked.text
        seen = [
            await see(client, page)
            for client, prefix in ((dashboard, DASHBOARD.prefix), (portal, PORTAL.prefix))
            for page in inventory.pages(prefix)
        ]
    await portal.aclose()
    return seen


async def see(client: httpx.AsyncClient, page: str) -> Seen:
    """What a browser is sent that asks for one of them."""
    started = perf_counter()
    answer = await client.get(page, headers={"accept-encoding": "gzip"})
    return Seen(page, answer, answer.num_bytes_downloaded, perf_counter() - started)
