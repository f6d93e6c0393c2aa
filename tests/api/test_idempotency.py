"""A POST that is made again with its key gets the answer of the first one, and does nothing."""

import asyncio
import json
from base64 import b64decode
from collections.abc import Iterator
from typing import Final

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from app import tokens
from app.api.api import router
from app.api.lean import LeanRoute
from app.api.strict import StrictRoute
from app.db.session import Database
from app.settings import Settings
from tests import factories
from tests.api.shop import Shop
from tests.factories import Json

KEY: Final = "Idempotency-Key"


async def applications(client: httpx.AsyncClient) -> list[str]:
    answer = await client.get("/app")
    return [found["id"] for found in answer.json()["data"]]


async def test_the_same_request_again_gets_the_same_answer_and_creates_nothing(client: httpx.AsyncClient) -> None:
    answers = [await client.post("/app", json={"name": "Acme"}, headers={KEY: "auto_1"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201] * 3
    assert len({answer.content for answer in answers}) == 1
    assert answers[2].headers["content-type"] == answers[0].headers["content-type"] == "application/json"
    assert await applications(client) == [answers[0].json()["id"]]


async def test_an_answer_without_a_body_is_repeated_too(client: httpx.AsyncClient, shop: Shop) -> None:
    path = f"/app/{shop.application}/endpoint/{shop.endpoint}/secret"
    answers = [await client.post(f"{path}/rotate", json={}, headers={KEY: "auto_1"}) for _ in range(2)]
    assert [(answer.status_code, answer.content) for answer in answers] == [(204, b"")] * 2
    rotated = (await client.get(path)).json()["key"]
    await client.post(f"{path}/rotate", json={}, headers={KEY: "auto_1"})
    assert (await client.get(path)).json()["key"] == rotated


async def test_a_key_with_another_body_is_a_conflict_that_says_so(client: httpx.AsyncClient) -> None:
    assert (await client.post("/app", json={"name": "One"}, headers={KEY: "auto_1"})).status_code == 201
    answer = await client.post("/app", json={"name": "Two"}, headers={KEY: "auto_1"})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "another body" in answer.json()["detail"]
    assert len(await applications(client)) == 1


async def test_a_key_is_of_one_operation_and_one_query(client: httpx.AsyncClient) -> None:
    headers = {KEY: "auto_1"}
    first = await client.post("/app", json={"name": "One", "uid": "acme"}, headers=headers)
    other = await client.post("/app?get_if_exists=true", json={"name": "One", "uid": "acme"}, headers=headers)
    endpoint = await client.post("/app/acme/endpoint", json={"url": "https://example.com/"}, headers=headers)
    assert (first.status_code, other.status_code, endpoint.status_code) == (201, 200, 201)


async def test_a_key_is_its_callers(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, shop: Shop, shop_portal: httpx.AsyncClient
) -> None:
    body, path = {"url": "https://example.com/"}, f"/app/{shop.application}/endpoint"
    answers = [await caller.post(path, json=body, headers={KEY: "auto_1"}) for caller in (client, shop_portal)]
    assert [answer.status_code for answer in answers] == [201] * 2
    assert len({answer.json()["id"] for answer in answers}) == 2
    assert (await stranger.post(path, json=body, headers={KEY: "auto_1"})).status_code == 404
    mine = await client.post("/app", json={"name": "Same"}, headers={KEY: "auto_2"})
    theirs = await stranger.post("/app", json={"name": "Same"}, headers={KEY: "auto_2"})
    assert mine.json()["id"] != theirs.json()["id"]


@pytest.mark.parametrize(
    ("body", "status"), [({"name": ""}, 422), ({"name": "Taken", "uid": "taken"}, 409), ({"uid": "no-name"}, 422)]
)
async def test_a_request_that_failed_leaves_its_key_free(client: httpx.AsyncClient, body: Json, status: int) -> None:
    await client.post("/app", json={"name": "Holder", "uid": "taken"})
    for _ in range(2):
        assert (await client.post("/app", json=body, headers={KEY: "auto_1"})).status_code == status
    assert (await client.post("/app", json={"name": "Good"}, headers={KEY: "auto_1"})).status_code == 201


async def test_ten_requests_with_one_key_at_once_create_one(
    client: httpx.AsyncClient, app: FastAPI, settings: Settings, token: str
) -> None:
    async with factories.running(settings) as other, factories.client_of(other, token) as there:
        answers = await asyncio.gather(
            *(
                (client if number % 2 else there).post("/app", json={"name": "Acme"}, headers={KEY: "auto_1"})
                for number in range(10)
            )
        )
    assert [answer.status_code for answer in answers] == [201] * 10
    assert len({answer.content for answer in answers}) == 1
    assert len(await applications(client)) == 1


async def test_a_key_is_forgotten_after_twelve_hours(
    client: httpx.AsyncClient, database: Database, organization_id: str
) -> None:
    first = await client.post("/app", json={"name": "One"}, headers={KEY: "auto_1"})
    for age, created in (("11 hours 59 minutes", False), ("12 hours 1 second", True)):
        await database.pool.execute(
            f"UPDATE idempotent_responses SET created_at = now() - interval '{age}' WHERE organization_id = $1",
            organization_id,
        )
        again = await client.post("/app", json={"name": "One"}, headers={KEY: "auto_1"})
        assert (again.json()["id"] != first.json()["id"]) == created
    renewed = await client.post("/app", json={"name": "One"}, headers={KEY: "auto_1"})
    assert renewed.content == again.content


async def test_an_answer_is_stored_with_what_it_tells_of_or_not_at_all(
    client: httpx.AsyncClient, database: Database, organization_id: str
) -> None:
    """The commit fails: neither the application nor the answer is there, and the request can be made again."""
    await database.pool.execute(
        f"""CREATE FUNCTION pg_temp_refuse_{organization_id.lower()}() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'refused'; END $$"""
    )
    await database.pool.execute(
        f"""CREATE CONSTRAINT TRIGGER refuse_{organization_id.lower()} AFTER INSERT ON applications
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.organization_id = '{organization_id}')
        EXECUTE FUNCTION pg_temp_refuse_{organization_id.lower()}()"""
    )
    try:
        assert (await client.post("/app", json={"name": "One"}, headers={KEY: "auto_1"})).status_code == 500
    finally:
        await database.pool.execute(f"DROP TRIGGER refuse_{organization_id.lower()} ON applications")
        await database.pool.execute(f"DROP FUNCTION pg_temp_refuse_{organization_id.lower()}()")
    stored = "SELECT count(*) FROM idempotent_responses WHERE organization_id = $1"
    assert await database.pool.fetchval(stored, organization_id) == 0
    answers = [await client.post("/app", json={"name": "One"}, headers={KEY: "auto_1"}) for _ in range(2)]
    assert answers[0].status_code == 201
    assert answers[0].content == answers[1].content


async def test_an_answer_is_sealed_where_it_is_stored(
    client: httpx.AsyncClient, database: Database, organization_id: str, shop: Shop
) -> None:
    path = f"/auth/app-portal-access/{shop.application}"
    answers = [await client.post(path, json={}, headers={KEY: "auto_1"}) for _ in range(2)]
    assert answers[0].json()["token"] == answers[1].json()["token"]
    stored = "SELECT body FROM idempotent_responses WHERE organization_id = $1"
    assert answers[0].json()["token"].encode() not in await database.pool.fetchval(stored, organization_id)


async def test_who_may_do_less_is_not_given_the_answer_of_who_may_do_more(
    app: FastAPI, client: httpx.AsyncClient, organization_id: str
) -> None:
    path, wanted = f"/management/authentication/{organization_id}/api-token", {"name": "Everything"}
    scoped = await client.post(path, json={"name": "Keys", "scopes": ["v1.management.authentication.*"]})
    assert (await client.post(path, json=wanted, headers={KEY: "auto_1"})).status_code == 200
    async with factories.client_of(app, scoped.json()["token"]) as lesser:
        assert (await lesser.post(path, json=wanted, headers={KEY: "auto_1"})).status_code == 403


async def test_an_operation_without_a_token_is_not_refused_for_a_bad_one(
    app: FastAPI, client: httpx.AsyncClient, shop: Shop
) -> None:
    link = (await client.post(f"/auth/app-portal-access/{shop.application}", json={})).json()["url"]
    one_time = json.loads(b64decode(link.partition("#key=")[2]))["oneTimeToken"]
    async with factories.client_of(app, "stale") as browser:
        answer = await browser.post("/auth/one-time-token", json={"oneTimeToken": one_time}, headers={KEY: "auto_1"})
    assert answer.status_code == 200


async def test_a_key_without_a_good_token_is_nobodys(app: FastAPI, settings: Settings) -> None:
    assert settings.jwt_secret is not None
    forged = tokens.issue("another secret, of the same length as ours", settings.jwt_algorithm)
    async with factories.client_of(app, forged) as forger:
        answer = await forger.post("/app", json={"name": "One"}, headers={KEY: "auto_1"})
    assert answer.status_code == 401


def test_every_post_stores_its_answer() -> None:
    """Its route settles what its session claims."""
    posts = [route for route in routes(router) if "POST" in (route.methods or ())]
    assert len(posts) > 10
    # These have their own ways (tests/api/test_message_idempotency.py, tests/worker/test_trial.py).
    assert {route.path for route in posts if isinstance(route, LeanRoute)} == {
        "/app/{app_id}/msg",
        "/app/{app_id}/endpoint/{endpoint_id}/msg/test-attempt",
    }
    assert [route.path for route in posts if not isinstance(route, LeanRoute | StrictRoute)] == []


def routes(group: APIRouter) -> Iterator[APIRoute]:
    """All routes of a router, and of those that it includes."""
    for route in group.routes:
        if isinstance(route, APIRoute):
            yield route
        else:
            yield from routes(route.original_router)  # type: ignore[attr-defined]  # FastAPI's own class for those
