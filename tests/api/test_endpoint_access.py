"""Who may see and change an endpoint: its organization, its application's portal, and nobody else."""

import httpx
import pytest
from fastapi import FastAPI

from app import ids, tokens
from app.db.session import Database
from app.settings import Settings
from tests import factories
from tests.factories import Json


@pytest.fixture
def path(application: str) -> str:
    """The path of that application's endpoints."""
    return f"/app/{application}/endpoint"


async def _revision(database: Database, endpoint_id: str) -> int:
    revision: int = await database.pool.fetchval("SELECT revision FROM endpoints WHERE id = $1", endpoint_id)
    return revision


@pytest.mark.parametrize(
    ("method", "suffix", "body"),
    [
        ("GET", "", None),
        ("PUT", "", {"url": factories.URL}),
        ("PATCH", "", {"disabled": True}),
        ("DELETE", "", None),
        ("GET", "/headers", None),
        ("PUT", "/headers", {"headers": {"X-A": "1"}}),
        ("PATCH", "/headers", {"headers": {"X-A": "1"}}),
        ("GET", "/secret", None),
        ("POST", "/secret/rotate", {}),
        ("GET", "/stats", None),
    ],
)
async def test_another_organization_gets_no_hint_that_an_endpoint_exists(
    client: httpx.AsyncClient,
    stranger: httpx.AsyncClient,
    application: str,
    path: str,
    database: Database,
    method: str,
    suffix: str,
    body: Json | None,
) -> None:
    created = await factories.create_endpoint(client, application)
    own = (await factories.create_application(stranger))["id"]
    before = await _revision(database, created["id"])
    for place in (path, f"/app/{own}/endpoint"):
        response = await stranger.request(method, f"{place}/{created['id']}{suffix}", json=body)
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
    missing = await stranger.request(method, f"/app/{own}/endpoint/{ids.new_id('ep')}{suffix}", json=body)
    assert {**missing.json(), "correlation_id": "", "timestamp": ""} == {
        **response.json(),
        "correlation_id": "",
        "timestamp": "",
    }
    assert await _revision(database, created["id"]) == before


async def test_an_endpoint_is_served_without_a_token_to_nobody(anonymous: httpx.AsyncClient, path: str) -> None:
    response = await anonymous.post(path, json={"url": factories.URL})
    assert (response.status_code, response.json()["code"]) == (401, "authentication_failed")


async def test_a_portal_token_manages_the_endpoints_of_its_application_only(
    app: FastAPI, settings: Settings, client: httpx.AsyncClient, application: str, path: str, organization_id: str
) -> None:
    other = (await factories.create_application(client))["id"]
    foreign = await factories.create_endpoint(client, other)
    assert settings.jwt_secret is not None
    secret = settings.jwt_secret.get_secret_value()
    portal_token = tokens.issue_portal(secret, settings.jwt_algorithm, organization_id, application)
    async with factories.client_of(app, portal_token) as portal:
        own = await factories.create_endpoint(portal, application)
        assert (await portal.get(f"{path}/{own['id']}/secret")).status_code == 200
        assert (await portal.delete(f"{path}/{own['id']}")).status_code == 204
        for place in (path, f"/app/{other}/endpoint"):
            assert (await portal.get(f"{place}/{foreign['id']}")).status_code == 404
        assert (await portal.get(f"/app/{other}/endpoint")).status_code == 404
