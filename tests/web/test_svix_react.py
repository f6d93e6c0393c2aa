"""The official React package in a page of somebody else: its portal component, and its hooks."""

import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import httpx
import orjson
import pytest
from playwright.async_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from app.http_direct import DirectProtocol
from app.main import create_app
from app.settings import Settings
from tests import factories
from tests.api.live_server import serve
from tests.web.conftest import tab

FOLDER: Final = Path(__file__).with_name("svix_react")
_PAGE: Final = """<!DOCTYPE html><html lang="en"><head><title>Acme</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="/made/page.css"></head><body><main id="root"></main>
<script type="application/json" id="access">{}</script><script src="/made/page.js"></script></body></html>"""

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node on this machine"),
    pytest.mark.skipif((FOLDER / ".not-installed").exists(), reason="npm reaches no packages here"),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the page's script and style, made of the packages as anybody does."""
    esbuild = FOLDER / "node_modules" / ".bin" / "esbuild"
    assert esbuild.exists(), "the packages are not installed: run `make install`"
    folder = tmp_path_factory.mktemp("made")
    options = ("--bundle", "--minify", "--log-level=warning", "--define:process.env.NODE_ENV='production'")
    subprocess.run([esbuild, "page.jsx", f"--outdir={folder}", *options], cwd=FOLDER, check=True, timeout=30)
    return folder


@pytest.fixture(scope="module")
def customer_url(made: Path) -> Iterator[str]:
    """Where the page is: another site than 127.0.0.1, where Postrider is. `?access=` is what it knows of a portal."""

    async def page(request: Request) -> HTMLResponse:
        return HTMLResponse(_PAGE.format(request.query_params["access"].replace("<", "\\u003c")))

    site = Starlette(routes=[Route("/", page), Mount("/made", StaticFiles(directory=made))])
    with serve(site, DirectProtocol) as port:
        yield f"http://localhost:{port}"


@pytest.fixture(scope="module")
def server_url(settings: Settings, customer_url: str) -> Iterator[str]:
    """A Postrider that this page may show."""
    with serve(
        create_app(settings.model_copy(update={"portal_origins": (customer_url,)})), DirectProtocol, lifespan="on"
    ) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
async def customer(browser: Browser, customer_url: str) -> AsyncIterator[Page]:
    async with tab(browser, customer_url) as page:
        yield page


async def test_its_portal_is_shown_and_its_hooks_know_what_is_done_there(
    customer: Page, client: httpx.AsyncClient, server_url: str
) -> None:
    application = (await factories.create_application(client))["id"]
    await factories.create_event_type(client, "invoice.paid")
    access = (await client.post(f"/auth/app-portal-access/{application}", json={})).json()
    link = f"{server_url}/login#{access['url'].split('#')[1]}"
    known = {"url": link, "token": access["token"], "appId": application, "serverUrl": server_url}
    await customer.goto(f"/?{httpx.QueryParams({'access': orjson.dumps(known).decode()})}")
    portal = customer.frame_locator("iframe")
    await expect(portal.get_by_role("heading", level=1)).to_have_text("Endpoints")
    await expect(portal.locator("html")).to_have_attribute("data-theme", "dark")
    await expect(customer.get_by_role("list", name="Event types")).to_have_text("invoice.paid")

    # In the portal, which then is in what the hook has loaded again.
    await portal.get_by_role("link", name="New endpoint").first.click()
    await portal.get_by_label("URL").fill("http://127.0.0.1:1024/made-in-the-portal")
    await portal.get_by_role("button", name="Create").click()
    await expect(portal.get_by_text("made-in-the-portal").first).to_be_visible()
    await customer.get_by_role("button", name="Load again").click()
    endpoints = customer.get_by_role("list", name="Endpoints")
    await expect(endpoints).to_have_text("http://127.0.0.1:1024/made-in-the-portal")

    # By a hook, which then is in the portal.
    await customer.get_by_label("Address").fill("http://127.0.0.1:1024/made-by-a-hook")
    await customer.get_by_role("button", name="Create", exact=True).click()
    await expect(endpoints).to_contain_text("made-by-a-hook")
    await expect(customer.get_by_role("alert")).to_have_text("")
    await portal.get_by_role("link", name="Endpoints").first.click()
    await expect(portal.get_by_text("made-by-a-hook").first).to_be_visible()

    # The component makes its frame as high as the portal says.
    height = await portal.locator("body").evaluate("(body) => Math.ceil(body.getBoundingClientRect().height)")
    await expect(customer.locator("iframe")).to_have_css("height", f"{height}px")
    assert len((await client.get(f"/app/{application}/endpoint")).json()["data"]) == 2
