"""The portal: a link opens it once, for one application, until its token ends."""

import base64
import html
import re
from typing import Final

import httpx
import orjson
import pytest
from fastapi import FastAPI
from playwright.async_api import Browser, Page, expect

from app.db.session import Database
from app.web.site import DASHBOARD, PORTAL
from tests import factories
from tests.web.conftest import tab
from tests.web.portals import Visitor, key_of, one_time_token_of, portal_link, visit

_HIDDEN: Final = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)">')


@pytest.fixture
async def application(client: httpx.AsyncClient) -> str:
    application_id: str = (await factories.create_application(client))["id"]
    return application_id


async def test_a_link_opens_the_portal_of_its_application(
    app: FastAPI, client: httpx.AsyncClient, application: str
) -> None:
    visitor = await visit(app, client, application)
    first = await visitor.get("/portal")
    assert (first.status_code, first.headers["location"]) == (303, f"/portal/app/{application}/endpoint")
    assert (await visitor.get(first.headers["location"])).status_code == 200


async def test_a_link_opens_the_portal_once(app: FastAPI, client: httpx.AsyncClient, application: str) -> None:
    link = await portal_link(client, application)
    assert (await Visitor(app).follow(link)).status_code == 303
    other = Visitor(app)
    answer = await other.follow(link)
    assert answer.status_code == 401
    assert "used before" in answer.text
    assert "set-cookie" not in answer.headers
    assert one_time_token_of(link) not in answer.text


async def test_who_previews_a_link_does_not_use_it_up(
    app: FastAPI, client: httpx.AsyncClient, application: str
) -> None:
    link, visitor = await portal_link(client, application), Visitor(app)
    for _ in range(2):
        assert (await visitor.get("/login")).status_code == 200
    assert (await visitor.http.head("/login")).status_code < 500
    assert (await visitor.get(f"/login?key={key_of(link)}")).status_code == 200
    assert (await visitor.follow(link)).status_code == 303


async def test_a_link_that_is_loaded_again_goes_on_where_it_was_opened(
    app: FastAPI, client: httpx.AsyncClient, application: str
) -> None:
    link, visitor = await portal_link(client, application), Visitor(app)
    await visitor.follow(link)
    again = await visitor.follow(link)
    assert (again.status_code, again.headers["location"]) == (303, "/portal")
    neighbour = (await factories.create_application(client, name="Neighbour"))["id"]
    used = await portal_link(client, neighbour)
    await Visitor(app).follow(used)
    assert (await visitor.follow(used, switch="on")).status_code == 401


async def test_the_link_of_another_application_ends_the_session_before(
    app: FastAPI, client: httpx.AsyncClient, application: str
) -> None:
    visitor = await visit(app, client, application)
    former = dict(visitor.http.cookies)
    neighbour = (await factories.create_application(client, name="Neighbour"))["id"]
    await visitor.follow(await portal_link(client, neighbour), switch="on")
    assert (await visitor.get(f"/portal/app/{application}/endpoint")).status_code == 404
    assert (await visitor.get(f"/portal/app/{neighbour}/endpoint")).status_code == 200
    visitor.http.cookies = httpx.Cookies(former)
    assert (await visitor.get("/portal")).headers["location"] == "/login"


async def test_a_link_that_somebody_sent_does_not_take_the_place_of_an_open_portal_unasked(
    app: FastAPI, client: httpx.AsyncClient, application: str
) -> None:
    visitor = await visit(app, client, application)
    neighbour = (await factories.create_application(client, name="Neighbour"))["id"]
    link = await portal_link(client, neighbour)
    asked = await visitor.follow(link, primaryColor="ff0000", theme="dark")
    assert (asked.status_code, "set-cookie" in asked.headers) == (200, False)
    assert "Open another portal?" in asked.text
    assert (await visitor.get(f"/portal/app/{application}/endpoint")).status_code == 200
    # Whoever wants it sends the form of that page.
    fields = {html.unescape(name): html.unescape(value) for name, value in _HIDDEN.findall(asked.text)}
    assert {"key", "primaryColor", "theme", "csrf"} < set(fields)
    assert (await visitor.post("/login", fields)).headers["location"] == "/portal"
    assert (await visitor.get(f"/portal/app/{neighbour}/endpoint")).status_code == 200


async def test_a_frame_shows_the_portal_that_its_page_wants(
    app: FastAPI, client: httpx.AsyncClient, application: str
) -> None:
    visitor = await visit(app, client, application)
    neighbour = (await factories.create_application(client, name="Neighbour"))["id"]
    visitor.http.headers["sec-fetch-dest"] = "iframe"
    assert (await visitor.follow(await portal_link(client, neighbour))).headers["location"] == "/portal"
    assert (await visitor.get(f"/portal/app/{neighbour}/endpoint")).status_code == 200


async def test_a_link_cannot_say_that_it_is_of_the_application_that_is_open(
    app: FastAPI, client: httpx.AsyncClient, application: str
) -> None:
    visitor = await visit(app, client, application)
    neighbour = (await factories.create_application(client, name="Neighbour"))["id"]
    content = {"appId": application, "oneTimeToken": one_time_token_of(await portal_link(client, neighbour))}
    forged = f"http://portal.test/login#key={base64.b64encode(orjson.dumps(content)).decode()}"
    assert (await visitor.follow(forged)).status_code == 400
    assert (await visitor.get(f"/portal/app/{application}/endpoint")).status_code == 200


