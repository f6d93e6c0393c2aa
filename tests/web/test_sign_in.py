"""Signing in to the dashboard and out: cookies, links, and what nobody gets by them."""

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from ipaddress import ip_network

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from playwright.async_api import Browser, Page
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.auth.service import AuthService
from app.cli.commands import api_command
from app.db.session import Database
from app.sealing import Sealer
from app.settings import Settings
from app.web.cookies import Cookies
from app.web.site import DASHBOARD
from tests.api.people import PASSWORD, email, invitation_of, invite, person
from tests.web.browsing import browser_of, csrf_in, with_password
from tests.web.conftest import tab


@pytest.fixture
async def visitor(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with browser_of(app) as opened:
        yield opened


async def test_a_user_signs_in_and_out(client: httpx.AsyncClient, visitor: httpx.AsyncClient) -> None:
    ada = await person(client)
    answer = await with_password(visitor, ada)
    assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard")
    page = await visitor.get("/dashboard/account")
    assert page.status_code == 200
    assert ada.email in page.text
    assert page.headers["cache-control"] == "no-store"
    before = dict(visitor.cookies)
    signed_out = await visitor.post("/dashboard/sign-out", data={"csrf": csrf_in(page)})
    assert signed_out.headers["location"] == "/dashboard/sign-in"
    # The cookie is gone, and would be of no use.
    assert "postrider_dashboard" not in visitor.cookies
    visitor.cookies.update(before)
    again = await visitor.get("/dashboard/account")
    assert again.headers["location"].startswith("/dashboard/sign-in?next=")


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_session_is_in_a_cookie_that_no_script_and_no_other_site_gets(
    app: FastAPI, client: httpx.AsyncClient, scheme: str
) -> None:
    ada = await person(client)
    async with browser_of(app, f"{scheme}://postrider.test") as visitor:
        answer = await with_password(visitor, ada)
    (cookie,) = [one for one in answer.headers.get_list("set-cookie") if "postrider_dashboard" in one]
    name, _, rest = cookie.partition("=")
    flags = set(rest.split("; ")[1:])
    assert flags == {"Path=/", "HttpOnly", "SameSite=Lax"} | ({"Secure"} if scheme == "https" else set())
    assert name == ("__Host-postrider_dashboard" if scheme == "https" else "postrider_dashboard")


async def test_each_sign_in_is_a_session_of_its_own_and_ends_the_one_before(
    client: httpx.AsyncClient, visitor: httpx.AsyncClient
) -> None:
    ada, bob = await person(client), await person(client)
    visitor.cookies.set("postrider_dashboard", "chosen by somebody else", domain="postrider.test", path="/")
    assert (await with_password(visitor, ada)).status_code == 303
    first = visitor.cookies["postrider_dashboard"]
    assert first != "chosen by somebody else"
    page = await visitor.get("/dashboard/account")
    assert (await with_password(visitor, bob, csrf=csrf_in(page))).status_code == 303
    assert visitor.cookies["postrider_dashboard"] != first
    visitor.cookies.set("postrider_dashboard", first, domain="postrider.test", path="/")
    assert (await visitor.get("/dashboard/account")).status_code == 303


@pytest.mark.parametrize("column", ["seen_at", "expires_at"])
async def test_a_session_ends_when_it_is_idle_or_old(
    client: httpx.AsyncClient, visitor: httpx.AsyncClient, database: Database, column: str
) -> None:
    ada = await person(client)
    await with_password(visitor, ada)
    assert (await visitor.get("/dashboard/account")).status_code == 200
    span = timedelta(hours=24, minutes=1) if column == "seen_at" else timedelta(days=7)
    change = f"UPDATE web_sessions SET {column} = {column} - $1::interval WHERE user_id = $2"
    await database.pool.execute(change, span, ada.id)
    assert (await visitor.get("/dashboard/account")).status_code == 303


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example/dashboard",
        "/\\evil.example",
        "/dashboard\\@evil.example",
        "/dashboard/\nLocation: https://evil.example",
        "/dashboardx.evil.example",
        "javascript:alert(1)",
        "/api/v1/app",
    ],
)
async def test_nobody_is_led_elsewhere_after_signing_in(
    client: httpx.AsyncClient, visitor: httpx.AsyncClient, target: str
) -> None:
    ada = await person(client)
    page = await visitor.get("/dashboard/sign-in", params={"next": target})
    assert 'name="next" value=""' in page.text
    assert (await with_password(visitor, ada, next=target)).headers["location"] == "/dashboard"


