"""A real browser, and a server that it can reach, with the worker of the tests behind it."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Final

import httpx
import pytest
from fastapi import FastAPI
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from app import ids, tokens
from app.http_direct import DirectProtocol
from app.main import create_app
from app.settings import Settings
from tests import factories
from tests.api.live_server import serve
from tests.receiver import Receiver, receiving
from tests.web.inventory import Inventory, take_stock
from tests.web.seeing import Seen, see_all
from tests.worker.conftest import delivering
from worker.runtime import Runtime

# Nothing beyond this machine is reached, whatever a page or the browser itself would like to load.
_FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
)
_MISSING: Final = "there is no browser: `apt-get install chromium` (or Chrome, of which CHROMIUM names the program)"


_QUICKLY: Final = {"retry_schedule": (0, 1), "worker_request_timeout": 2.0}


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium, without a window. Without one its tests are left out; where REQUIRE_BROWSER is set they fail."""
    program = chromium()
    if program is None:
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail(_MISSING)
        pytest.skip(_MISSING)
    async with launched(program) as opened:
        yield opened


def chromium() -> str | None:
    """The browser's program; None where there is none."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


@asynccontextmanager
async def launched(program: str) -> AsyncIterator[Browser]:
    """A browser without a window, until the end of the block."""
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=program, args=list(_FLAGS))
        yield opened
        await opened.close()


@pytest.fixture(scope="session")
def site_url(settings: Settings) -> Iterator[str]:
    """A running API server on the tests' database, as `http://127.0.0.1:1234`."""
    with serve(create_app(settings), DirectProtocol, lifespan="on") as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def worker(settings: Settings) -> Iterator[Runtime]:
    """Delivers what is due in the tests' database, with quick retries; to no other module's tests."""
    with delivering(settings.model_copy(update=_QUICKLY)) as runtime:
        yield runtime


@pytest.fixture(scope="session")
async def inventory(app: FastAPI, settings: Settings) -> AsyncIterator[Inventory]:
    """An organization of which every page has something to show, and nothing of it is harmless."""
    assert settings.jwt_secret is not None
    organization_id = ids.new_id("org")
    token = tokens.issue(settings.jwt_secret.get_secret_value(), settings.jwt_algorithm, organization_id)
    headers = {"authorization": f"Bearer {token}"}
    transport = httpx.ASGITransport(app)
    async with (
        receiving() as receiver,
        httpx.AsyncClient(transport=transport, base_url=factories.API, headers=headers) as client,
    ):
        with delivering(settings.model_copy(update=_QUICKLY)) as runtime:
            inventory = await take_stock(client, token, organization_id, receiver, runtime)
        yield inventory


@pytest.fixture(scope="session")
async def seen(app: FastAPI, inventory: Inventory) -> list[Seen]:
    """Every page of both sites."""
    return await see_all(app, inventory)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


@asynccontextmanager
async def tab(browser: Browser, site_url: str, **options: object) -> AsyncIterator[Page]:
    """A new browser profile with one page. AssertionError, at the end, for what the page's console complained of."""
    context: BrowserContext = await browser.new_context(base_url=site_url, **options)  # type: ignore[arg-type]
    context.set_default_timeout(10_000)
    complaints: list[str] = []
    context.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    page = await context.new_page()
    yield page
    await context.close()
    # A status that is no success is complained of, too; what pages answer is the tests' to say.
    assert [text for text in complaints if "the server responded with a status of" not in text] == []


async def sign_in(page: Page, token: str) -> None:
    """Sign in to the dashboard with a token of the API."""
    await page.goto("/dashboard/sign-in")
    await page.get_by_text("With an API token").click()
    await page.get_by_label("API token").fill(token)
    await page.get_by_role("button", name="Sign in with the token").click()
    await page.wait_for_url("**/dashboard")


@pytest.fixture
async def page(browser: Browser, site_url: str) -> AsyncIterator[Page]:
    """A page of a browser that nobody has used."""
    async with tab(browser, site_url) as opened:
        yield opened


@pytest.fixture
async def dashboard(page: Page, token: str) -> Page:
    """A page that is signed in to the dashboard of `organization_id`."""
    await sign_in(page, token)
    return page