@pytest.mark.parametrize("theme", ["dark\r\nx-injected: 1", "dark; Domain=example.com", "\u2603"])
async def test_what_is_no_theme_is_in_no_cookie(
    app: FastAPI, client: httpx.AsyncClient, application: str, theme: str
) -> None:
    answer = await Visitor(app).follow(await portal_link(client, application), theme=theme)
    (cookie,) = [one for one in answer.headers.get_list("set-cookie") if "theme" in one]
    assert cookie == "postrider_theme_portal=auto; Path=/; HttpOnly; Max-Age=31536000; SameSite=Lax"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "a",
        "%%%",
        "é",
        base64.b64encode(b"[]").decode(),
        base64.b64encode(b'{"appId": "app_1"}').decode(),
        base64.b64encode(b"\xff\xfe").decode(),
        base64.b64encode(orjson.dumps({"appId": "a", "oneTimeToken": "o" * 257})).decode(),
    ],
)
async def test_a_part_of_a_link_is_a_page_that_says_so(app: FastAPI, key: str) -> None:
    answer = await Visitor(app).http.post("/login", data={"key": key})
    assert answer.status_code == 400
    assert "This link is not complete" in answer.text


@pytest.mark.parametrize("token", ["ott_unknown", "nul\0", "\ud800".encode("utf-8", "surrogatepass").hex()])
async def test_a_key_that_nobody_made_is_as_one_that_was_used(app: FastAPI, token: str) -> None:
    key = base64.b64encode(orjson.dumps({"appId": "app_1", "oneTimeToken": token})).decode()
    assert (await Visitor(app).http.post("/login", data={"key": key})).status_code == 401


async def test_a_link_that_has_expired_opens_nothing(
    app: FastAPI, client: httpx.AsyncClient, application: str, database: Database
) -> None:
    link = await portal_link(client, application)
    await database.pool.execute(
        "UPDATE one_time_tokens SET expires_at = clock_timestamp() WHERE application_id = $1", application
    )
    answer = await Visitor(app).follow(link)
    assert answer.status_code == 401
    assert "expired" in answer.text


async def test_a_session_ends_with_all_tokens_of_its_application(
    app: FastAPI, client: httpx.AsyncClient, application: str
) -> None:
    visitor = await visit(app, client, application)
    assert (await client.post(f"/auth/app/{application}/expire-all", json={})).status_code == 204
    await app.state.token_watch.ask()
    assert (await visitor.get("/portal")).headers["location"] == "/login"


async def test_a_session_ends_with_its_own_token(app: FastAPI, client: httpx.AsyncClient, application: str) -> None:
    answer = (await client.post(f"/auth/app-portal-access/{application}", json={})).json()
    visitor = Visitor(app)
    await visitor.follow(answer["url"])
    async with factories.client_of(app, answer["token"]) as portal:
        assert (await portal.post("/auth/logout")).status_code == 204
    await app.state.token_watch.ask()
    ended = await visitor.get("/portal", **{"hx-request": "true"})
    assert (ended.status_code, ended.headers["hx-redirect"]) == (204, "/login")


async def test_who_signs_out_is_told_that_the_window_can_be_closed(
    app: FastAPI, client: httpx.AsyncClient, application: str
) -> None:
    visitor = await visit(app, client, application)
    cookies = dict(visitor.http.cookies)
    out = await visitor.post("/portal/sign-out")
    assert "can be closed" in (await visitor.get(out.headers["location"])).text
    visitor.http.cookies = httpx.Cookies(cookies)
    assert (await visitor.get("/portal")).headers["location"] == "/login"


async def test_a_link_in_the_form_of_another_site_signs_nobody_in(
    app: FastAPI, client: httpx.AsyncClient, application: str
) -> None:
    link, visitor = await portal_link(client, application), Visitor(app)
    refused = await visitor.http.post("/login", data={"key": key_of(link)}, headers={"sec-fetch-site": "cross-site"})
    assert refused.status_code == 403
    assert (await visitor.follow(link)).status_code == 303


async def test_portals_and_the_dashboard_have_sessions_of_their_own(
    app: FastAPI, client: httpx.AsyncClient, application: str, token: str
) -> None:
    visitor = await visit(app, client, application)
    visitor.http.cookies = httpx.Cookies({DASHBOARD.cookie: visitor.http.cookies[PORTAL.cookie]})
    assert (await visitor.get("/dashboard/event-type")).headers["location"].startswith(DASHBOARD.sign_in)
    operator = Visitor(app)
    assert (await operator.post(DASHBOARD.sign_in, {"token": token})).status_code == 303
    assert (await operator.get("/dashboard/event-type")).status_code == 200
    operator.http.cookies = httpx.Cookies({PORTAL.cookie: operator.http.cookies[DASHBOARD.cookie]})
    assert (await operator.get("/portal/event-type")).headers["location"] == PORTAL.sign_in


async def test_a_link_opens_the_portal_in_a_browser(page: Page, client: httpx.AsyncClient, application: str) -> None:
    link = await portal_link(client, application)
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    await page.goto(f"/login#key={key_of(link)}")
    await page.wait_for_url(f"**/portal/app/{application}/endpoint")
    assert not any(one_time_token_of(link) in url or "key=" in url for url in requested)
    await page.go_back()
    assert "key" not in page.url
    await page.goto(f"/login#key={key_of(link)}")
    await page.wait_for_url("**/portal/app/**")
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_text("This window can be closed")).to_be_visible()
    await page.goto(f"/login#key={key_of(link)}")
    await expect(page.get_by_role("heading")).to_have_text("This link was used before, or it has expired")


async def test_without_scripts_a_link_says_what_it_needs(
    browser: Browser, site_url: str, client: httpx.AsyncClient, application: str
) -> None:
    async with tab(browser, site_url, java_script_enabled=False) as page:
        await page.goto(f"/login#key={key_of(await portal_link(client, application))}")
        await expect(page.get_by_text("it needs JavaScript")).to_be_visible()