async def test_who_wanted_a_page_gets_it_after_signing_in(
    client: httpx.AsyncClient, visitor: httpx.AsyncClient
) -> None:
    ada = await person(client)
    asked = await visitor.get("/dashboard/audit-log?operation=v1.app&x=<b>")
    page = await visitor.get(asked.headers["location"])
    wanted = "/dashboard/audit-log?operation=v1.app&x=%3Cb%3E"
    assert (await with_password(visitor, ada, next=wanted)).headers["location"] == wanted
    assert "<b>" not in page.text


async def test_the_page_does_not_tell_which_users_there_are(
    client: httpx.AsyncClient, visitor: httpx.AsyncClient
) -> None:
    ada, nobody = await person(client), email()
    texts = set()
    for name in (ada.email, nobody):
        answer = await visitor.post("/dashboard/sign-in/password", data={"email": name, "password": "wrong, it is"})
        assert answer.status_code == 401
        assert "wrong, it is" not in answer.text
        texts.add(answer.text.replace(name, ""))
    assert len(texts) == 1


async def test_a_form_of_another_site_signs_nobody_in(client: httpx.AsyncClient, visitor: httpx.AsyncClient) -> None:
    ada = await person(client)
    visitor.headers["sec-fetch-site"] = "cross-site"
    assert (await with_password(visitor, ada)).status_code == 403
    assert not visitor.cookies


async def test_a_portals_token_is_not_for_the_dashboard(
    client: httpx.AsyncClient, visitor: httpx.AsyncClient, application: str
) -> None:
    made = await client.post(f"/auth/app-portal-access/{application}", json={})
    answer = await visitor.post("/dashboard/sign-in", data={"token": made.json()["token"]})
    assert answer.status_code == 401
    assert "the portal" in answer.text


@pytest.fixture
async def application(client: httpx.AsyncClient) -> str:
    found: str = (await client.post("/app", json={"name": "Acme"})).json()["id"]
    return found


async def test_an_invitation_is_accepted_in_a_browser(page: Page, client: httpx.AsyncClient) -> None:
    made = await invite(client, "editor")
    await page.goto(f"/dashboard/invitation#{invitation_of(made)}")
    assert not await page.get_by_label("Invitation").is_visible()
    assert "#" not in page.url
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_label("The same again").fill("something else entirely")
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_text("These are not the same").wait_for()
    assert not await page.get_by_label("Invitation").is_visible()
    await page.get_by_label("Password").fill("short")
    await page.get_by_label("The same again").fill("short")
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_text("It should have at least 12 characters.").wait_for()
    assert not await page.get_by_label("Invitation").is_visible()
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_label("The same again").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/dashboard")
    await page.goto("/dashboard/account")
    assert await page.get_by_text(made["user"]["email"]).first.is_visible()
    assert await page.get_by_role("link", name="Users").count() == 0


@pytest.mark.parametrize(("trusted", "secure"), [(["127.0.0.0/8"], True), (["10.0.0.0/8"], False), ([], False)])
async def test_only_a_trusted_proxy_is_believed_about_tls(settings: Settings, trusted: list[str], secure: bool) -> None:
    words = api_command("127.0.0.1", 8071, [ip_network(one) for one in trusted])
    config = uvicorn.Config(
        partial(told, settings),
        proxy_headers="--proxy-headers" in words,
        forwarded_allow_ips=words[words.index("--forwarded-allow-ips") + 1] if trusted else None,
        interface="asgi3",
        log_config=None,
    )
    config.load()
    app: ASGIApp = config.loaded_app
    headers = {"x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.7"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app, client=("127.0.0.1", 1))) as proxy:
        cookie = (await proxy.get("http://postrider.test/dashboard", headers=headers)).headers["set-cookie"]
    assert ("; Secure" in cookie, cookie.startswith("__Host-")) == (secure, secure)
    assert ("192.0.2.7" in cookie) is secure


async def test_the_link_of_the_command_line_signs_in_once(
    page: Page, browser: Browser, site_url: str, database: Database, settings: Settings, organization_id: str
) -> None:
    async with database.transaction() as session:
        access = AuthService(session, settings, Sealer(settings.main_secrets))
        url = await access.dashboard_access(organization_id, "cli-ada", site_url)
    await page.goto(url)
    await page.wait_for_url("**/dashboard")
    assert await page.get_by_role("link", name="Users").is_visible()
    # Who follows it again where they are signed in already is not bothered.
    await page.goto(url)
    await page.wait_for_url("**/dashboard")
    async with tab(browser, site_url) as other:
        await other.goto(url)
        await other.get_by_text("used before, or it has expired").wait_for()
        assert "key=" not in other.url


async def told(settings: Settings, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with a session's cookie that says who asks, as far as is believed."""
    request, response = Request(scope), Response()
    host = request.client.host if request.client else ""
    Cookies(request, DASHBOARD, settings).begin_session(response, host)
    await response(scope, receive, send)
