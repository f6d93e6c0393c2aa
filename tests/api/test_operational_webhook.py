"""Operational webhook endpoints over the API, and the application behind them that nobody sees."""

import asyncio
import json
from base64 import b64decode

import httpx
import pytest
import redis
from svix.api import SvixAsync
from svix.api.operational_webhook_endpoint import OperationalWebhookEndpointListOptions
from svix.models import (
    OperationalWebhookEndpointHeadersIn,
    OperationalWebhookEndpointIn,
    OperationalWebhookEndpointSecretIn,
    OperationalWebhookEndpointUpsertIn,
)

from app.db.session import Database
from app.db.shard.model import shard_of
from tests import factories
from tests.api.shop import Shop
from tests.factories import URL, Json

PATH = "/operational-webhook/endpoint"
SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
OPERATIONS = {
    "list": ("get", PATH),
    "create": ("post", PATH),
    "get": ("get", f"{PATH}/{{endpoint_id}}"),
    "upsert": ("put", f"{PATH}/{{endpoint_id}}"),
    "delete": ("delete", f"{PATH}/{{endpoint_id}}"),
    "get-headers": ("get", f"{PATH}/{{endpoint_id}}/headers"),
    "set-headers": ("put", f"{PATH}/{{endpoint_id}}/headers"),
    "get-secret": ("get", f"{PATH}/{{endpoint_id}}/secret"),
    "rotate-secret": ("post", f"{PATH}/{{endpoint_id}}/secret/rotate"),
}


async def create(client: httpx.AsyncClient, **fields: object) -> Json:
    answer = await client.post(PATH, json={"url": URL} | fields)
    assert answer.status_code == 201, answer.text
    created: Json = answer.json()
    return created


async def hidden_application(database: Database, organization_id: str) -> str:
    query = "SELECT operational_application_id FROM organizations WHERE id = $1"
    return str(await database.pool.fetchval(query, organization_id))


@pytest.mark.parametrize("name", OPERATIONS)
async def test_an_operation_has_the_name_and_path_of_the_svix_api(anonymous: httpx.AsyncClient, name: str) -> None:
    method, path = OPERATIONS[name]
    document = (await anonymous.get("/openapi.json")).json()
    operation = document["paths"][f"/api/v1{path}"][method]
    assert (operation["operationId"], operation["tags"]) == (
        f"v1.operational-webhook.endpoint.{name}",
        ["Webhook Endpoint"],
    )


async def test_the_official_client_manages_operational_endpoints(svix: SvixAsync) -> None:
    endpoints = svix.operational_webhook.endpoint
    assert (await endpoints.list()).data == []
    made = await endpoints.create(
        OperationalWebhookEndpointIn(
            url=URL,
            uid="ops",
            event_types=["endpoint.disabled", "message.attempt.failing"],
            throttle_rate=5,
            secret=SECRET,
            headers={"X-A": "1", "Authorization": "Basic x"},
            metadata={"team": "ops"},
        )
    )
    assert (made.uid, made.event_types, made.throttle_rate, made.metadata, made.disabled) == (
        "ops",
        ["endpoint.disabled", "message.attempt.failing"],
        5,
        {"team": "ops"},
        False,
    )
    assert await endpoints.get("ops") == made
    headers = await endpoints.get_headers(made.id)
    assert (headers.headers, list(headers.sensitive)) == ({"X-A": "1"}, ["Authorization"])
    await endpoints.set_headers("ops", OperationalWebhookEndpointHeadersIn(headers={"X-B": "2"}))
    assert (await endpoints.get_headers("ops")).headers == {"X-B": "2"}
    assert (await endpoints.get_secret("ops")).key == SECRET
    await endpoints.rotate_secret("ops", OperationalWebhookEndpointSecretIn())
    assert (await endpoints.get_secret("ops")).key != SECRET
    replaced = await endpoints.upsert("ops", OperationalWebhookEndpointUpsertIn(url=URL, description="d"))
    assert (replaced.id, replaced.uid, replaced.description, replaced.event_types) == (made.id, "ops", "d", None)
    second = await endpoints.upsert("other", OperationalWebhookEndpointUpsertIn(url=URL))
    page = await endpoints.list(OperationalWebhookEndpointListOptions(limit=1))
    assert ([item.id for item in page.data], page.done) == ([second.id], False)
    await endpoints.delete("other")
    assert [item.id for item in (await endpoints.list()).data] == [made.id]


