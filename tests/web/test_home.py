"""The first page of the dashboard, with its charts, and the page of the system."""

import re
from datetime import timedelta

import httpx
import pytest
from axe_playwright_python.async_playwright import Axe
from fastapi import FastAPI
from playwright.async_api import Page, expect

from app import clock, ids, tokens
from app.db.session import Database
from app.settings import Settings
from tests import factories
from tests.web.browsing import Operator, read, signed_in


@pytest.fixture
async def operator(app: FastAPI, token: str) -> Operator:
    return await signed_in(app, token)


@pytest.fixture
async def of_installation(app: FastAPI, settings: Settings) -> Operator:
    """Somebody of the first organization."""
    assert settings.jwt_secret is not None
    secret, algorithm = settings.jwt_secret.get_secret_value(), settings.jwt_algorithm
    return await signed_in(app, tokens.issue(secret, algorithm, ids.DEFAULT_ORGANIZATION_ID))


async def busy(client: httpx.AsyncClient, database: Database, url: str = factories.URL) -> tuple[str, str]:
    """An application and its endpoint, which answered 200 four times and 503 once within the last seconds."""
    application = (await factories.create_application(client, name="Acme & Söhne"))["id"]
    endpoint = (await factories.create_endpoint(client, application, url))["id"]
    for place, code in enumerate((200, 200, 200, 200, 503)):
        at = clock.now() - timedelta(seconds=3 - place / 10)
        message = await factories.record_message(database.pool, application, at)
        await factories.record_attempt(database.pool, application, message, endpoint, at, code)
    return application, endpoint


async def test_the_first_page_says_how_to_begin(operator: Operator) -> None:
    page = await operator.page("")
    assert "There are no applications yet." in page
    assert "No endpoint is failing." in page


async def test_the_first_page_has_what_comes_goes_waits_and_fails_without_any_script(
    operator: Operator, client: httpx.AsyncClient, database: Database
) -> None:
    application, endpoint = await busy(client, database, "http://127.0.0.1:1024/?a=<b>&c")
    await factories.create_endpoint(client, application, "http://127.0.0.1:1024/off", disabled=True)
    await factories.queue_delivery(
        database.pool, application, ids.new_id("msg"), endpoint, clock.now() - timedelta(seconds=90)
    )
    await database.pool.execute(
        "INSERT INTO endpoint_health (endpoint_id, opened_at, first_failure_at, consecutive_failures, revision)"
        " VALUES ($1, now(), now() - interval '2 hours', 1234, 1)",
        endpoint,
    )
    page = await operator.page("")
    for text in ("Accepted 10 s 0.5 a second", "Delivered 10 s 0.4 a second", "Success rate 60 s 80 %", "Due 1 "):
        assert text in page
    assert "Attempts took 60 s 12 ms p50 p95 12 ms, p99 12 ms" in page
    assert re.search(r"Oldest due 9\d\.\d s", page)
    assert "http://127.0.0.1:1024/?a=<b>&c Acme & Söhne 2 h ago 1,234 503 probes only" in page
    assert "Endpoints that are disabled (1)" in page
    assert "5 messages accepted, 4 attempts delivered, 1 failed" in page
    raw = (await operator.get("")).text
    assert "?a=<b>" not in raw
    assert f"/dashboard/app/{application}/endpoint/{endpoint}" in raw
    for part, expected in (("/now", "Success rate"), ("/series?period=7d", "every 2 h")):
        fragment = await operator.get(part)
        assert expected in read(fragment)
        assert "<html" not in fragment.text


@pytest.mark.parametrize(("period", "points"), [("", 60), ("24h", 96), ("7d", 84), ("28d", 112), ("<b>", 60)])
async def test_the_table_of_the_charts_has_every_point(operator: Operator, period: str, points: int) -> None:
    answer = await operator.http.get("/dashboard", params={"period": period} if period else {})
    assert answer.text.count('<th scope="row"') == points
    current = re.findall(r'aria-current="true">([^<]+)<', answer.text)
    assert current == [period if period in {"24h", "7d", "28d"} else "1h"]


async def test_refreshing_can_be_stopped(operator: Operator) -> None:
    for path in ("", "/system"):
        assert "hx-trigger" in (await operator.get(path)).text
        stopped = (await operator.get(f"{path}?live=off")).text
        assert "hx-trigger" not in stopped
        assert "Keep refreshing" in stopped


async def test_the_system_shows_its_operator_more(operator: Operator, of_installation: Operator) -> None:
    theirs, ours = await operator.page("/system"), await of_installation.page("/system")
    for page in (theirs, ours):
        assert re.search(r"Postgres [^A-Z]*answers", page)
        assert "up to date" in page
    assert "are shown to its operator" in theirs
    assert re.search(r"Database \d+\.\d MB", ours)
    assert not re.search(r"Database \d+\.\d MB", theirs)
    assert "Servers" in await of_installation.page("/system-now")


async def test_charts_are_drawn_and_numbers_come_by_themselves(
    dashboard: Page, client: httpx.AsyncClient, database: Database
) -> None:
    await busy(client, database)
    await dashboard.clock.install()
    await dashboard.goto("/dashboard")
    await expect(dashboard.locator("[data-chart] canvas")).to_have_count(2)
    painted = "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(v => v)"
    assert await dashboard.locator("[data-chart] canvas").first.evaluate(painted)
    await expect(dashboard.locator(".u-legend").first).to_contain_text("Delivered")
    assert "Success rate" in await dashboard.locator("#now").inner_text()
    await expect(dashboard.locator("#now")).to_contain_text("80 %")
    application, _ = await busy(client, database)
    before = clock.now() - timedelta(seconds=30)
    for _ in range(10):
        await factories.record_message(database.pool, application, before)
    await dashboard.clock.fast_forward(25_000)
    await expect(dashboard.locator("#series")).to_contain_text("20 messages accepted")
    await expect(dashboard.locator("#now")).to_contain_text("1 a second")
    await expect(dashboard.locator("[data-chart] canvas")).to_have_count(2)


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing_serious(
    dashboard: Page, client: httpx.AsyncClient, database: Database, theme: str
) -> None:
    _, endpoint = await busy(client, database)
    await database.pool.execute(
        "INSERT INTO endpoint_health (endpoint_id, first_failure_at, consecutive_failures, paused_until)"
        " VALUES ($1, now(), 1, now() + interval '1 hour')",
        endpoint,
    )
    await dashboard.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    for path in ("/dashboard", "/dashboard/system"):
        await dashboard.goto(path)
        await dashboard.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        found = await Axe().run(dashboard)
        serious = [
            (each["id"], [node["html"] for node in each["nodes"]])
            for each in found.response["violations"]
            if each["impact"] in {"serious", "critical"}
        ]
        assert serious == [], path
