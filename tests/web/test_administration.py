"""The pages with which an organization is run: users, tokens, the audit log, settings, one's own account."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from axe_playwright_python.async_playwright import Axe
from fastapi import FastAPI
from playwright.async_api import Page

from tests import factories
from tests.api.people import PASSWORD, Person, email, person
from tests.web.browsing import browser_of, csrf_in, with_password

PAGES = ("/user", "/token-new", "/audit-log", "/settings", "/account")


@pytest.fixture
async def admin(app: FastAPI, client: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """A browser in which an administrator is signed in."""
    async with browser_of(app) as visitor:
        await with_password(visitor, await person(client))
        yield visitor


async def send(visitor: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    """What is answered to a form of our pages."""
    csrf = csrf_in(await visitor.get("/dashboard/account"))
    return await visitor.post(f"/dashboard{path}", data={"csrf": csrf, **fields})


async def test_a_user_is_invited_promoted_disabled_and_deleted(
    app: FastAPI, admin: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    address = email()
    page = await send(admin, "/user-new", email=address, name="Bob <b>", role="viewer")
    link = re.search(r"http://postrider\.test/dashboard/invitation#(inv_[A-Za-z0-9_-]+)", page.text)
    assert link is not None
    async with browser_of(app) as bob:
        form = {"invitation": link[1], "password": PASSWORD, "again": PASSWORD}
        assert (await bob.post("/dashboard/invitation", data=form)).headers["location"] == "/dashboard"
        assert (await bob.get("/dashboard/user")).status_code == 403
        listed = await admin.get("/dashboard/user")
        assert "Bob &lt;b&gt;" in listed.text
        (path,) = set(re.findall(r"/dashboard(/user/usr_\w+)", listed.text.split(address)[0].rpartition("<tr>")[2]))
        assert (await send(admin, path, name="Bob", role="admin")).status_code == 303
        # Whoever gets another role signs in anew.
        assert (await bob.get("/dashboard/account")).status_code == 303
        await with_password(bob, Person("", address, ""))
        assert (await bob.get("/dashboard/user")).status_code == 200
        assert (await send(admin, f"{path}/disable", disabled="true")).status_code == 303
        assert (await bob.get("/dashboard/account")).status_code == 303
        assert (await with_password(bob, Person("", address, ""))).status_code == 401
    assert (await send(admin, f"{path}/delete")).headers["location"] == "/dashboard/user"
    assert address not in (await admin.get("/dashboard/user")).text


async def test_what_is_wrong_about_a_new_user_stands_at_its_field(admin: httpx.AsyncClient) -> None:
    page = await send(admin, "/user-new", email="nobody", name="Bob", role="viewer")
    assert page.status_code == 422
    assert "it must be an email address" in page.text
    assert 'value="nobody"' in page.text
    account = await admin.get("/dashboard/account")
    own = re.search(r"[\w-]+@example\.com", account.text)
    assert own is not None
    page = await send(admin, "/user-new", email=own[0], role="viewer")
    assert (page.status_code, "already exists" in page.text) == (409, True)


async def test_an_administrator_is_told_that_they_cannot_lock_themselves_out(admin: httpx.AsyncClient) -> None:
    listed = await admin.get("/dashboard/user")
    (path,) = set(re.findall(r"/dashboard(/user/usr_\w+)", listed.text))
    page = await send(admin, f"{path}/delete")
    assert (page.status_code, "ask another administrator" in page.text) == (400, True)


async def test_a_token_is_shown_once_and_ended(app: FastAPI, admin: httpx.AsyncClient) -> None:
    page = await send(admin, "/token-new", name="Shop", kind="some", scopes="read\nv1.endpoint.*", days="30")
    token = re.search(r"sk_[A-Za-z0-9_-]{43}", page.text)
    assert token is not None
    async with factories.client_of(app, token[0]) as bearer:
        assert (await bearer.get("/app")).status_code == 200
        listed = await admin.get("/dashboard/token")
        assert token[0] not in listed.text
        assert "read, v1.endpoint.*" in listed.text
        assert "in 29 d" in listed.text or "in 30 d" in listed.text
        (path,) = re.findall(r"/dashboard(/token/key_\w+/expire)", listed.text)
        assert (await send(admin, path)).status_code == 303
        await app.state.token_watch.ask()
        assert (await bearer.get("/app")).status_code == 401
    refused = await send(admin, "/token-new", name="Shop", kind="some", scopes="v1.nothing", days="")
    assert (refused.status_code, "name no operation" in refused.text) == (422, True)


async def test_an_own_password_is_changed_and_other_browsers_are_signed_out(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    ada = await person(client, "viewer")
    async with browser_of(app) as here, browser_of(app) as there:
        await with_password(here, ada)
        await with_password(there, ada)
        wrong = await send(here, "/account/password", current="not this one", new="x" * 12, again="x" * 12)
        assert (wrong.status_code, "This is not your password so far" in wrong.text) == (422, True)
        unequal = await send(here, "/account/password", current=PASSWORD, new="x" * 12, again="y" * 12)
        assert (unequal.status_code, "This is not the same" in unequal.text) == (422, True)
        before = here.cookies["postrider_dashboard"]
        changed = await send(here, "/account/password", current=PASSWORD, new="x" * 12, again="x" * 12)
        assert changed.headers["location"] == "/dashboard/account"
        assert here.cookies["postrider_dashboard"] != before
        assert (await here.get("/dashboard/account")).status_code == 200
        assert (await there.get("/dashboard/account")).status_code == 303


async def test_a_browser_is_signed_out_from_another_one_and_not_by_somebody_else(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    ada, bob = await person(client), await person(client)
    async with browser_of(app) as here, browser_of(app) as there, browser_of(app) as elsewhere:
        await with_password(here, ada)
        await with_password(there, ada)
        await with_password(elsewhere, bob)
        (path,) = re.findall(r"/dashboard(/account/session/key_\w+/end)", (await here.get("/dashboard/account")).text)
        assert (await send(elsewhere, path)).status_code == 404
        assert (await there.get("/dashboard/account")).status_code == 200
        assert (await send(here, path)).status_code == 303
        assert (await there.get("/dashboard/account")).status_code == 303
        assert (await here.get("/dashboard/account")).status_code == 200


async def test_settings_are_changed_and_kept_from_who_may_not(
    app: FastAPI, admin: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    fields = {
        "enforce_https": "on",
        "display_name": "Acme <i>",
        "retry_policy": "5, 60",
        "endpoints_per_app_limit": "7",
    }
    assert (await send(admin, "/settings", **fields)).status_code == 303
    kept = (await client.get("/management/environment-settings")).json()
    assert (kept["enforceHttps"], kept["disableEndpointOnFailure"]) == (True, False)
    assert (kept["displayName"], kept["retryPolicy"], kept["endpointsPerAppLimit"]) == ("Acme <i>", [5, 60], 7)
    page = await admin.get("/dashboard/settings")
    assert "Acme &lt;i&gt;" in page.text
    wrong = await send(admin, "/settings", custom_color="red; }", retry_policy="soon")
    assert (wrong.status_code, wrong.text.count("aria-invalid")) == (422, 2)
    async with browser_of(app) as viewer:
        await with_password(viewer, await person(client, "viewer"))
        assert "disabled" in (await viewer.get("/dashboard/settings")).text
        assert (await send(viewer, "/settings", display_name="Mine")).status_code == 403


async def test_the_organization_is_told_at_an_endpoint_of_its_own(
    app: FastAPI, admin: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    fields = {"url": factories.URL, "description": "<b>us</b>", "event_types": "endpoint.disabled"}
    assert (await send(admin, "/operational-webhook", **fields)).status_code == 303
    (made,) = (await client.get("/operational-webhook/endpoint")).json()["data"]
    assert (made["url"], made["eventTypes"]) == (factories.URL, ["endpoint.disabled"])
    page = await admin.get("/dashboard/operational-webhook")
    assert "&lt;b&gt;us&lt;/b&gt;" in page.text
    shown = await send(admin, f"/operational-webhook/{made['id']}/secret")
    assert re.search(r"whsec_[A-Za-z0-9+/=]{32,}", shown.text)
    wrong = await send(admin, "/operational-webhook", url="nowhere", description="")
    assert (wrong.status_code, 'value="nowhere"' in wrong.text) == (422, True)
    async with browser_of(app) as editor:
        await with_password(editor, await person(client, "editor"))
        assert (await editor.get("/dashboard/operational-webhook")).status_code == 200
        assert (await send(editor, f"/operational-webhook/{made['id']}/secret")).status_code == 403
        assert (await send(editor, f"/operational-webhook/{made['id']}/delete")).status_code == 403
    assert (await send(admin, f"/operational-webhook/{made['id']}/delete")).status_code == 303
    assert (await client.get("/operational-webhook/endpoint")).json()["data"] == []


async def test_the_audit_log_is_filtered(admin: httpx.AsyncClient, client: httpx.AsyncClient) -> None:
    application = await factories.create_application(client, name="<script>alert(1)</script>")
    page = await admin.get("/dashboard/audit-log", params={"operation": "v1.application.create"})
    assert application["id"] in page.text
    assert "<script>alert" not in page.text
    assert "v1.user.create" not in page.text
    everything = await admin.get("/dashboard/audit-log")
    assert "v1.authentication.sign-in" in everything.text
    none = await admin.get("/dashboard/audit-log", params={"before": "2020-01-01T00:00"})
    assert "Nothing was changed" in none.text
    odd = await admin.get("/dashboard/audit-log", params={"after": "soon"})
    assert odd.status_code in {400, 422}


async def test_who_signed_in_with_a_token_has_no_account(app: FastAPI, token: str) -> None:
    async with browser_of(app) as visitor:
        await visitor.post("/dashboard/sign-in", data={"token": token})
        assert (await visitor.get("/dashboard/user")).status_code == 200
        assert (await visitor.get("/dashboard/account")).status_code == 404


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.chaos)])
async def test_the_pages_are_accessible(page: Page, client: httpx.AsyncClient, theme: str) -> None:
    ada = await person(client)
    await page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    found = {}
    await page.goto("/dashboard/sign-in")
    found["/sign-in"] = await Axe().run(page)
    await page.get_by_label("Email").fill(ada.email)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await page.wait_for_url("**/dashboard")
    for path in PAGES:
        await page.goto(f"/dashboard{path}")
        found[path] = await Axe().run(page)
    serious = {
        path: [(one["id"], one["nodes"][0]["html"]) for one in results.response["violations"]]
        for path, results in found.items()
        if [one for one in results.response["violations"] if one["impact"] in {"serious", "critical"}]
    }
    assert serious == {}
