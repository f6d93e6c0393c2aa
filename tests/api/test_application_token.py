"""Tokens that reach no further than one application: what they can do, what they cannot, and how they end."""

import asyncio
from datetime import datetime

import httpx
import pytest
from fastapi import FastAPI

from app.db.session import Database
from tests import factories
from tests.api.api_server import ApiServer
from tests.api.operations import operations
from tests.api.shop import ids_of
from tests.api.test_poller import create_poller, publish
from tests.factories import Json

BODY = {"eventType": "invoice.paid", "payload": {}}

# What needs no token, and knows of none.
WITHOUT_TOKEN = (
    *("v1.health", "v1.authentication.exchange-one-time-token", "v1.authentication.sign-in"),
    *("v1.authentication.accept-invitation", "v1.authentication.begin-openid", "v1.authentication.finish-openid"),
)


async def message_token(client: httpx.AsyncClient, application: str, **fields: object) -> Json:
    answer = await client.post(f"/auth/app/{application}/create-message-token", json={"name": "Shop"} | fields)
    assert answer.status_code == 200, answer.text
    made: Json = answer.json()
    return made


async def poller_token(client: httpx.AsyncClient, application: str, poller: str, **fields: object) -> Json:
    answer = await client.post(f"/auth/app/{application}/poller/{poller}/token/rotate", json=fields)
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


async def status(app: FastAPI, token: str, method: str, path: str, body: object = None) -> int:
    """What a request with a token gets, once this process has asked what changed."""
    await app.state.token_watch.ask()
    async with factories.client_of(app, token) as bearer:
        return (await bearer.request(method, path, json=body)).status_code


async def test_a_message_token_publishes_to_its_application_and_nowhere_else(
    app: FastAPI, client: httpx.AsyncClient, database: Database
) -> None:
    mine = await factories.create_application(client, uid=factories.unique("mine"))
    other = await factories.create_application(client, uid=factories.unique("other"))
    token = (await message_token(client, mine["id"]))["token"]
    for reference in (mine["id"], mine["uid"]):
        assert await status(app, token, "POST", f"/app/{reference}/msg", BODY) == 202
    new = {"application": {"name": "New", "uid": "new"}}
    for reference in (other["id"], other["uid"], "nobodys", "new"):
        assert await status(app, token, "POST", f"/app/{reference}/msg", BODY | new) == 404
    stored = await database.pool.fetchval(
        "SELECT count(*) FROM messages WHERE application_id = ANY ($1)", [mine["id"], other["id"]]
    )
    assert stored == 2
    assert (await client.get("/app/new")).status_code == 404


async def test_the_shortcut_to_publishing_asks_a_message_token_for_its_application(
    api_server: ApiServer, client: httpx.AsyncClient, application: str, token: str
) -> None:
    other = (await factories.create_application(client))["id"]
    made = (await message_token(client, application))["token"]
    async with api_server.client(made) as bearer, api_server.client(token) as organization:
        for _ in range(2):
            found = [(await bearer.post(f"/app/{name}/msg", json=BODY)).status_code for name in (application, other)]
            assert found == [202, 404]
        assert (await organization.post(f"/app/{other}/msg", json=BODY)).status_code == 202


async def test_what_is_revoked_in_one_process_ends_in_another_within_two_seconds(
    api_server: ApiServer, client: httpx.AsyncClient, application: str
) -> None:
    poller = (await create_poller(client, application))["id"]
    made = (await poller_token(client, application, poller))["token"]
    async with api_server.client(made) as bearer:
        path = f"/app/{application}/poller/{poller}"
        assert (await bearer.get(path)).status_code == 200
        await poller_token(client, application, poller, oldTokenExpiry=0)
        async with asyncio.timeout(2):
            while (await bearer.get(path)).status_code != 401:
                await asyncio.sleep(0.05)


async def test_a_message_token_does_nothing_else(app: FastAPI, client: httpx.AsyncClient, application: str) -> None:
    endpoint = (await factories.create_endpoint(client, application))["id"]
    token = (await message_token(client, application))["token"]
    names = {"app_id": application, "endpoint_id": endpoint}
    asked = 0
    async with factories.client_of(app, token) as bearer:
        for operation in operations(app):
            if operation.name == "v1.message.create" or operation.name.startswith(WITHOUT_TOKEN):
                continue
            path = operation.url(dict.fromkeys(operation.path_parameters, "nothing") | names)
            answer = await bearer.request(operation.method, path, json=operation.body)
            assert answer.status_code in {403, 422}, f"{operation}: {answer.status_code} {answer.text}"
            asked += answer.status_code == 403
    assert asked > 50


