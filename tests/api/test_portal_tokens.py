"""Tokens of application portals: what they can do, and how they end before they expire."""

import asyncio

import httpx
import jwt
import pytest
from fastapi import FastAPI
from svix.api import SvixAsync
from svix.models import ApplicationIn, ApplicationTokenExpireIn, AppPortalAccessIn

from app.db.api_token.fresh import forget_revocations
from app.db.session import Database
from tests import factories
from tests.api.shop import Shop
from tests.factories import Json

FOUR_WEEKS = 28 * 86400
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


async def portal_token(client: httpx.AsyncClient, application: str, **fields: object) -> str:
    answer = await client.post(f"/auth/app-portal-access/{application}", json=fields)
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["token"]
    return token


async def statuses(app: FastAPI, application: str, *tokens: str) -> list[int]:
    """What each token gets, once this process has asked what changed."""
    await app.state.token_watch.ask()
    found = []
    for token in tokens:
        async with factories.client_of(app, token) as portal:
            found.append((await portal.get(f"/app/{application}/endpoint")).status_code)
    return found


async def test_who_logs_out_is_out_and_others_stay(app: FastAPI, client: httpx.AsyncClient, application: str) -> None:
    one, other = [await portal_token(client, application) for _ in range(2)]
    assert await statuses(app, application, one, other) == [200, 200]
    async with factories.client_of(app, one) as portal:
        assert (await portal.post("/auth/logout")).status_code == 204
    assert await statuses(app, application, one, other) == [401, 200]


async def test_a_token_that_was_logged_out_has_no_other_spelling(
    app: FastAPI, client: httpx.AsyncClient, application: str
) -> None:
    token = await portal_token(client, application)
    async with factories.client_of(app, token) as portal:
        assert (await portal.post("/auth/logout")).status_code == 204
    spellings = [token[:-1] + letter for letter in ALPHABET] + [f"{token}=", f"{token}A"]
    assert set(await statuses(app, application, *spellings)) == {401}


async def test_all_tokens_of_an_application_are_expired_but_not_those_that_come_after(
    app: FastAPI, client: httpx.AsyncClient, application: str
) -> None:
    neighbour = (await factories.create_application(client, name="Neighbour"))["id"]
    before, others = await portal_token(client, application), await portal_token(client, neighbour)
    assert await statuses(app, application, before) == [200]
    assert (await client.post(f"/auth/app/{application}/expire-all", json={})).status_code == 204
    after = await portal_token(client, application)
    assert await statuses(app, application, before, after) == [401, 200]
    assert await statuses(app, neighbour, others) == [200]
    assert (await client.get(f"/app/{application}")).status_code == 200


async def test_the_tokens_of_a_session_are_expired_alone(
    app: FastAPI, client: httpx.AsyncClient, application: str
) -> None:
    anna = await portal_token(client, application, sessionId="anna")
    otto = await portal_token(client, application, sessionId="otto")
    none = await portal_token(client, application)
    expired = await client.post(f"/auth/app/{application}/expire-all", json={"sessionIds": ["anna", "nobody"]})
    assert expired.status_code == 204
    assert await statuses(app, application, anna, otto, none) == [401, 200, 200]


async def test_tokens_can_be_expired_after_a_while(app: FastAPI, client: httpx.AsyncClient, application: str) -> None:
    token = await portal_token(client, application)
    assert (await client.post(f"/auth/app/{application}/expire-all", json={"expiry": 1})).status_code == 204
    assert await statuses(app, application, token) == [200]
    async with factories.client_of(app, token) as portal:
        while (await portal.get(f"/app/{application}")).status_code != 401:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    "body", [{"expiry": -1}, {"expiry": 259_201}, {"expiry": "1"}, {"sessionIds": ["a b"]}, {"sessionIds": "a"}]
)
async def test_a_wrong_wish_to_expire_is_refused(client: httpx.AsyncClient, application: str, body: Json) -> None:
    assert (await client.post(f"/auth/app/{application}/expire-all", json=body)).status_code == 422


