"""A real browser that opens every page of a site, as whoever is signed in there."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import httpx
from playwright.async_api import Browser, BrowserContext, Error, Page, Request

from app.web.site import DASHBOARD, Site
from tests.web.conftest import sign_in
from tests.web.inventory import Inventory
from tests.web.portals import portal_link

_TABS: Final = 4
# What a page says about a resource that is refused by its policy.
_LISTEN: Final = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`);
});
"""

Look = Callable[[Page, str], Awaitable[list[str]]]
"""What is wrong with a page that is open at a path."""


@asynccontextmanager
async def signed_in(
    browser: Browser, site_url: str, site: Site, inventory: Inventory
) -> AsyncIterator[tuple[BrowserContext, list[str]]]:
    """A browser profile that is signed in to a site, and what went wrong in it: dialogs, errors, requests elsewhere."""
    context = await browser.new_context(base_url=site_url)
    context.set_default_timeout(60_000)
    await context.add_init_script(_LISTEN)
    wrong: list[str] = []
    page = await context.new_page()
    if site is DASHBOARD:
        await sign_in(page, inventory.token)
    else:
        headers = {"authorization": f"Bearer {inventory.token}"}
        async with httpx.AsyncClient(base_url=f"{site_url}/api/v1", headers=headers, timeout=60) as client:
            await page.goto(await portal_link(client, inventory.application))
        await page.wait_for_url(f"**{site.prefix}/app/**")
    await page.close()
    _listen(context, site_url, wrong)
    yield context, wrong
    await context.close()


async def walk(browser: Browser, site_url: str, site: Site, inventory: Inventory, look: Look) -> dict[str, list[str]]:
    """What `look` finds wrong, by page; some pages are open at a time."""
    found: dict[str, list[str]] = {}
    left = inventory.pages(site.prefix)
    async with signed_in(browser, site_url, site, inventory) as (context, wrong):

        async def go_on() -> None:
            page = await context.new_page()
            while left:
                path = left.pop()
                if not await _open(page, path):
                    continue
                found[path] = await look(page, path)

        await asyncio.gather(*(go_on() for _ in range(_TABS)))
    assert len(found) > 3
    return {path: what for path, what in {**found, "anywhere": wrong}.items() if what}


def _listen(context: BrowserContext, site_url: str, wrong: list[str]) -> None:
    def on_request(request: Request) -> None:
        if not request.url.startswith((site_url, "data:", "blob:")):
            wrong.append(f"asked for {request.url}")

    context.on("request", on_request)
    context.on("weberror", lambda error: wrong.append(f"{error.page and error.page.url}: {error.error}"))
    context.on("dialog", lambda dialog: wrong.append(f"a dialog: {dialog.message}"))


async def _open(page: Page, path: str) -> bool:
    """Whether it is a page, and not a download, a style, or a way to another page."""
    try:
        answer = await page.goto(path)
    except Error as error:
        if "Download is starting" in error.message:
            return False
        raise
    return answer is not None and answer.headers.get("content-type", "").startswith("text/html")
