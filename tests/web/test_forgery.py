"""What another site has a browser send changes nothing: every form of both sites is tried, whoever adds one."""

from collections.abc import AsyncIterator, Mapping
from typing import Final

import httpx
import pytest
from fastapi import FastAPI

from app.db.session import Database
from app.web.site import DASHBOARD, PORTAL, Site
from app.web.view import csrf_of
from tests import factories
from tests.api.tenants import fingerprint
from tests.factories import Json
from tests.web.inventory import REFUSED, Inventory
from tests.web.portals import ADDRESS, visit

_FOREIGN: Final = "The form was not sent from a page of this session."


# Workers go on with what was published before. Whatever the API changes, the audit log knows, too.
_OF_WORKERS: Final = frozenset({"attempts", "deliveries", "pending_deliveries", "endpoint_health"})


async def _state(database: Database, inventory: Inventory) -> Json:
    """Checksums over all that the organization has; of sessions only how many: each knows when it was last used."""
    found: Json = {**await fingerprint(database.pool, inventory.organization_id)}
    found["web_sessions"] = found["web_sessions"][0]
    assert found["audit_entries"][0] > 3
    return {table: checksum for table, checksum in found.items() if table not in _OF_WORKERS}


@pytest.fixture(scope="module")
async def browsers(app: FastAPI, inventory: Inventory) -> AsyncIterator[Mapping[Site, httpx.AsyncClient]]:
    """One that is signed in to each site."""
    async with factories.client_of(app, inventory.token) as client:
        portal = (await visit(app, client, inventory.application)).http
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ADDRESS) as dashboard:
        asked = await dashboard.post("/dashboard/sign-in", data={"token": inventory.token})
        assert asked.status_code == 303, asked.text
        yield {DASHBOARD: dashboard, PORTAL: portal}
    await portal.aclose()


def _forged(client: httpx.AsyncClient, site: Site) -> dict[str, tuple[dict[str, str], dict[str, str]]]:
    """Ways to send a form from elsewhere: its fields, and headers."""
    own = csrf_of(client.cookies[site.cookie])
    return {
        "without a proof": ({}, {}),
        "with an empty proof": ({"csrf": ""}, {}),
        "with the proof of another session": ({"csrf": csrf_of("another session's cookie")}, {}),
        "with the proof of no session": ({"csrf": csrf_of("")}, {}),
        "with another's proof in a header": ({}, {"x-csrf-token": csrf_of("another session's cookie")}),
        "from another site": ({"csrf": own}, {"sec-fetch-site": "cross-site"}),
        "from another host of this site": ({"csrf": own}, {"sec-fetch-site": "same-site"}),
    }


@pytest.mark.parametrize("site", [DASHBOARD, PORTAL], ids=["dashboard", "portal"])
async def test_a_form_that_another_site_sends_is_refused_and_changes_nothing(
    browsers: Mapping[Site, httpx.AsyncClient], inventory: Inventory, database: Database, site: Site
) -> None:
    client, forms = browsers[site], inventory.forms(site.prefix)
    before = await _state(database, inventory)
    taken = []
    for form in forms:
        for way, (fields, headers) in _forged(client, site).items():
            answer = await client.post(form, data={**fields, "theme": "dark"}, headers=headers)
            if answer.status_code != 403 or _FOREIGN not in answer.text or "set-cookie" in answer.headers:
                taken.append((form, way, answer.status_code))
    assert len(forms) > 3
    assert taken == []
    assert await _state(database, inventory) == before


@pytest.mark.parametrize("site", [DASHBOARD, PORTAL], ids=["dashboard", "portal"])
async def test_a_form_of_the_session_itself_is_taken(browsers: Mapping[Site, httpx.AsyncClient], site: Site) -> None:
    client = browsers[site]
    fields = {"csrf": csrf_of(client.cookies[site.cookie]), "theme": "dark"}
    answer = await client.post(f"{site.prefix}/theme", data=fields, headers={"sec-fetch-site": "same-origin"})
    assert (answer.status_code, "dark" in answer.headers["set-cookie"]) == (303, True)


async def test_nobody_is_signed_in_by_another_site(app: FastAPI, inventory: Inventory) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ADDRESS) as stranger:
        for path in ("/dashboard/sign-in", "/login"):
            answer = await stranger.post(
                path, data={"token": inventory.token}, headers={"sec-fetch-site": "cross-site"}
            )
            assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


async def test_a_form_that_is_sent_with_get_changes_nothing(
    browsers: Mapping[Site, httpx.AsyncClient], inventory: Inventory, database: Database
) -> None:
    before = await _state(database, inventory)
    for site, client in browsers.items():
        for form in inventory.forms(site.prefix):
            # It is a page, or there is none.
            assert (await client.get(form)).status_code in {200, 303, 403, 404, 405, 422}, form
    assert await _state(database, inventory) == before


async def test_pages_that_are_refused_are_refused(
    browsers: Mapping[Site, httpx.AsyncClient], inventory: Inventory
) -> None:
    for template in REFUSED:
        site = PORTAL if template.startswith(PORTAL.prefix) else DASHBOARD
        assert (await browsers[site].get(inventory.fill(template))).status_code in {403, 404, 422}, template
