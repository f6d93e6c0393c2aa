"""Environments: made, named and ended with a management token, and by nobody else."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import httpx
import pytest
from fastapi import FastAPI

from app import ids, tokens
from app.db.session import Database
from app.settings import Settings
from app.tokens import TokenVerifier
from tests import factories
from tests.factories import Json

PATH: Final = "/management/environment"
NEW: Final[Json] = {"name": "Acme staging", "type": "development"}


def issue(settings: Settings, organization_id: str) -> str:
    assert settings.jwt_secret is not None
    return tokens.issue(settings.jwt_secret.get_secret_value(), settings.jwt_algorithm, organization_id)


@pytest.fixture
async def manager(app: FastAPI, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks to the API with a management token."""
    async with factories.client_of(app, issue(settings, ids.MANAGEMENT_ORGANIZATION_ID)) as client:
        yield client


async def make(manager: httpx.AsyncClient, **fields: str) -> Json:
    answer = await manager.post(PATH, json={**NEW, **fields})
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


async def test_an_environment_is_created_read_renamed_and_listed(manager: httpx.AsyncClient) -> None:
    made = await make(manager)
    assert made | {"createdAt": "", "updatedAt": "", "id": ""} == {
        **NEW,
        "region": "self-hosted",
        "createdAt": "",
        "updatedAt": "",
        "id": "",
    }
    assert ids.is_id(made["id"], "org")
    assert (await manager.get(f"{PATH}/{made['id']}")).json() == made
    renamed = await manager.put(f"{PATH}/{made['id']}", json={"name": "Acme"})
    assert (renamed.status_code, renamed.json()["name"], renamed.json()["type"]) == (200, "Acme", "development")
    newest = await manager.get(PATH, params={"order": "descending", "limit": 1})
    assert newest.json()["data"] == [renamed.json()]


async def test_environments_are_paged_both_ways_and_the_managers_own_is_not_among_them(
    manager: httpx.AsyncClient,
) -> None:
    await manager.post(f"/management/authentication/{ids.MANAGEMENT_ORGANIZATION_ID}/api-token", json={"name": "own"})
    made = [(await make(manager, name=f"Number {number}"))["id"] for number in range(3)]
    first = (await manager.get(PATH, params={"order": "descending", "limit": 2})).json()
    assert [each["id"] for each in first["data"]] == [max(made), sorted(made)[1]]
    second = (await manager.get(PATH, params={"order": "descending", "limit": 1, "iterator": first["iterator"]})).json()
    assert second["data"][0]["id"] == min(made)
    back = await manager.get(PATH, params={"order": "descending", "limit": 2, "iterator": second["prevIterator"]})
    assert back.json()["data"] == first["data"]
    everything = (await manager.get(PATH, params={"limit": 250})).json()["data"]
    assert ids.MANAGEMENT_ORGANIZATION_ID not in {each["id"] for each in everything}


async def test_an_organization_that_a_token_made_is_an_environment_too(
    manager: httpx.AsyncClient, client: httpx.AsyncClient, organization_id: str
) -> None:
    await factories.create_application(client)
    shown = (await manager.get(f"{PATH}/{organization_id}")).json()
    assert (shown["name"], shown["type"]) == (organization_id, "production")


@pytest.mark.parametrize(
    "body",
    [{}, {"name": "", "type": "production"}, {"name": "x" * 256, "type": "production"}, {"name": "a", "type": "x"}],
)
async def test_what_is_not_an_environment_is_refused(manager: httpx.AsyncClient, body: Json) -> None:
    assert (await manager.post(PATH, json=body)).status_code == 422