async def test_what_is_no_operational_event_type_is_refused_with_those_that_are(client: httpx.AsyncClient) -> None:
    answer = await client.post(PATH, json={"url": URL, "eventTypes": ["endpoint.disabled", "invoice.paid"]})
    assert answer.status_code == 422
    (violation,) = answer.json()["detail"]
    assert violation["loc"] == ["body", "eventTypes"]
    assert "are invoice.paid." in violation["msg"]
    assert "endpoint.disabled" in violation["msg"]


async def test_nothing_is_there_before_the_first_was_made(client: httpx.AsyncClient) -> None:
    assert (await client.get(PATH)).json() == {"data": [], "iterator": None, "done": True}
    assert (await client.get(f"{PATH}/ops")).status_code == 404
    assert (await client.delete(f"{PATH}/ops")).status_code == 404
    assert (await client.put(f"{PATH}/ep_1srOrx2ZWZBpBUvZwXKQmoEYga2", json={"url": URL})).status_code == 404


async def test_a_stranger_does_not_see_them(client: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    made = await create(client, uid="ops")
    await create(stranger, uid="theirs")
    for reference in (made["id"], "ops"):
        assert (await stranger.get(f"{PATH}/{reference}")).status_code == 404
        assert (await stranger.get(f"{PATH}/{reference}/secret")).status_code == 404
        assert (await stranger.delete(f"{PATH}/{reference}")).status_code == 404
    assert [item["uid"] for item in (await stranger.get(PATH)).json()["data"]] == ["theirs"]


async def test_a_portal_may_not_ask_for_them(shop_portal: httpx.AsyncClient) -> None:
    async with shop_portal:
        assert (await shop_portal.get(PATH)).status_code == 403
        assert (await shop_portal.post(PATH, json={"url": URL})).status_code == 403


async def test_the_application_behind_them_is_nowhere_to_be_found(
    client: httpx.AsyncClient, database: Database, organization_id: str
) -> None:
    made = await create(client)
    visible = (await factories.create_application(client))["id"]
    hidden = await hidden_application(database, organization_id)
    assert hidden.startswith("app_")
    assert [item["id"] for item in (await client.get("/app")).json()["data"]] == [visible]
    message = {"eventType": "endpoint.disabled", "payload": {}}
    answers = [
        await client.get(f"/app/{hidden}"),
        await client.put(f"/app/{hidden}", json={"name": "mine"}),
        await client.patch(f"/app/{hidden}", json={"name": "mine"}),
        await client.delete(f"/app/{hidden}"),
        await client.get(f"/app/{hidden}/endpoint"),
        await client.get(f"/app/{hidden}/endpoint/{made['id']}/secret"),
        await client.get(f"/app/{hidden}/msg"),
        await client.get(f"/app/{hidden}/attempt/endpoint/{made['id']}"),
        await client.post(f"/app/{hidden}/msg", json=message),
        await client.post(f"/auth/app-portal-access/{hidden}", json={}),
        await client.get(f"/app/{visible}/endpoint/{made['id']}"),
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert (await client.get(f"{PATH}/{made['id']}")).json() == made


async def test_many_that_are_made_at_once_have_one_application(
    client: httpx.AsyncClient, database: Database, organization_id: str
) -> None:
    await asyncio.gather(*(create(client, uid=f"ops-{number}") for number in range(8)))
    assert len((await client.get(PATH)).json()["data"]) == 8
    query = "SELECT count(*) FROM applications WHERE organization_id = $1"
    assert await database.pool.fetchval(query, organization_id) == 1


async def test_an_organizations_uids_of_applications_and_operational_endpoints_do_not_meet(
    client: httpx.AsyncClient,
) -> None:
    await create(client, uid="acme")
    await factories.create_application(client, uid="acme")
    again = await client.post(PATH, json={"url": URL, "uid": "acme"})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


async def test_a_ring_tells_the_workers_of_what_is_told(client: httpx.AsyncClient, shop: Shop, redis_dsn: str) -> None:
    listener = (await create(client))["id"]
    with redis.Redis.from_url(redis_dsn) as broker:
        broker.delete("postrider:postrider")
        await client.patch(f"/app/{shop.application}/endpoint/{shop.endpoint}", json={"disabled": True})
        async with asyncio.timeout(10):
            while not any(shard_of(listener) in shards for shards in _tasks(broker)):
                await asyncio.sleep(0.02)


def _tasks(broker: redis.Redis) -> list[list[int]]:
    """The shards of each task that waits for a worker."""
    tasks = broker.lrange("postrider:postrider", 0, -1)
    return [json.loads(b64decode(json.loads(task)["body"]))[0][0] for task in tasks]
