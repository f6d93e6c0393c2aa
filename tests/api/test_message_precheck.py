"""Asking whether anybody would get a message: the answer is what publishing would do."""

import httpx
import pytest
from fastapi import FastAPI
from svix.api import SvixAsync
from svix.models import MessagePrecheckIn

from app import ids
from app.db.session import Database
from tests import factories
from tests.api.publishing import count_stored, count_work
from tests.db.test_publish import MATCHES
from tests.factories import Json


@pytest.mark.parametrize(("endpoint", "event_type", "channels", "expected"), MATCHES)
async def test_an_endpoint_is_active_for_what_it_would_get(
    client: httpx.AsyncClient,
    application: str,
    endpoint: Json,
    event_type: str,
    channels: tuple[str, ...] | None,
    expected: bool,
) -> None:
    for name in endpoint.get("eventTypes", []):
        await factories.create_event_type(client, name)
    path = f"/app/{application}/msg/precheck/active"
    asked: Json = {"eventType": event_type, "channels": channels}
    assert (await client.post(path, json=asked)).json() == {"active": False}
    made = (await factories.create_endpoint(client, application, **endpoint))["id"]
    answer = await client.post(path, json=asked)
    assert (answer.status_code, answer.json()) == (200, {"active": expected})
    await client.delete(f"/app/{application}/endpoint/{made}")
    assert (await client.post(path, json=asked)).json() == {"active": False}


async def test_asking_writes_nothing_also_with_a_key(
    client: httpx.AsyncClient, application: str, database: Database, organization_id: str
) -> None:
    await factories.create_endpoint(client, application)
    headers = {"idempotency-key": "k"}
    for _ in range(2):
        answer = await client.post(f"/app/{application}/msg/precheck/active", json={"eventType": "a"}, headers=headers)
        assert answer.json() == {"active": True}
    assert set((await count_stored(database.pool, organization_id)).values()) == {0}
    assert await count_work(database.pool, organization_id) == 0
    query = "SELECT count(*) FROM idempotent_responses WHERE organization_id = $1"
    assert await database.pool.fetchval(query, organization_id) == 0


async def test_an_application_is_found_by_its_uid_and_only_by_its_organization(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    uid = factories.unique("acme")
    made = (await factories.create_application(client, uid=uid))["id"]
    for name in (made, uid):
        path = f"/app/{name}/msg/precheck/active"
        assert (await client.post(path, json={"eventType": "a"})).json() == {"active": False}
        refused = await stranger.post(path, json={"eventType": "a"})
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    unknown = f"/app/{ids.new_id('app')}/msg/precheck/active"
    assert (await client.post(unknown, json={"eventType": "a"})).status_code == 404


@pytest.mark.parametrize(
    ("fields", "loc"),
    [
        ({}, ["body", "eventType"]),
        ({"eventType": "a b"}, ["body", "eventType"]),
        ({"eventType": "a", "channels": []}, ["body", "channels"]),
        ({"eventType": "a", "channels": ["a,b"]}, ["body", "channels", "[0]"]),
    ],
)
async def test_a_bad_question_is_refused(
    client: httpx.AsyncClient, application: str, fields: Json, loc: list[str]
) -> None:
    answer = await client.post(f"/app/{application}/msg/precheck/active", json=fields)
    assert answer.status_code == 422
    assert [found["loc"] for found in answer.json()["detail"]] == [loc]


async def test_a_portal_may_neither_ask_nor_broadcast(
    client: httpx.AsyncClient, application: str, app: FastAPI
) -> None:
    token = (await client.post(f"/auth/app-portal-access/{application}", json={})).json()["token"]
    async with factories.client_of(app, token) as portal:
        for path in (f"/app/{application}/msg/precheck/active", "/msg/broadcast"):
            answer = await portal.post(path, json={"eventType": "a", "payload": {}})
            assert (answer.status_code, answer.json()["code"]) == (403, "insufficient access")


async def test_the_official_client_asks(svix: SvixAsync, client: httpx.AsyncClient, application: str) -> None:
    await factories.create_endpoint(client, application, channels=["eu"])
    for channels, active in ((["eu", "us"], True), (["us"], False), (None, False)):
        asked = MessagePrecheckIn(event_type="a", channels=channels)
        assert (await svix.message.precheck(application, asked)).active is active