async def test_nobody_else_manages_environments(
    client: httpx.AsyncClient, manager: httpx.AsyncClient, organization_id: str
) -> None:
    other = (await make(manager))["id"]
    for method, path, body in (
        ("GET", PATH, None),
        ("POST", PATH, NEW),
        ("GET", f"{PATH}/{organization_id}", None),
        ("PUT", f"{PATH}/{other}", {"name": "mine"}),
        ("DELETE", f"{PATH}/{other}", None),
    ):
        answer = await client.request(method, path, json=body)
        assert (answer.status_code, "--management" in answer.json()["detail"]) == (403, True)
    assert (await manager.get(f"{PATH}/{other}")).json()["name"] == NEW["name"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/app", None),
        ("POST", "/app", {"name": "Acme"}),
        ("POST", "/app/none/msg", {"eventType": "a", "payload": {}}),
        ("GET", "/event-type", None),
        ("POST", "/environment/export", None),
        ("PUT", "/management/environment-settings", {}),
        ("GET", "/audit-log", None),
    ],
)
async def test_a_management_token_does_nothing_else(
    manager: httpx.AsyncClient, method: str, path: str, body: Json | None
) -> None:
    answer = await manager.request(method, path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient access")


async def test_a_management_token_makes_tokens_for_environments(
    app: FastAPI, manager: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    environment = (await make(manager))["id"]
    path = f"/management/authentication/{environment}/api-token"
    made = await manager.post(path, json={"name": "Key"})
    assert made.status_code == 200, made.text
    async with factories.client_of(app, made.json()["token"]) as client:
        application = await factories.create_application(client)
        assert (await client.get("/auth/whoami")).json()["envId"] == environment
        assert (await client.get(f"/app/{application['id']}")).status_code == 200
    assert [each["name"] for each in (await manager.get(path)).json()["data"]] == ["Key"]
    assert (await stranger.get(path)).status_code == 404
    gone = f"/management/authentication/{ids.new_id('org')}/api-token"
    assert (await manager.post(gone, json={"name": "Key"})).status_code == 404


async def test_a_management_token_can_be_narrowed_and_not_widened(app: FastAPI, manager: httpx.AsyncClient) -> None:
    own = f"/management/authentication/{ids.MANAGEMENT_ORGANIZATION_ID}/api-token"
    narrow = (await manager.post(own, json={"name": "list", "scopes": ["v1.management.environment.list"]})).json()
    async with factories.client_of(app, narrow["token"]) as client:
        assert (await client.get(PATH)).status_code == 200
        assert (await client.post(PATH, json=NEW)).status_code == 403
    refused = await manager.post(own, json={"name": "more", "scopes": ["publish"]})
    assert refused.status_code == 403


async def test_a_deleted_environment_is_gone_and_so_are_its_tokens_everywhere(
    app: FastAPI, settings: Settings, manager: httpx.AsyncClient, database: Database
) -> None:
    environment = (await make(manager))["id"]
    key = await manager.post(f"/management/authentication/{environment}/api-token", json={"name": "Key"})
    bearers = [issue(settings, environment), key.json()["token"]]
    async with factories.client_of(app, bearers[0]) as client:
        application = (await factories.create_application(client))["id"]
        portal = (await client.post(f"/auth/app-portal-access/{application}", json={})).json()["token"]
    bearers.append(portal)
    clients = [_open(app, bearer) for bearer in bearers]
    path = f"/app/{application}"
    assert [(await client.get(path)).status_code for client in clients] == [200, 200, 200]
    assert (await manager.delete(f"{PATH}/{environment}")).status_code == 204
    async with asyncio.timeout(5):
        while [(await client.get(path)).status_code for client in clients] != [401, 401, 401]:
            await asyncio.sleep(0.05)
    # Nor does a new one help, whoever has the secret.
    async with factories.client_of(app, issue(settings, environment)) as late:
        assert (await late.get(path)).status_code == 401
    for method in ("GET", "DELETE"):
        assert (await manager.request(method, f"{PATH}/{environment}")).status_code == 404
    assert (
        await manager.post(f"/management/authentication/{environment}/api-token", json={"name": "b"})
    ).status_code == 404
    started = "SELECT kind FROM background_tasks WHERE organization_id = $1"
    assert [row["kind"] for row in await database.pool.fetch(started, environment)] == ["environment.delete"]


async def test_what_would_keep_a_deleted_environment_alive_is_refused_before_its_tokens_have_ended(
    app: FastAPI, settings: Settings, manager: httpx.AsyncClient, database: Database
) -> None:
    environment = (await make(manager))["id"]
    tokens_path = f"/management/authentication/{environment}/api-token"
    async with factories.client_of(app, issue(settings, environment)) as client:
        application = (await factories.create_application(client))["id"]
        poller = (await client.post(f"/app/{application}/poller", json={})).json()["id"]
        # As in a process that has not heard of it yet.
        await database.pool.execute("UPDATE organizations SET deleted_at = now() WHERE id = $1", environment)
        for method, path, body in (
            ("POST", tokens_path, {"name": "b"}),
            ("POST", "/app", {"name": "late"}),
            ("PUT", "/app/late", {"name": "late"}),
            ("POST", f"/auth/app/{application}/create-message-token", {"name": "late"}),
            ("POST", f"/auth/app/{application}/poller/{poller}/token/rotate", {}),
            ("POST", "/operational-webhook/endpoint", {"url": factories.URL}),
        ):
            answer = await client.request(method, path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), (path, answer.text)
    for table, most in (("api_tokens", 0), ("applications", 1)):
        count = f"SELECT count(*) FROM {table} WHERE organization_id = $1"
        assert await database.pool.fetchval(count, environment) == most


async def test_a_token_that_a_deleted_environment_has_nevertheless_is_refused(
    app: FastAPI, manager: httpx.AsyncClient, database: Database
) -> None:
    environment = (await make(manager))["id"]
    key = (await manager.post(f"/management/authentication/{environment}/api-token", json={"name": "Key"})).json()
    await database.pool.execute("UPDATE organizations SET deleted_at = now() WHERE id = $1", environment)
    async with factories.client_of(app, key["token"]) as client:
        assert (await client.get("/app")).status_code == 401


async def test_a_replica_that_knows_nothing_yet_is_not_asked_whose_tokens_are_changed(
    settings: Settings, empty_dsn: str
) -> None:
    behind = settings.model_copy(update={"db_read_dsn": empty_dsn})
    manager_token = issue(settings, ids.MANAGEMENT_ORGANIZATION_ID)
    async with factories.running(behind) as app, factories.client_of(app, manager_token) as manager:
        path = f"/management/authentication/{(await make(manager))['id']}/api-token"
        made = await manager.post(path, json={"name": "Key"})
        assert made.status_code == 200, made.text
        renamed = await manager.put(f"{path}/{made.json()['id']}", json={"name": "Other"})
        assert renamed.json()["name"] == "Other"
        assert (await manager.get(path)).status_code == 404


async def test_what_a_management_token_does_to_an_environment_is_in_that_ones_audit_log(
    app: FastAPI, settings: Settings, manager: httpx.AsyncClient
) -> None:
    environment = (await make(manager))["id"]
    key = (await manager.post(f"/management/authentication/{environment}/api-token", json={"name": "Key"})).json()
    await manager.put(f"{PATH}/{environment}", json={"name": "Renamed"})
    async with factories.client_of(app, issue(settings, environment)) as client:
        entries = (await client.get("/audit-log")).json()["data"]
    assert [(each["operation"], each["target"]) for each in entries] == [
        ("v1.management.environment.update", environment),
        ("v1.management.authentication.create-api-token", key["id"]),
    ]
    managers = TokenVerifier(settings.jwt_secret.get_secret_value(), settings.jwt_algorithm)  # type: ignore[union-attr]
    token_id = managers.verify(manager.headers["authorization"].partition(" ")[2]).token_id
    assert {each["actor"]["id"] for each in entries} == {token_id}


async def test_the_default_environment_stays(manager: httpx.AsyncClient) -> None:
    answer = await manager.delete(f"{PATH}/{ids.DEFAULT_ORGANIZATION_ID}")
    assert (answer.status_code, "default" in answer.json()["detail"]) == (400, True)


def _open(app: FastAPI, bearer: str) -> httpx.AsyncClient:
    client = factories.client_of(app, bearer)
    assert isinstance(client, httpx.AsyncClient)
    return client