async def test_a_poller_token_polls_its_poller_and_does_nothing_else(
    app: FastAPI, client: httpx.AsyncClient, application: str
) -> None:
    mine, other = [(await create_poller(client, application))["id"] for _ in range(2)]
    made = await publish(client, application, 1)
    token = (await poller_token(client, application, mine))["token"]
    roots = [f"/app/{application}/poller/{{}}", f"/app/{application}/poller/{{}}/consumer/a"]
    roots.append(f"/app/{application}/polling-endpoint/{{}}/consumer/a")
    async with factories.client_of(app, token) as bearer:
        assert isinstance(bearer, httpx.AsyncClient)
        for root in roots:
            assert await ids_of(bearer, root.format(mine)) == made
            assert (await bearer.get(root.format(other))).status_code == 404
        changes: list[tuple[str, Json]] = [(f"{roots[1]}/seek", {"after": "2026-01-01T00:00:00Z"})]
        changes.append((f"{roots[2]}/commit", {"offset": 1}))
        for path, body in changes:
            assert (await bearer.post(path.format(mine), json=body)).is_success
            assert (await bearer.post(path.format(other), json=body)).status_code == 404
        names = {"app_id": application, "sink_id": mine, "endpoint_id": mine, "consumer_id": "a"}
        free = (*WITHOUT_TOKEN, "v1.message.poller")
        for operation in operations(app):
            if operation.name.startswith(free):
                continue
            path = operation.url(dict.fromkeys(operation.path_parameters, "nothing") | names)
            answer = await bearer.request(operation.method, path, json=operation.body)
            assert answer.status_code in {403, 422}, f"{operation}: {answer.status_code} {answer.text}"
    assert (await client.get(roots[0].format(mine))).status_code == 200


async def test_a_poller_token_can_be_read_again_and_rotated(
    app: FastAPI, client: httpx.AsyncClient, application: str, database: Database
) -> None:
    poller = (await create_poller(client, application, uid="p"))["id"]
    path = f"/auth/app/{application}/poller/p/token"
    none = await client.get(path)
    assert (none.status_code, none.json()["code"]) == (404, "not_found")
    first = await poller_token(client, application, "p", expiry=3600)
    assert (await client.get(path)).json() == first
    assert first["scopes"] == ["v1.message.poller.*", "v1.message.pollerv2.*"]
    assert first["expiresAt"] > first["createdAt"]
    second = await poller_token(client, application, "p")
    assert "expiresAt" not in second
    assert (await client.get(path)).json() == second
    polled = f"/app/{application}/poller/{poller}"
    # The first one has five minutes left.
    assert [await status(app, each["token"], "GET", polled) for each in (first, second)] == [200, 200]
    third = await poller_token(client, application, "p", oldTokenExpiry=0)
    found = [await status(app, each["token"], "GET", polled) for each in (first, second, third)]
    assert found == [401, 401, 200]
    stored = await database.pool.fetch("SELECT sealed, hash FROM api_tokens WHERE poller_id = $1", poller)
    assert len(stored) == 3
    assert not any(third["token"].encode() in row["sealed"] + row["hash"] for row in stored)


async def test_a_poller_takes_its_tokens_along(app: FastAPI, client: httpx.AsyncClient, application: str) -> None:
    poller = (await create_poller(client, application))["id"]
    token = (await poller_token(client, application, poller))["token"]
    path = f"/app/{application}/poller/{poller}"
    assert await status(app, token, "GET", path) == 200
    assert (await client.delete(path)).status_code == 204
    assert await status(app, token, "GET", path) == 401


async def test_they_are_listed_and_expired_as_other_api_tokens_but_keep_their_scopes(
    app: FastAPI, client: httpx.AsyncClient, application: str, organization_id: str
) -> None:
    made = await message_token(client, application, name="Till")
    keys = f"/management/authentication/{organization_id}/api-token"
    (listed,) = (await client.get(keys)).json()["data"]
    assert (listed["id"], listed["name"], listed["scopes"]) == (made["id"], "Till", ["publish.own"])
    key = f"{keys}/{made['id']}"
    refused = await client.patch(key, json={"scopes": ["read"]})
    assert (refused.status_code, refused.json()["detail"][0]["loc"]) == (422, ["body", "scopes"])
    assert (await client.patch(key, json={"name": "Counter"})).json()["scopes"] == ["publish.own"]
    path = f"/app/{application}/msg"
    assert await status(app, made["token"], "POST", path, BODY) == 202
    assert (await client.post(f"{key}/expire", json={})).status_code == 204
    assert await status(app, made["token"], "POST", path, BODY) == 401


async def test_expiring_the_tokens_of_an_application_ends_those_of_programs_too(
    app: FastAPI, client: httpx.AsyncClient, application: str
) -> None:
    other = (await factories.create_application(client))["id"]
    tokens = {name: (await message_token(client, name))["token"] for name in (application, other)}
    assert (await client.post(f"/auth/app/{application}/expire-all", json={"sessionIds": ["anna"]})).status_code == 204
    assert [await status(app, token, "POST", f"/app/{name}/msg", BODY) for name, token in tokens.items()] == [202, 202]
    assert (await client.post(f"/auth/app/{application}/expire-all", json={})).status_code == 204
    async with asyncio.timeout(5):
        while await status(app, tokens[application], "POST", f"/app/{application}/msg", BODY) != 401:
            await asyncio.sleep(0.05)
    assert await status(app, tokens[other], "POST", f"/app/{other}/msg", BODY) == 202


