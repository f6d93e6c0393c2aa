"""Whatever is stored stays a text: each page of both sites is opened in a browser, full of what would like to run."""

from typing import Final

import orjson
import pytest
from playwright.async_api import Browser, Page

from app.web.site import DASHBOARD, PORTAL, Site
from tests.web.inventory import HOSTILE, MARKER, PLAIN_HOSTILE, Inventory
from tests.web.walking import signed_in, walk

# What would be there, had it been read as HTML.
_MADE: Final = "img[src='x'], [onerror], [onload], svg[onload], a[href^='javascript:' i], iframe, main script"
_LOOK: Final = f"""() => [
  ...(window.{MARKER} === undefined ? [] : ["a script ran"]),
  ...window.violations,
  ...[...document.querySelectorAll("{_MADE}")].map((element) => element.outerHTML),
]"""
# All text of a page, with what stands in its fields.
_TEXT: Final = """() => [document.body.textContent,
  ...[...document.querySelectorAll("input, textarea")].map((field) => field.value)].join("\\n")"""
_IN_JSON: Final = orjson.dumps(HOSTILE).decode()[1:-1]
_ENDPOINT: Final = "/app/{app_id}/endpoint/{endpoint_id}"
_ATTEMPT: Final = "/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}"
# Where a text must be seen as it was stored.
_ON_BOTH: Final = (
    ("/app/{app_id}/endpoint", HOSTILE),
    (_ENDPOINT, HOSTILE),
    (f"{_ENDPOINT}/edit", HOSTILE),
    ("/app/{app_id}/msg/{msg_id}", _IN_JSON),
    (_ATTEMPT, HOSTILE),
    (_ATTEMPT, PLAIN_HOSTILE),
    ("/event-type", HOSTILE),
    ("/event-type/{name}", HOSTILE),
)
_ON_DASHBOARD: Final = (
    ("/app", HOSTILE),
    ("/app/{app_id}/settings", HOSTILE),
    ("/event-type/{name}/edit", _IN_JSON),
    ("/source", HOSTILE),
    ("/source/{source_id}", HOSTILE),
    ("/source/{source_id}/edit", HOSTILE),
    ("/source/{source_id}/log", HOSTILE),
    ("/source/{source_id}/log", PLAIN_HOSTILE),
    ("/token", HOSTILE[:100]),
    ("/user", HOSTILE),
)


async def _look(page: Page, _path: str) -> list[str]:
    found: list[str] = await page.evaluate(_LOOK)
    return found


@pytest.mark.parametrize("site", [DASHBOARD, PORTAL], ids=["dashboard", "portal"])
async def test_nothing_that_is_stored_runs_on_any_page(
    browser: Browser, site_url: str, inventory: Inventory, site: Site
) -> None:
    assert await walk(browser, site_url, site, inventory, _look) == {}


@pytest.mark.parametrize("site", [DASHBOARD, PORTAL], ids=["dashboard", "portal"])
async def test_what_is_stored_is_shown_as_it_is(
    browser: Browser, site_url: str, inventory: Inventory, site: Site
) -> None:
    hidden = []
    async with signed_in(browser, site_url, site, inventory) as (context, _):
        page = await context.new_page()
        for template, text in (*_ON_BOTH, *(_ON_DASHBOARD if site is DASHBOARD else ())):
            await page.goto(site.prefix + inventory.fill(template))
            if text not in await page.evaluate(_TEXT):
                hidden.append((template, text))
    assert hidden == []


async def test_the_browser_of_these_tests_would_notice_a_script_a_violation_and_an_element(
    browser: Browser, site_url: str, inventory: Inventory
) -> None:
    async with signed_in(browser, site_url, DASHBOARD, inventory) as (context, wrong):
        page = await context.new_page()
        await page.goto("/dashboard/find")
        await page.evaluate(f"window.{MARKER} = 1")
        await page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=alert(1)>')")
        await page.wait_for_function("window.violations.length > 0")
        found = await _look(page, "")
    assert found[0] == "a script ran"
    assert any(text.startswith("script-src") for text in found)
    assert any(text.startswith("<img") for text in found)
    # The policy kept it from running.
    assert not any("dialog" in text for text in wrong)
