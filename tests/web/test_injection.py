"""Whatever is stored stays a text: each page of both sites is opened in a browser, full of what would like to run."""

from typing import Final

import orjson
import pytest
from playwright.async_api import Browser, Page

from app.web.site import DASHBOARD, PORTAL, Site
from tests.web.inventory import HOSTILE, MARKER, PLAIN_HOSTILE, Inventory
from tests.web.seeing import Seen
from tests.web.walking import signed_in, walk

# What would be there, had it been read as HTML.
_MADE: Final = "img[src='x'], [onerror], [onload], svg[onload], a[href^='javascript:' i], iframe, main script"
_LOOK: Final = f"""() => [
  ...(window.{MARKER} === undefined ? [] : ["a script ran"]),
  ...window.violations,
  ...[...document.querySelectorAll("{_MADE}")].map((element) => element.outerHTML),
]"""
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


# The portal's pages are made of the same templates.
@pytest.mark.parametrize(
    "site", [DASHBOARD, pytest.param(PORTAL, marks=pytest.mark.chaos)], ids=["dashboard", "portal"]
)
async def test_nothing_that_is_stored_runs_on_any_page(
    browser: Browser, site_url: str, inventory: Inventory, site: Site
) -> None:
    assert await walk(browser, site_url, site, inventory, _look) == {}


def test_what_is_stored_is_shown_as_it_is(seen: list[Seen], inventory: Inventory) -> None:
    texts = {each.page: each.document.text for each in seen if each.is_html}
    hidden = [
        (site.prefix + template, text)
        for site, expected in ((DASHBOARD, (*_ON_BOTH, *_ON_DASHBOARD)), (PORTAL, _ON_BOTH))
        for template, text in expected
        if text not in texts[site.prefix + inventory.fill(template)]
    ]
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
