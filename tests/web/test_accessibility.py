"""Everybody can use the pages: axe finds nothing serious, and the keyboard reaches what the mouse does."""

from typing import Final, Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page

from app.web.site import DASHBOARD, PORTAL, Site
from tests.web.inventory import Inventory
from tests.web.walking import signed_in, walk

_AXE: Final = Axe()
_GRAVE: Final = frozenset({"serious", "critical"})
_COLOURS: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
_SITES: Final = pytest.mark.parametrize("site", [DASHBOARD, PORTAL], ids=["dashboard", "portal"])
_FEW: Final = ("", "/app/{app_id}/endpoint/{endpoint_id}", "/app/{app_id}/msg/{msg_id}", "/source/{source_id}")
_MOST_TABS: Final = 400
# Where the keyboard is, and whether that can be seen.
_FOCUSED: Final = """() => {
  const element = document.activeElement;
  if (!element || element === document.body) return null;
  const style = getComputedStyle(element);
  element.dataset.reached = "";
  return {what: element.outerHTML.slice(0, 200), seen: style.outlineStyle !== "none" && style.outlineWidth !== "0px"};
}"""
# What a mouse could press, and the keyboard has not reached. Of radio buttons of one name it reaches one.
_UNREACHED: Final = """() => [...document.querySelectorAll(
    "a[href], button, input:not([type=hidden], [type=radio]), select, textarea, summary, [data-copy]")]
  .filter((element) => element.checkVisibility() && !element.disabled && !("reached" in element.dataset))
  .map((element) => element.outerHTML.slice(0, 200))"""


async def _look(page: Page, _path: str) -> list[str]:
    """In light colours and in dark ones; what is a part of a page is looked at where it is one."""
    if await page.evaluate("document.doctype === null"):
        return []
    found = []
    for colours in _COLOURS:
        await page.emulate_media(color_scheme=colours)
        options: dict[str, object] = {"resultTypes": ["violations"]}
        if colours == "dark":
            # All else is as it was.
            options["runOnly"] = ["color-contrast"]
        results = await _AXE.run(page, options=options)
        found += [
            f"{colours}: {violation['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
            for violation in results.response["violations"]
            if violation["impact"] in _GRAVE
            for node in violation["nodes"][:3]
        ]
    return found


@pytest.mark.parametrize("path", _FEW)
async def test_axe_finds_no_serious_issue_on_pages_that_have_most_of_the_parts(
    browser: Browser, site_url: str, inventory: Inventory, path: str
) -> None:
    async with signed_in(browser, site_url, DASHBOARD, inventory) as (context, _):
        page = await context.new_page()
        await page.goto(DASHBOARD.prefix + inventory.fill(path))
        assert await _look(page, path) == []


@pytest.mark.chaos
@_SITES
async def test_axe_finds_no_serious_issue_on_any_page_in_light_and_in_dark(
    browser: Browser, site_url: str, inventory: Inventory, site: Site
) -> None:
    assert await walk(browser, site_url, site, inventory, _look) == {}


@_SITES
@pytest.mark.parametrize("path", ["/app/{app_id}/endpoint/{endpoint_id}/edit"])
async def test_the_keyboard_reaches_whatever_can_be_pressed_and_shows_where_it_is(
    browser: Browser, site_url: str, inventory: Inventory, site: Site, path: str
) -> None:
    async with signed_in(browser, site_url, site, inventory) as (context, _):
        page = await context.new_page()
        await page.goto(site.prefix + inventory.fill(path))
        invisible = []
        for _number in range(_MOST_TABS):
            await page.keyboard.press("Tab")
            focused = await page.evaluate(_FOCUSED)
            if focused is None:
                break
            if not focused["seen"]:
                invisible.append(focused["what"])
        assert invisible == []
        assert await page.evaluate(_UNREACHED) == []


async def test_the_first_stop_of_the_keyboard_leads_past_the_menu(
    browser: Browser, site_url: str, inventory: Inventory
) -> None:
    async with signed_in(browser, site_url, DASHBOARD, inventory) as (context, _):
        page = await context.new_page()
        await page.goto("/dashboard/event-type")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        assert await page.evaluate("document.activeElement.id") == "content"
