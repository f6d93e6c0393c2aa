"""The portal in a frame: of the origins of the settings only, with a session there, and as high as it is."""

from collections.abc import AsyncIterator, Iterator
from typing import Final
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI
from playwright.async_api import Browser, Frame, Page
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.types import Receive, Scope, Send

from app.http_direct import DirectProtocol
from app.main import create_app
from app.settings import Settings
from tests import factories
from tests.api.live_server import serve
from tests.web.conftest import tab
from tests.web.portals import Visitor, key_of, portal_link

_PAGE: Final = """<!DOCTYPE html><title>A page of somebody else</title>
<iframe width="800" height="300" src="{}"></iframe>
<script>var heard = []; onmessage = (event) => heard.push([event.origin, event.data]);</script>"""


async def host(scope: Scope, receive: Receive, send: Send) -> None:
    """A site that shows in a frame what the query of its address says."""
    wanted = Request(scope).query_params.get("show", "")
    await HTMLResponse(_PAGE.format(wanted.replace('"', "&quot;")))(scope, receive, send)


@pytest.fixture(scope="module")
def host_url() -> Iterator[str]:
    """Where the other site is. For browsers localhost is another site than 127.0.0.1, where Postrider is."""
    with serve(host, DirectProtocol) as port:
        yield f"http://localhost:{port}"


@pytest.fixture(scope="module")
def framed_url(settings: Settings, host_url: str) -> Iterator[str]:
    """A Postrider whose portal the other site may show."""
    allowing = settings.model_copy(update={"portal_origins": ("https://*.example.com", host_url)})
    with serve(create_app(allowing), DirectProtocol, lifespan="on") as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
async def application(client: httpx.AsyncClient) -> str:
    application_id: str = (await factories.create_application(client))["id"]
    return application_id


@pytest.fixture
async def outside(browser: Browser, host_url: str) -> AsyncIterator[Page]:
    """A tab with the other site."""
    async with tab(browser, host_url) as page:
        yield page


async def show(outside: Page, link: str) -> Frame:
    """Have the other site show it; gives the frame."""
    await outside.goto("/")
    await outside.evaluate("(link) => { document.querySelector('iframe').src = link }", link)
    return outside.frames[1]


async def test_an_allowed_site_shows_the_portal_and_its_session_works_there(
    outside: Page, client: httpx.AsyncClient, application: str, framed_url: str
) -> None:
    key = key_of(await portal_link(client, application))
    frame = await show(outside, f"{framed_url}/login?primaryColor=ffdd00&darkMode=true#key={key}")
    await frame.wait_for_url(f"{framed_url}/portal/app/{application}/endpoint")
    await frame.get_by_role("link", name="Event types").click()
    await frame.wait_for_url("**/portal/event-type")
    assert await frame.locator("html").get_attribute("data-theme") == "dark"
    # A form: its cookie is sent from within the frame, too.
    await frame.get_by_role("button", name="Theme: dark").click()
    await frame.locator("html[data-theme=light]").wait_for()
    (cookie,) = [one for one in await outside.context.cookies(framed_url) if one["name"] == "postrider_portal"]
    assert (cookie["sameSite"], cookie["secure"], cookie["httpOnly"]) == ("None", True, True)
    heights = await outside.evaluate("heard")
    assert {origin for origin, _ in heights} == {framed_url}
    height = heights[-1][1]["payload"]["height"]
    assert heights[-1][1]["type"] == "svix.iframe-resizer-height"
    assert height == await frame.evaluate("Math.ceil(document.body.getBoundingClientRect().height)")
    # Each site that shows it has its own cookies of it.
    await outside.goto(f"{framed_url}/portal")
    await outside.wait_for_url("**/login")


async def test_a_page_that_is_as_high_as_it_says_has_nothing_to_scroll(
    outside: Page, client: httpx.AsyncClient, application: str, framed_url: str
) -> None:
    key = key_of(await portal_link(client, application))
    frame = await show(outside, f"{framed_url}/login#key={key}")
    await frame.wait_for_url("**/portal/app/**")
    fit = "() => { document.querySelector('iframe').style.height = heard.at(-1)[1].payload.height + 'px' }"
    for path in ("/event-type", "/nothing-here"):
        await outside.evaluate("() => { heard = [] }")
        await frame.goto(f"{framed_url}/portal{path}")
        await outside.wait_for_function("heard.length > 0")
        # A frame that is too high says so as well.
        await outside.evaluate("() => { document.querySelector('iframe').style.height = '3000px' }")
        await outside.evaluate(fit)
        await frame.wait_for_timeout(50)
        await outside.evaluate(fit)
        assert await frame.evaluate("document.documentElement.scrollHeight <= innerHeight + 2"), path
        assert await outside.evaluate("heard.at(-1)[1].payload.height") < 2000


async def test_without_the_setting_no_site_shows_the_portal(
    browser: Browser, client: httpx.AsyncClient, application: str, host_url: str, site_url: str
) -> None:
    link = f"{site_url}/login#key={key_of(await portal_link(client, application))}"
    context = await browser.new_context(base_url=host_url)
    page = await context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    frame = await show(page, link)
    await page.wait_for_timeout(300)
    assert any("frame-ancestors 'none'" in text for text in said), said
    assert not frame.url.startswith(site_url)
    assert await context.cookies(site_url) == []
    await context.close()


async def test_the_dashboard_is_shown_by_no_site(
    app: FastAPI, client: httpx.AsyncClient, application: str, settings: Settings
) -> None:
    allowing = settings.model_copy(update={"portal_origins": ("https://app.example.com",)})
    framed = create_app(allowing)
    async with framed.router.lifespan_context(framed):
        visitor = Visitor(framed)
        for path, ancestors in (("/dashboard/sign-in", "'none'"), ("/login", "https://app.example.com")):
            answer = await visitor.get(path)
            assert f"frame-ancestors {ancestors}" in answer.headers["content-security-policy"]
        link = await portal_link(client, application)
        # What does not trust the connection with a Secure cookie would not keep it.
        plain = await visitor.follow(link)
        assert "secure" not in plain.headers["set-cookie"].lower()
        assert "samesite=lax" in plain.headers["set-cookie"].lower()
        other = Visitor(framed)
        trusting = await other.http.post(
            "/login",
            data={"key": key_of(await portal_link(client, application))},
            headers={"sec-fetch-site": "same-origin"},
        )
        for part in ("Secure", "SameSite=None", "Partitioned", "HttpOnly"):
            assert part in trusting.headers["set-cookie"]
    assert urlsplit(link).path == "/login"
