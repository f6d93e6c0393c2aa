"""Pages on a phone, and whether one sees where one is."""

from typing import Final

import httpx
import pytest
from fastapi import FastAPI
from playwright.async_api import Browser, Page

from app.web.site import DASHBOARD, PORTAL, Site
from tests import factories
from tests.web import browsing
from tests.web.inventory import Inventory
from tests.web.walking import signed_in, walk

_PHONE: Final = {"width": 390, "height": 844}
_FEW: Final = (
    "",
    "/app",
    "/app/{app_id}/endpoint/{endpoint_id}",
    "/app/{app_id}/msg/{msg_id}",
    "/app/{app_id}/live",
    "/event-type/{name}",
)
# What leaves the screen at its right, and cells of rows that are read downwards and do not say what they are. The
# numbers of charts have seven columns of few digits, and headers two: these are tables on a phone, too. What has no
# doctype is a part of a page, and looked at there.
_WRONG: Final = """() => {
  if (document.doctype === null) return [];
  const page = document.documentElement;
  const wide = page.scrollWidth > page.clientWidth ? [`is ${page.scrollWidth} pixels wide`] : [];
  const tables = [...document.querySelectorAll("table")].filter((table) => table.tHead && !table.caption);
  const flat = tables.filter((table) => !table.matches(".stack")).map((table) => table.tHead.textContent);
  const nameless = tables.flatMap((table) => [...table.tBodies].flatMap((body) => [...body.rows]))
    .flatMap((row) => [...row.cells].slice(1))
    .filter((cell) => !cell.dataset.label && cell.children.length === 0 && cell.textContent.trim())
    .map((cell) => cell.textContent);
  return [...wide, ...flat, ...nameless];
}"""


async def _on_a_phone(page: Page, _path: str) -> list[str]:
    await page.set_viewport_size(_PHONE)  # type: ignore[arg-type]
    found: list[str] = await page.evaluate(_WRONG)
    return found


async def test_what_is_long_stays_on_the_screen_of_a_phone_and_cells_say_what_they_are(
    browser: Browser, site_url: str, inventory: Inventory
) -> None:
    found = {}
    async with signed_in(browser, site_url, DASHBOARD, inventory) as (context, _):
        page = await context.new_page()
        for path in _FEW:
            await page.goto(DASHBOARD.prefix + inventory.fill(path))
            found[path] = await _on_a_phone(page, path)
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


@pytest.mark.chaos
@pytest.mark.parametrize("site", [DASHBOARD, PORTAL], ids=["dashboard", "portal"])
async def test_the_same_of_every_page(browser: Browser, site_url: str, inventory: Inventory, site: Site) -> None:
    assert await walk(browser, site_url, site, inventory, _on_a_phone) == {}


async def test_each_page_of_an_application_says_whose_it_is(
    app: FastAPI, client: httpx.AsyncClient, token: str
) -> None:
    application = (await factories.create_application(client, name="Blue Kettle Coffee"))["id"]
    endpoint = (await factories.create_endpoint(client, application))["id"]
    operator = await browsing.signed_in(app, token)
    for path in ("", "/endpoint", f"/endpoint/{endpoint}", "/msg", "/live", "/settings", "/msg-new"):
        answer = await operator.get(f"/app/{application}{path}")
        assert f'<a href="/dashboard/app/{application}"><strong>Blue Kettle Coffee</strong></a>' in answer.text, path
        assert "· Blue Kettle Coffee · Postrider</title>" in answer.text, path
    refused = await operator.post(f"/app/{application}/endpoint-new", {"url": "nonsense"})
    assert refused.status_code == 422
    assert "Blue Kettle Coffee" in browsing.read(refused)


async def test_who_may_not_read_applications_is_shown_the_pages_without_the_name(
    app: FastAPI, client: httpx.AsyncClient, organization_id: str
) -> None:
    application = (await factories.create_application(client, name="Blue Kettle Coffee"))["id"]
    made = await client.post(
        f"/management/authentication/{organization_id}/api-token",
        json={"name": "Messages", "scopes": ["v1.message.*"]},
    )
    operator = await browsing.signed_in(app, made.json()["token"])
    page = await operator.page(f"/app/{application}/msg")
    assert "There are no messages yet." in page
    assert "Blue Kettle Coffee" not in page
