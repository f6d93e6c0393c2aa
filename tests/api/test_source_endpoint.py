"""Endpoints of a source: the endpoints of its application, by another name."""

import httpx
import pytest
from fastapi import FastAPI

from app.db.event_type.arrived import MOST
from app.db.session import Database
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


async def test_event_types_of_its_provider_can_be_asked_for_before_the_first_event(
    client: httpx.AsyncClient, source: Json
) -> None:
    made = await client.post(
        f"{INGEST}/source/payments/endpoint", json={"url": factories.URL, "eventTypes": ["stripe.invoice.paid"]}
    )
    assert (made.status_code, made.json()["filterTypes"]) == (201, ["stripe.invoice.paid"])
    path = f"/app/{source['applicationId']}/endpoint"
    named = {"url": factories.URL, "filterTypes": ["stripe", "stripe.invoice.voided"]}
    assert (await client.post(path, json=named)).status_code == 201
    assert (await client.patch(f"{path}/{made.json()['id']}", json={"filterTypes": ["stripe.a"]})).is_success
    assert (await client.put(f"{path}/till", json=named | {"filterTypes": ["stripe.b"]})).is_success
    types = (await client.get("/event-type")).json()["data"]
    assert {(one["name"], one["groupName"]) for one in types} == {
        (name, "stripe") for name in ("stripe", "stripe.invoice.paid", "stripe.invoice.voided", "stripe.a", "stripe.b")
    }
    assert types[0]["description"] == "Sent by Stripe, and expected at a source."


async def test_what_no_source_of_it_will_bring_is_refused_with_what_to_do_and_nothing_is_created(
    client: httpx.AsyncClient, source: Json
) -> None:
    other = await factories.create_source(client, "github", uid="repositories")
    await factories.create_event_type(client, "stripe.old", archived=True)
    path = f"{INGEST}/source/payments/endpoint"
    for name in ("github.push", "stripes.paid", "invoice.paid", "stripe.old"):
        refused = await client.post(path, json={"url": factories.URL, "eventTypes": ["stripe.new", name]})
        assert refused.status_code == 422, name
        (violation,) = refused.json()["detail"]
        assert f"don't exist: {name}. Create them with POST /api/v1/event-type" in violation["msg"]
    assert (await client.get("/event-type")).json()["data"] == []
    # Once it is deleted, nothing comes from it any more.
    assert (await client.delete(f"{INGEST}/source/repositories")).is_success
    body = {"url": factories.URL, "eventTypes": ["github.push"]}
    assert (await client.post(f"/app/{other['applicationId']}/endpoint", json=body)).status_code in {404, 422}


async def test_a_schedules_event_type_can_be_asked_for_too(client: httpx.AsyncClient) -> None:
    config = {"schedule": "0 0 1 1 *", "payload": "{}"}
    made = await factories.create_source(client, "cron", config=config)
    path = f"{INGEST}/source/{made['id']}/endpoint"
    assert (await client.post(path, json={"url": factories.URL, "eventTypes": ["cron"]})).status_code == 201
    assert (await client.post(path, json={"url": factories.URL, "eventTypes": ["cron.b"]})).status_code == 422


async def test_beyond_the_most_event_types_none_is_created_for_an_endpoint(
    client: httpx.AsyncClient, source: Json, database: Database
) -> None:
    await factories.create_event_type(client, "own")
    organization = await database.pool.fetchval("SELECT organization_id FROM sources WHERE id = $1", source["id"])
    await database.pool.execute(
        "INSERT INTO event_types (id, organization_id, name, description, created_at, updated_at)"
        " SELECT 'evtype_' || gen_random_uuid(), $1, 'filler.' || n, '', now(), now() FROM generate_series(1, $2) n",
        organization,
        MOST - 2,
    )
    path = f"{INGEST}/source/payments/endpoint"
    refused = await client.post(path, json={"url": factories.URL, "eventTypes": ["stripe.a", "stripe.b"]})
    assert refused.status_code == 422
    assert (await client.post(path, json={"url": factories.URL, "eventTypes": ["stripe.a"]})).status_code == 201


async def test_a_portal_creates_no_event_types(app: FastAPI, client: httpx.AsyncClient, source: Json) -> None:
    access = await client.post(f"/auth/app-portal-access/{source['applicationId']}", json={})
    path = f"/app/{source['applicationId']}/endpoint"
    async with factories.client_of(app, access.json()["token"]) as portal:
        body = {"url": factories.URL, "eventTypes": ["stripe.invoice.paid"]}
        assert (await portal.post(path, json=body)).status_code == 422
        assert (await portal.post(path, json={"url": factories.URL})).status_code == 201
