"""Portal access over HTTP."""

import base64
import json
import time

import httpx
import jwt
import pytest
from fastapi import FastAPI
from svix.models import AppPortalAccessOut

from app import ids
from app.db.session import Database
from app.settings import Settings
from tests import factories
from tests.factories import Json

ACCESS = "/auth/app-portal-access"
FOUR_WEEKS = 28 * 86400


def claims_of(settings: Settings, token: str) -> Json:
    assert settings.jwt_secret is not None
    claims: Json = jwt.decode(token, settings.jwt_secret.get_secret_value(), algorithms=["HS256"])
    return claims


async def test_a_portal_token_names_its_application_and_lasts_four_weeks(
    client: httpx.AsyncClient, settings: Settings, organization_id: str
) -> None:
    application = await factories.create_application(client, uid="customer")
    answer = await client.post(f"{ACCESS}/customer", json={"featureFlags": ["beta", "beta", "gold"]})
    assert answer.status_code == 200
    AppPortalAccessOut.model_validate(answer.json())
    claims = claims_of(settings, answer.json()["token"])
    assert (claims["sub"], claims["org"], claims["iss"]) == (application["id"], organization_id, "svix-server")
    assert claims["feature_flags"] == ["beta", "gold"]
    assert claims["exp"] - claims["iat"] == FOUR_WEEKS
    assert abs(claims["iat"] - time.time()) < 5


async def test_the_link_holds_a_one_time_token_in_its_fragment_only(
    client: httpx.AsyncClient, anonymous: httpx.AsyncClient
) -> None:
    application = await factories.create_application(client)
    out = (await client.post(f"{ACCESS}/{application['id']}", json={})).json()
    link, _, key = out["url"].partition("#key=")
    assert link == "http://postrider.test/login"
    held = json.loads(base64.b64decode(key))
    one_time = held.pop("oneTimeToken")
    assert held == {"appId": application["id"], "region": "self_hosted"}
    exchanged = await anonymous.post("/auth/one-time-token", json={"oneTimeToken": one_time})
    assert exchanged.json()["token"] == out["token"]


async def test_the_link_leads_to_the_portal_that_is_set(settings: Settings, token: str) -> None:
    elsewhere = settings.model_copy(update={"app_portal_url": "https://portal.example.com/"})
    async with factories.running(elsewhere) as app, factories.client_of(app, token) as client:
        application = await factories.create_application(client)
        out = (await client.post(f"{ACCESS}/{application['id']}", json={})).json()
    assert out["url"].startswith("https://portal.example.com/login#key=")


async def test_a_portal_token_reads_its_own_endpoints_and_publishes_nothing(
    app: FastAPI, client: httpx.AsyncClient, database: Database
) -> None:
    application = await factories.create_application(client, uid="mine")
    await factories.create_application(client, uid="other")
    token = (await client.post(f"{ACCESS}/mine", json={})).json()["token"]
    async with factories.client_of(app, token) as visitor:
        assert (await visitor.get("/app/mine/endpoint")).status_code == 200
        assert (await visitor.get("/app/other/endpoint")).status_code == 404
        refused = await visitor.post("/app/mine/msg", json={"eventType": "invoice.paid", "payload": {}})
        assert (refused.status_code, refused.json()["code"]) == (403, "insufficient access")
        assert (await visitor.post(f"{ACCESS}/mine", json={})).status_code == 403
        assert (await visitor.post("/auth/logout")).status_code == 204
    stored = "SELECT count(*) FROM messages WHERE application_id = $1"
    assert await database.pool.fetchval(stored, application["id"]) == 0


async def test_the_application_is_created_on_the_way_if_it_is_described(client: httpx.AsyncClient) -> None:
    body = {"application": {"name": "New customer", "uid": "fresh", "throttleRate": 5}}
    first = await client.post(f"{ACCESS}/fresh", json=body)
    assert first.status_code == 200
    created = (await client.get("/app/fresh")).json()
    assert (created["name"], created["throttleRate"]) == ("New customer", 5)
    body["application"]["name"] = "Renamed"
    assert (await client.post(f"{ACCESS}/fresh", json=body)).status_code == 200
    assert (await client.get("/app/fresh")).json() == created


@pytest.mark.parametrize(
    ("described", "loc", "kind"),
    [
        ({"name": "a"}, ["body", "application", "uid"], "application_uid_missing"),
        ({"name": "a", "uid": "other"}, ["body", "application", "uid"], "application_uid_mismatch"),
        ({"name": "", "uid": "fresh"}, ["body", "application", "name"], "value_error"),
        ("fresh", ["body", "application"], "value_error.jsondecode"),
    ],
)
async def test_an_application_that_is_described_wrong_is_refused_and_not_created(
    client: httpx.AsyncClient, described: object, loc: list[str], kind: str
) -> None:
    answer = await client.post(f"{ACCESS}/fresh", json={"application": described})
    assert answer.status_code == 422
    (violation,) = answer.json()["detail"]
    assert (violation["loc"], violation["type"]) == (loc, kind)
    assert (await client.get("/app")).json()["data"] == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"featureFlags": "x"}', b'{"featureFlags": ["a b"]}'])
async def test_a_bad_body_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    await factories.create_application(client, uid="known")
    answer = await client.post(f"{ACCESS}/known", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][0] == "body"


async def test_access_to_an_application_of_others_is_not_given(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    application = await factories.create_application(client)
    for reference in (application["id"], ids.new_id("app")):
        answer = await stranger.post(f"{ACCESS}/{reference}", json={})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_the_older_name_of_portal_access_is_served(client: httpx.AsyncClient, settings: Settings) -> None:
    application = await factories.create_application(client, uid="older")
    out = (await client.post("/auth/dashboard-access/older")).json()
    assert claims_of(settings, out["token"])["sub"] == application["id"]


async def test_only_a_portal_can_log_out(client: httpx.AsyncClient, anonymous: httpx.AsyncClient) -> None:
    refused = await client.post("/auth/logout")
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient access")
    assert (await client.get("/auth/whoami")).status_code == 200
    assert (await anonymous.post("/auth/logout")).status_code == 401