async def test_what_a_portal_makes_does_not_outlive_its_token(
    app: FastAPI, client: httpx.AsyncClient, application: str
) -> None:
    poller = (await create_poller(client, application))["id"]
    access = await client.post(f"/auth/app-portal-access/{application}", json={"expiry": 3600})
    path = f"/auth/app/{application}/poller/{poller}/token/rotate"
    async with factories.client_of(app, access.json()["token"]) as portal:
        for body, most in (({}, 3600), ({"expiry": 999_999}, 3600), ({"expiry": 60}, 60)):
            made = (await portal.post(path, json=body)).json()
            began, ends = (datetime.fromisoformat(made[name]) for name in ("createdAt", "expiresAt"))
            assert most - 5 <= (ends - began).total_seconds() <= most
    assert "expiresAt" not in (await client.post(path, json={})).json()


async def test_a_message_token_ends_when_it_was_told(app: FastAPI, client: httpx.AsyncClient, application: str) -> None:
    made = await message_token(client, application, expiry=0)
    assert made["expiresAt"] == made["createdAt"]
    assert await status(app, made["token"], "POST", f"/app/{application}/msg", BODY) == 401
    assert "expiresAt" not in await message_token(client, application)


@pytest.mark.parametrize(
    "body", [{}, {"name": ""}, {"name": "a", "expiry": -1}, {"name": "a", "expiry": 1e12}, {"name": "a", "expiry": "1"}]
)
async def test_a_wrong_message_token_is_refused(client: httpx.AsyncClient, application: str, body: Json) -> None:
    assert (await client.post(f"/auth/app/{application}/create-message-token", json=body)).status_code == 422


@pytest.mark.parametrize(
    "body", [{"expiry": 0}, {"expiry": 31_536_001}, {"oldTokenExpiry": -1}, {"oldTokenExpiry": 86_401}]
)
async def test_a_wrong_rotation_is_refused_and_nothing_ends(
    app: FastAPI, client: httpx.AsyncClient, application: str, body: Json
) -> None:
    poller = (await create_poller(client, application))["id"]
    token = (await poller_token(client, application, poller))["token"]
    assert (await client.post(f"/auth/app/{application}/poller/{poller}/token/rotate", json=body)).status_code == 422
    assert await status(app, token, "GET", f"/app/{application}/poller/{poller}") == 200


async def test_nobody_gives_away_what_they_may_not_do_themselves(
    app: FastAPI, client: httpx.AsyncClient, application: str, organization_id: str
) -> None:
    poller = (await create_poller(client, application))["id"]
    paths = [f"/auth/app/{application}/create-message-token", f"/auth/app/{application}/poller/{poller}/token/rotate"]
    keys = f"/management/authentication/{organization_id}/api-token"
    for scopes, found in (
        (["v1.authentication.*"], [403, 403]),
        (["v1.authentication.*", "publish"], [200, 403]),
        (["v1.authentication.*", "v1.message.*"], [200, 201]),
        (["read"], [403, 403]),
    ):
        token = (await client.post(keys, json={"name": "Key", "scopes": scopes})).json()["token"]
        assert [await status(app, token, "POST", path, {"name": "a"}) for path in paths] == found


@pytest.mark.parametrize(
    ("capabilities", "found"),
    [
        (["ViewBase"], {"list", "poll"}),
        (["ManageEndpoint"], {"list", "poll", "poll as", "create", "token", "rotate"}),
        (["ManageEndpointSecret"], {"list", "poll"}),
        (None, {"list", "poll", "poll as", "create", "token", "rotate"}),
    ],
)
async def test_a_portals_capabilities_are_what_it_can_do_with_pollers(
    app: FastAPI, client: httpx.AsyncClient, application: str, capabilities: list[str] | None, found: set[str]
) -> None:
    poller = (await create_poller(client, application))["id"]
    await poller_token(client, application, poller)
    pollers = f"/app/{application}/poller"
    asked = {
        "list": ("GET", pollers),
        "poll": ("GET", f"{pollers}/{poller}"),
        "poll as": ("GET", f"{pollers}/{poller}/consumer/a"),
        "create": ("POST", pollers),
        "token": ("GET", f"/auth{pollers}/{poller}/token"),
        "rotate": ("POST", f"/auth{pollers}/{poller}/token/rotate"),
        "message token": ("POST", f"/auth/app/{application}/create-message-token"),
    }
    body = {} if capabilities is None else {"capabilities": capabilities}
    token = (await client.post(f"/auth/app-portal-access/{application}", json=body)).json()["token"]
    statuses = {name: await status(app, token, method, path, {}) for name, (method, path) in asked.items()}
    assert {name for name, code in statuses.items() if code != 403} == found
    assert all(code in {200, 201, 403} for code in statuses.values()), statuses
