"""Endpoints of a source: the endpoints of its application, by another name."""

import httpx
import pytest
from fastapi import FastAPI

from tests import factories
from tests.factories import INGEST, Json

CODE = "function handler(webhook) { return webhook; }"


@pytest.fixture
async def source(client: httpx.AsyncClient) -> Json:
    return await factories.create_source(client, uid="payments")


async def test_they_are_the_endpoints_of_the_sources_application(client: httpx.AsyncClient, source: Json) -> None:
    path, own = f"{INGEST}/source/payments/endpoint", f"/app/{source['applicationId']}/endpoint"
    made = await client.post(path, json={"url": factories.URL, "uid": "till", "headers": {"X-Shop": "1"}})
    assert made.status_code == 201, made.text
    assert (await client.get(f"{own}/till")).json() == made.json()
    other = (await factories.create_endpoint(client, source["applicationId"]))["id"]
    assert {item["id"] for item in (await client.get(path)).json()["data"]} == {made.json()["id"], other}
    replaced = await client.put(f"{path}/till", json={"url": factories.URL, "description": "new"})
    assert (replaced.status_code, replaced.json()["description"]) == (200, "new")
    assert (await client.get(f"{path}/till/headers")).json()["headers"] == {"X-Shop": "1"}
    await client.put(f"{path}/till/headers", json={"headers": {"Authorization": "Bearer a"}})
    assert (await client.get(f"{own}/till/headers")).json() == {"headers": {}, "sensitive": ["Authorization"]}
    secret = (await client.get(f"{path}/till/secret")).json()
    assert (await client.post(f"{path}/till/secret/rotate", json={})).status_code == 204
    assert (await client.get(f"{own}/till/secret")).json() == (await client.get(f"{path}/till/secret")).json() != secret
    assert (await client.delete(f"{path}/till")).status_code == 204
    assert (await client.get(f"{own}/till")).status_code == 404


async def test_their_code_is_tried_before_it_is_kept(client: httpx.AsyncClient, source: Json) -> None:
    path = f"{INGEST}/source/payments/endpoint"
    await client.post(path, json={"url": factories.URL, "uid": "till"})
    refused = await client.patch(f"{path}/till/transformation", json={"code": "this is no JavaScript"})
    assert [found["loc"] for found in refused.json()["detail"]] == [["body", "code"]]
    kept = await client.patch(f"{path}/till/transformation", json={"code": CODE, "enabled": True})
    assert kept.status_code == 204, kept.text
    found = (await client.get(f"{path}/till/transformation")).json()
    assert (found["code"], found["enabled"]) == (CODE, True)
    assert (await client.get(f"/app/{source['applicationId']}/endpoint/till/transformation")).json() == found


async def test_a_source_that_is_not_the_callers_has_none(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, source: Json
) -> None:
    for reference in ("payments", source["id"]):
        path = f"{INGEST}/source/{reference}/endpoint"
        answers = [
            await stranger.get(path),
            await stranger.post(path, json={"url": factories.URL}),
            await stranger.patch(f"{path}/till/transformation", json={"code": CODE}),
        ]
        assert [answer.status_code for answer in answers] == [404] * 3
    assert (await client.get(f"{INGEST}/source/payments/endpoint")).json()["data"] == []


async def test_they_end_with_their_source(client: httpx.AsyncClient, source: Json) -> None:
    path = f"{INGEST}/source/payments/endpoint"
    await client.post(path, json={"url": factories.URL, "uid": "till"})
    await client.delete(f"{INGEST}/source/payments")
    assert (await client.get(f"{path}/till")).status_code == 404


async def test_a_token_that_reads_gets_no_secret_and_no_code(
    app: FastAPI, client: httpx.AsyncClient, organization_id: str, source: Json
) -> None:
    path = f"{INGEST}/source/payments/endpoint"
    await client.post(path, json={"url": factories.URL, "uid": "till"})
    keys = f"/management/authentication/{organization_id}/api-token"
    token = (await client.post(keys, json={"name": "Reader", "scopes": ["read"]})).json()["token"]
    async with factories.client_of(app, token) as reader:
        for allowed in (f"{path}/till", f"{path}/till/headers", f"{INGEST}/source/{source['id']}/log"):
            assert (await reader.get(allowed)).status_code == 200
        for refused in (f"{path}/till/secret", f"{path}/till/transformation"):
            assert (await reader.get(refused)).status_code == 403
        assert (await reader.post(f"{INGEST}/source/payments/token/rotate")).status_code == 403
    token = (await client.post(keys, json={"name": "Ingest", "scopes": ["v1.ingest.source.*"]})).json()["token"]
    async with factories.client_of(app, token) as keeper:
        assert (await keeper.post(f"{INGEST}/source/payments/token/rotate")).status_code == 200
        assert (await keeper.get(path)).status_code == 403
