"""A portal's session reaches nothing of another application: by no address, no form, and no request of htmx."""

from collections.abc import Iterator
from typing import Final

import httpx
import pytest
from fastapi import FastAPI

from app.db.session import Database
from app.settings import Settings
from app.web.site import DASHBOARD, PORTAL
from tests.api.tenants import Tenant, fingerprint, make_tenant
from tests.web.inventory import templates_of
from tests.web.portals import ADDRESS, Visitor, filled, names_in, parameters_of, visit

# What is the organization's, and the same for all of its applications.
_SHARED: Final = frozenset({"name"})
_HTMX: Final = {"hx-request": "true", "hx-target": "content"}
# Whatever a form may call the application, the endpoint or the message that it is about.
_ALIASES: Final = {
    "app_id": ("app_id", "app", "application", "application_id", "appId"),
    "endpoint_id": ("endpoint_id", "endpoint", "endpointId", "ep"),
    "msg_id": ("msg_id", "msg", "message", "message_id", "q", "search", "id"),
    "attempt_id": ("attempt_id", "attempt"),
    "source_id": ("source_id", "source"),
    "task_id": ("task_id", "task"),
}


@pytest.fixture
async def tenant(app: FastAPI, settings: Settings, database: Database) -> Tenant:
    """An organization with two applications: the second's users look for what is of the first."""
    return await make_tenant(app, settings, database)


@pytest.fixture
async def visitor(app: FastAPI, tenant: Tenant) -> Visitor:
    """A browser in the portal of the second application."""
    return await visit(app, tenant.client, tenant.customers[1].ids["app_id"])


def addresses(method: str, own: dict[str, str], other: dict[str, str]) -> Iterator[str]:
    """All paths of the portal, each with some of another application's names in it."""
    for template in sorted(templates_of(method, PORTAL.prefix)):
        tried = [name for name in parameters_of(template) if name not in _SHARED]
        if tried:
            yield filled(template, other)
        for name in tried:
            yield filled(template, {**own, name: other[name]})
            if len(tried) > 1:
                yield filled(template, {**other, name: own[name]})


def secrets_of(tenant: Tenant) -> set[str]:
    """What is known to nobody but the first application and its organization."""
    return {value for value in tenant.customers[0].uids.values() if isinstance(value, str)}


async def test_every_address_leads_to_what_is_its_own(tenant: Tenant, visitor: Visitor) -> None:
    """So that what is not found below is not found because it is another's."""
    own = names_in(tenant, 1)
    for template in sorted(templates_of("GET", PORTAL.prefix)):
        answer = await visitor.get(filled(template, own))
        # Some ask for more than their address, or are for operators only: these say so.
        assert answer.status_code in {200, 303, 403, 422}, (template, answer.status_code, answer.text)


@pytest.mark.parametrize("headers", [{}, _HTMX], ids=["page", "htmx"])
async def test_no_address_leads_to_another_application(
    tenant: Tenant, visitor: Visitor, headers: dict[str, str]
) -> None:
    own, other = names_in(tenant, 1), names_in(tenant, 0)
    tried = list(dict.fromkeys(addresses("GET", own, other)))
    assert len(tried) > 20
    for path in tried:
        answer = await visitor.get(path, **headers)
        assert answer.status_code == 404, (path, answer.status_code)
        assert not any(secret in answer.text for secret in secrets_of(tenant)), path


@pytest.mark.parametrize("headers", [{}, _HTMX], ids=["page", "htmx"])
async def test_no_form_changes_another_application(
    tenant: Tenant, visitor: Visitor, database: Database, headers: dict[str, str]
) -> None:
    own, other = names_in(tenant, 1), names_in(tenant, 0)
    before = await fingerprint(database.pool, other["app_id"])
    # What forms ask for, so that none is refused for what it lacks.
    fields = {"url": "http://127.0.0.1:1024/", "subscribed": "all", "event_type": "invoice.paid", "payload": "{}"}
    fields |= {"code": "function handler(webhook) { return webhook; }", "since": "2026-01-01T00:00", "token": "a"}
    for path in dict.fromkeys(addresses("POST", own, other)):
        answer = await visitor.post(path, fields, **headers)
        assert answer.status_code in {403, 404, 422, 400}, (path, answer.status_code)
        assert not any(secret in answer.text for secret in secrets_of(tenant)), path
    assert await fingerprint(database.pool, other["app_id"]) == before


async def test_nothing_in_a_form_or_a_query_names_another_application(
    tenant: Tenant, visitor: Visitor, database: Database
) -> None:
    own, other = names_in(tenant, 1), names_in(tenant, 0)
    before = await fingerprint(database.pool, other["app_id"])
    foreign = {alias: other[name] for name, aliases in _ALIASES.items() for alias in aliases}
    secret = await tenant.client.get(f"/app/{other['app_id']}/endpoint/{other['endpoint_id']}/secret")
    hidden = {*secrets_of(tenant), secret.json()["key"]}
    for template in sorted(templates_of("GET", PORTAL.prefix)):
        answer = await visitor.http.get(filled(template, own), params=foreign)
        assert not any(text in answer.text for text in hidden), template
    for template in sorted(templates_of("POST", PORTAL.prefix) - {f"{PORTAL.prefix}/sign-out"}):
        answer = await visitor.post(filled(template, own), {"next": f"/portal/app/{other['app_id']}", **foreign})
        assert not any(text in answer.text for text in hidden), template
        # Whoever is led on is led to where they may be.
        if other["app_id"] in (target := answer.headers.get("location", "")):
            assert (await visitor.get(target)).status_code == 404
    assert await fingerprint(database.pool, other["app_id"]) == before


async def test_a_portal_session_is_none_of_the_dashboard(app: FastAPI, tenant: Tenant, visitor: Visitor) -> None:
    names = {**names_in(tenant, 1), "key_id": tenant.ids["key_id"], "user_id": "usr_1"}
    text = visitor.http.cookies.get(PORTAL.cookie) or ""
    both = {PORTAL.cookie: text, DASHBOARD.cookie: text}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ADDRESS, cookies=both) as browser:
        pages = [path for path in templates_of("GET", DASHBOARD.prefix) if not path.startswith(DASHBOARD.sign_in)]
        inside = 0
        for template in sorted(pages):
            path = template.format_map({**dict.fromkeys(parameters_of(template), "any"), **names})
            answer = await browser.get(path)
            assert not any(secret in answer.text for secret in secrets_of(tenant)), path
            inside += answer.status_code == 303 and answer.headers["location"].startswith(DASHBOARD.sign_in)
        assert inside > len(pages) - 6, "some are for everybody, as those with which people sign in"
