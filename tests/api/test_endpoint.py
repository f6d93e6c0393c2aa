"""Endpoints over HTTP: what is made, changed, listed and deleted. Sealed parts have tests of their own."""

import asyncio
from typing import Final

import httpx
import pytest
from svix.models import EndpointOut

from app import ids
from app.db.session import Database
from app.db.shard.model import shard_of
from tests import factories
from tests.factories import Json

_OPTIONAL: Final = {"uid", "throttleRate", "rateLimit", "eventTypes", "filterTypes", "channels"}
_ALWAYS: Final = {"id", "url", "description", "version", "disabled", "metadata", "createdAt", "updatedAt"}


@pytest.fixture
def path(application: str) -> str:
    """The path of that application's endpoints."""
    return f"/app/{application}/endpoint"


async def _revision(database: Database, endpoint_id: str) -> int:
    revision: int = await database.pool.fetchval("SELECT revision FROM endpoints WHERE id = $1", endpoint_id)
    return revision


async def test_a_new_endpoint_is_answered_with_everything_but_its_secret(client: httpx.AsyncClient, path: str) -> None:
    body = {"url": factories.URL, "secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "unknownField": {"is": "ignored"}}
    response = await client.post(path, json=body)
    assert response.status_code == 201
    created = response.json()
    assert created.keys() == _ALWAYS
    assert ids.is_id(created["id"], "ep")
    assert (created["url"], created["version"], created["disabled"], created["metadata"]) == (
        factories.URL,
        1,
        False,
        {},
    )
    assert created["createdAt"].endswith("Z")
    assert "whsec_" not in response.text
    assert (await client.get(f"{path}/{created['id']}")).json() == created


async def test_the_official_client_reads_an_endpoint(client: httpx.AsyncClient, path: str) -> None:
    body = {"url": factories.URL, "uid": "shop", "channels": ["a"], "throttleRate": 7, "metadata": {"k": "v"}}
    read = EndpointOut.model_validate((await client.post(path, json=body)).json())
    assert (read.uid, read.channels, read.throttle_rate, read.metadata) == ("shop", ["a"], 7, {"k": "v"})


@pytest.mark.parametrize("names", [("eventTypes", "throttleRate"), ("filterTypes", "rateLimit")])
async def test_both_generations_of_names_are_taken_and_given(
    client: httpx.AsyncClient, path: str, names: tuple[str, str]
) -> None:
    await factories.create_event_type(client, "invoice.paid")
    types, rate = names
    body = {"url": factories.URL, types: ["invoice.paid", "invoice.paid"], rate: 20}
    created = (await client.post(path, json=body)).json()
    assert created.keys() == _ALWAYS | {"eventTypes", "filterTypes", "throttleRate", "rateLimit"}
    assert created["eventTypes"] == created["filterTypes"] == ["invoice.paid"]
    assert created["throttleRate"] == created["rateLimit"] == 20
    patched = (await client.patch(f"{path}/{created['id']}", json={types: [], rate: None})).json()
    assert patched.keys() == _ALWAYS


async def test_an_empty_list_of_event_types_subscribes_to_all(client: httpx.AsyncClient, path: str) -> None:
    response = await client.post(path, json={"url": factories.URL, "filterTypes": []})
    assert response.status_code == 201
    assert response.json().keys() == _ALWAYS


async def test_an_endpoint_keeps_the_shard_of_its_id(
    client: httpx.AsyncClient, application: str, database: Database
) -> None:
    created = await factories.create_endpoint(client, application)
    shard = await database.pool.fetchval("SELECT shard FROM endpoints WHERE id = $1", created["id"])
    assert shard == shard_of(created["id"])


async def test_a_list_is_newest_first_and_walks_both_ways(
    client: httpx.AsyncClient, application: str, path: str
) -> None:
    made = []
    for _ in range(5):
        made.append((await factories.create_endpoint(client, application))["id"])
        await asyncio.sleep(0.005)  # Ids sort by time, to 4 milliseconds.
    first = (await client.get(path, params={"limit": 2})).json()
    assert [item["id"] for item in first["data"]] == [made[4], made[3]]
    assert (first["iterator"], first["prevIterator"], first["done"]) == (made[3], f"-{made[4]}", False)
    second = (await client.get(path, params={"limit": 3, "iterator": first["iterator"]})).json()
    assert [item["id"] for item in second["data"]] == [made[2], made[1], made[0]]
    assert second["done"] is True
    back = (await client.get(path, params={"limit": 3, "iterator": second["prevIterator"]})).json()
    assert [item["id"] for item in back["data"]] == [made[4], made[3]]
    upwards = (await client.get(path, params={"order": "ascending"})).json()
    assert [item["id"] for item in upwards["data"]] == made


async def test_a_list_of_fifty_needs_at_most_three_statements(
    client: httpx.AsyncClient, application: str, path: str, statements: list[str]
) -> None:
    await asyncio.gather(*(factories.create_endpoint(client, application) for _ in range(50)))
    statements.clear()
    assert len((await client.get(path)).json()["data"]) == 50
    assert 0 < len(statements) <= 3, statements


async def test_put_creates_by_uid_and_then_replaces(client: httpx.AsyncClient, path: str) -> None:
    full = {"url": factories.URL, "description": "first", "channels": ["a"], "throttleRate": 3, "metadata": {"k": "v"}}
    created = await client.put(f"{path}/shop", json=full)
    assert (created.status_code, created.json()["uid"]) == (201, "shop")
    replaced = await client.put(f"{path}/shop", json={"url": factories.URL})
    assert replaced.status_code == 200
    assert replaced.json()["id"] == created.json()["id"]
    assert replaced.json()["uid"] == "shop"
    assert replaced.json().keys() == _ALWAYS | {"uid"}
    assert (replaced.json()["description"], replaced.json()["metadata"]) == ("", {})
    renamed = await client.put(f"{path}/shop", json={"url": factories.URL, "uid": "store"})
    assert (renamed.status_code, renamed.json()["uid"]) == (200, "store")
    assert (await client.get(f"{path}/shop")).status_code == 404


async def test_put_keeps_the_secret_and_the_headers(client: httpx.AsyncClient, application: str, path: str) -> None:
    endpoint = f"{path}/{(await factories.create_endpoint(client, application, headers={'X-Kept': '1'}))['id']}"
    secret = (await client.get(f"{endpoint}/secret")).json()
    assert (await client.put(endpoint, json={"url": factories.URL})).status_code == 200
    assert (await client.get(f"{endpoint}/secret")).json() == secret
    assert (await client.get(f"{endpoint}/headers")).json()["headers"] == {"X-Kept": "1"}


async def test_put_to_an_id_that_does_not_exist_creates_nothing(client: httpx.AsyncClient, path: str) -> None:
    response = await client.put(f"{path}/{ids.new_id('ep')}", json={"url": factories.URL})
    assert response.status_code == 404
    assert (await client.get(path)).json()["data"] == []


async def test_puts_of_one_new_uid_at_once_make_one_endpoint(client: httpx.AsyncClient, path: str) -> None:
    responses = await asyncio.gather(*(client.put(f"{path}/shop", json={"url": factories.URL}) for _ in range(6)))
    assert sorted(response.status_code for response in responses) == [200, 200, 200, 200, 200, 201]
    assert len({response.json()["id"] for response in responses}) == 1


async def test_patch_changes_only_what_it_names(client: httpx.AsyncClient, application: str, path: str) -> None:
    fields: Json = {"uid": "shop", "description": "d", "channels": ["a"], "throttleRate": 3, "metadata": {"k": "v"}}
    created = await factories.create_endpoint(client, application, **fields)
    patched = (await client.patch(f"{path}/shop", json={"disabled": True})).json()
    assert patched == created | {"disabled": True, "updatedAt": patched["updatedAt"]}
    cleared = (await client.patch(f"{path}/shop", json={"uid": None, "channels": None, "throttleRate": None})).json()
    assert cleared.keys() == _ALWAYS
    again = (await client.patch(f"{path}/{created['id']}", json={"channels": []})).json()
    assert again.keys().isdisjoint(_OPTIONAL)


@pytest.mark.parametrize(
    ("method", "suffix", "body"),
    [
        ("PATCH", "", {"disabled": True}),
        ("PUT", "", {"url": factories.URL}),
        ("PUT", "/headers", {"headers": {"X-A": "1"}}),
        ("PATCH", "/headers", {"headers": {"X-A": "1"}}),
        ("POST", "/secret/rotate", {}),
    ],
)
async def test_every_change_moves_updated_at_and_the_revision(
    client: httpx.AsyncClient, application: str, path: str, database: Database, method: str, suffix: str, body: Json
) -> None:
    created = await factories.create_endpoint(client, application)
    before = await _revision(database, created["id"])
    response = await client.request(method, f"{path}/{created['id']}{suffix}", json=body)
    assert response.is_success
    assert (await client.get(f"{path}/{created['id']}")).json()["updatedAt"] > created["updatedAt"]
    assert await _revision(database, created["id"]) == before + 1


async def test_a_taken_uid_is_a_conflict_and_changes_nothing(
    client: httpx.AsyncClient, application: str, path: str
) -> None:
    await factories.create_endpoint(client, application, uid="shop")
    other = await factories.create_endpoint(client, application, uid="store")
    responses = [
        await client.post(path, json={"url": factories.URL, "uid": "shop"}),
        await client.patch(f"{path}/store", json={"uid": "shop", "description": "lost"}),
        await client.put(f"{path}/store", json={"url": factories.URL, "uid": "shop"}),
        await client.put(f"{path}/third", json={"url": factories.URL, "uid": "shop"}),
    ]
    for response in responses:
        assert response.status_code == 409
        assert response.json()["code"] == "conflict"
        assert response.json()["detail"] == "An endpoint with that id or uid already exists"
    assert (await client.get(f"{path}/store")).json() == other
    assert len((await client.get(path)).json()["data"]) == 2


async def test_applications_do_not_share_uids(client: httpx.AsyncClient, application: str) -> None:
    elsewhere = await factories.create_application(client)
    first = await factories.create_endpoint(client, application, uid="shop")
    second = await factories.create_endpoint(client, elsewhere["id"], uid="shop")
    assert (await client.get(f"/app/{application}/endpoint/shop")).json()["id"] == first["id"]
    assert (await client.get(f"/app/{elsewhere['id']}/endpoint/shop")).json()["id"] == second["id"]
    assert (await client.get(f"/app/{application}/endpoint/{second['id']}")).status_code == 404


async def test_a_deleted_endpoint_is_gone_and_its_uid_is_free(
    client: httpx.AsyncClient, application: str, path: str
) -> None:
    first = await factories.create_endpoint(client, application, uid="shop")
    assert (await client.delete(f"{path}/shop")).status_code == 204
    assert (await client.delete(f"{path}/shop")).status_code == 404
    assert (await client.get(f"{path}/{first['id']}")).status_code == 404
    assert (await client.get(path)).json()["data"] == []
    assert (await factories.create_endpoint(client, application, uid="shop"))["id"] != first["id"]


async def test_deleting_cancels_what_waits_for_that_endpoint_only(
    client: httpx.AsyncClient, application: str, path: str, database: Database
) -> None:
    doomed = (await factories.create_endpoint(client, application))["id"]
    spared = (await factories.create_endpoint(client, application))["id"]
    message = (await factories.publish(client, application))["id"]
    assert (await client.delete(f"{path}/{doomed}")).status_code == 204
    waiting = await database.pool.fetch("SELECT endpoint_id FROM pending_deliveries WHERE message_id = $1", message)
    assert [row["endpoint_id"] for row in waiting] == [spared]
    ended = await database.pool.fetch("SELECT endpoint_id, state FROM deliveries WHERE message_id = $1", message)
    assert [tuple(row) for row in ended] == [(doomed, 4)]


async def test_operations_have_the_names_of_the_svix_api(anonymous: httpx.AsyncClient) -> None:
    document = (await anonymous.get("http://postrider.test/openapi.json")).json()
    prefix = "/api/v1/app/{app_id}/endpoint"
    names = {
        (method, path.removeprefix(prefix)): operation["operationId"].removeprefix("v1.endpoint.")
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if operation["tags"] == ["Endpoint"]
    }
    one = "/{endpoint_id}"
    wanted = {
        ("get", ""): "list",
        ("post", ""): "create",
        ("get", one): "get",
        ("put", one): "update",
        ("patch", one): "patch",
        ("delete", one): "delete",
        ("get", f"{one}/headers"): "get-headers",
        ("put", f"{one}/headers"): "update-headers",
        ("patch", f"{one}/headers"): "patch-headers",
        ("get", f"{one}/secret"): "get-secret",
        ("post", f"{one}/secret/rotate"): "rotate-secret",
        ("get", f"{one}/stats"): "get-stats",
        ("get", f"{one}/oauth"): "get-oauth",
        ("put", f"{one}/oauth"): "set-oauth-config",
        ("delete", f"{one}/oauth"): "delete-oauth-config",
        ("get", f"{one}/oauth-config"): "get-oauth-2",
        ("get", f"{one}/mtls"): "get-mtls",
        ("put", f"{one}/mtls"): "set-mtls-config",
        ("delete", f"{one}/mtls"): "delete-mtls-config",
        ("get", f"{one}/mtls-config"): "get-mtls-2",
        ("get", f"{one}/ca"): "get-server-ca",
        ("put", f"{one}/ca"): "set-server-ca",
        # Of ours; the Svix API has no such operation.
        ("get", f"{one}/authentication"): "get-authentication",
        ("put", f"{one}/authentication"): "set-authentication",
        ("delete", f"{one}/authentication"): "delete-authentication",
    }
    assert {place: name for place, name in names.items() if place in wanted} == wanted