async def test_expiring_is_for_the_organization_alone(
    app: FastAPI, client: httpx.AsyncClient, stranger: httpx.AsyncClient, application: str
) -> None:
    token = await portal_token(client, application)
    path = f"/auth/app/{application}/expire-all"
    async with factories.client_of(app, token) as portal:
        assert (await portal.post(path, json={})).status_code == 403
    assert (await stranger.post(path, json={})).status_code == 404
    assert await statuses(app, application, token) == [200]


EVERYTHING = {"list", "secret", "rotate", "create", "resend"}
CAPABLE: list[tuple[Json, set[str]]] = [
    ({"capabilities": ["ViewBase"]}, {"list"}),
    # To look is part of each.
    ({"capabilities": ["ViewEndpointSecret"]}, {"list", "secret"}),
    ({"capabilities": ["ManageEndpointSecret"]}, {"list", "secret", "rotate"}),
    ({"capabilities": ["ManageTransformations"]}, {"list"}),
    ({"capabilities": ["CreateAttempts"]}, {"list", "resend"}),
    ({"capabilities": ["ManageEndpoint"]}, {"list", "secret", "rotate", "create"}),
    ({"capabilities": ["ViewBase", "ViewEndpointSecret"]}, {"list", "secret"}),
    ({"readOnly": True}, {"list"}),
    ({"readOnly": False}, EVERYTHING),
    ({}, EVERYTHING),
]


@pytest.mark.parametrize(("fields", "can"), CAPABLE, ids=[str(fields) for fields, _ in CAPABLE])
async def test_a_portals_capabilities_are_what_it_can_do(
    app: FastAPI, client: httpx.AsyncClient, shop: Shop, fields: Json, can: set[str]
) -> None:
    endpoints = f"/app/{shop.application}/endpoint"
    asked = {
        "list": ("GET", endpoints, None),
        "secret": ("GET", f"{endpoints}/{shop.endpoint}/secret", None),
        "rotate": ("POST", f"{endpoints}/{shop.endpoint}/secret/rotate", {}),
        "create": ("POST", endpoints, {"url": factories.URL}),
        "resend": ("POST", f"/app/{shop.application}/msg/nothing/endpoint/{shop.endpoint}/resend", None),
    }
    async with factories.client_of(app, await portal_token(client, shop.application, **fields)) as portal:
        answers = {name: await portal.request(method, path, json=body) for name, (method, path, body) in asked.items()}
        assert (await portal.get("/auth/whoami")).json()["appId"] == shop.application
    assert {name for name, answer in answers.items() if answer.status_code != 403} == can


async def test_a_portal_token_lasts_as_long_as_asked(client: httpx.AsyncClient, application: str) -> None:
    token = await portal_token(client, application, expiry=3600)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 3600
    for expiry in (3599, FOUR_WEEKS + 1, 1e9, "3600"):
        answer = await client.post(f"/auth/app-portal-access/{application}", json={"expiry": expiry})
        assert answer.status_code == 422


async def test_the_sdk_expires_tokens(svix: SvixAsync, app: FastAPI) -> None:
    application = await svix.application.create(ApplicationIn(name="Acme"))
    access = await svix.authentication.app_portal_access(application.id, AppPortalAccessIn())
    assert await statuses(app, application.id, access.token) == [200]
    await svix.authentication.expire_all(application.id, ApplicationTokenExpireIn())
    assert await statuses(app, application.id, access.token) == [401]


async def test_a_revocation_is_forgotten_once_the_tokens_have_expired(
    client: httpx.AsyncClient, application: str, database: Database, organization_id: str
) -> None:
    for _ in range(3):
        assert (await client.post(f"/auth/app/{application}/expire-all", json={})).status_code == 204
    kept = "SELECT count(*) FROM token_revocations WHERE organization_id = $1"
    await forget_revocations(database.pool)
    assert 1 <= await database.pool.fetchval(kept, organization_id) <= 3
    past = "UPDATE token_revocations SET forget_at = now() - interval '1 second' WHERE organization_id = $1"
    await database.pool.execute(past, organization_id)
    await forget_revocations(database.pool)
    assert await database.pool.fetchval(kept, organization_id) == 0
