"""API tokens over HTTP: made, shown once, limited to their scopes, ended everywhere."""

import asyncio
import hashlib
import time
from functools import partial
from typing import Final

import httpx
import pytest
from fastapi import FastAPI

from app import ids
from app.api.openapi import operation_names
from app.db.session import Database
from app.settings import Settings
from tests import factories
from tests.api.api_server import ApiServer
from tests.api.operations import operations
from tests.factories import Json

MESSAGE: Final = {"eventType": "invoice.paid", "payload": {}}
# What is promised is five seconds.
SOON: Final = 4.0


@pytest.fixture
def path(organization_id: str) -> str:
    return f"/management/authentication/{organization_id}/api-token"


async def make(client: httpx.AsyncClient, path: str, *allowed: str) -> Json:
    body = {"name": "A token"} | ({"scopes": list(allowed)} if allowed else {})
    answer = await client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    made: Json = answer.json()
    return made


async def test_a_token_is_shown_once_and_kept_as_a_hash(
    client: httpx.AsyncClient, path: str, database: Database
) -> None:
    made = await make(client, path, "read")
    token = made["token"]
    assert (len(token), token[:3], made["scopes"], made["name"]) == (46, "sk_", ["read"], "A token")
    shown = {"id": made["id"], "name": "A token", "scopes": ["read"], "createdAt": made["createdAt"]}
    shown["censoredToken"] = f"sk_…{token[-4:]}"
    assert (await client.get(f"{path}/{made['id']}")).json() == shown
    listed = (await client.get(path)).json()
    assert (listed["data"], listed["done"]) == ([shown], True)
    row = await database.pool.fetchrow("SELECT t::text, hash FROM api_tokens t WHERE id = $1", made["id"])
    assert token not in row[0]
    assert row["hash"] == hashlib.sha256(token.encode()).digest()


async def test_a_token_acts_for_its_organization(
    app: FastAPI, client: httpx.AsyncClient, path: str, organization_id: str, application: str
) -> None:
    made = await make(client, path)
    async with factories.client_of(app, made["token"]) as bearer:
        assert (await bearer.get(f"/app/{application}")).status_code == 200
        who = (await bearer.get("/auth/whoami")).json()
        assert who == {"envId": organization_id, "permissionSource": "RegionalAuthToken"}
        created = (await factories.create_application(bearer))["id"]
    (entry,) = (await client.get("/audit-log", params={"target": created})).json()["data"]
    assert (entry["actor"]["kind"], entry["actor"]["id"]) == ("api_token", made["id"])


@pytest.mark.parametrize("change", ["nothing", "a letter", "its end", "its case", "its beginning", "a space in it"])
async def test_only_the_whole_token_is_good(app: FastAPI, client: httpx.AsyncClient, path: str, change: str) -> None:
    token = (await make(client, path))["token"]
    changed = {
        "nothing": token,
        "a letter": token[:20] + ("a" if token[20] != "a" else "b") + token[21:],
        "its end": token[:-1],
        "its case": token.swapcase(),
        "its beginning": f"xsk_{token[3:]}",
        "a space in it": f"{token[:9]} {token[9:]}",
    }[change]
    async with factories.client_of(app, changed) as bearer:
        answer = await bearer.get("/app")
    if change == "nothing":
        assert answer.status_code == 200
    else:
        assert (answer.status_code, answer.json()["detail"]) == (401, "Invalid token")


async def test_a_token_that_was_ended_is_refused_everywhere_within_seconds(
    app: FastAPI, settings: Settings, client: httpx.AsyncClient, api_server: ApiServer, path: str, application: str
) -> None:
    made = await make(client, path)
    async with (
        api_server.client(made["token"]) as direct,
        factories.running(settings) as other,
        factories.client_of(other, made["token"]) as elsewhere,
        factories.client_of(app, made["token"]) as here,
    ):
        message = f"/app/{application}/msg"
        assert (await direct.post(message, json=MESSAGE)).status_code == 202
        assert (await elsewhere.get("/app")).status_code == (await here.get("/app")).status_code == 200
        served = api_server.app.requests
        assert (await direct.post(message, json=MESSAGE)).status_code == 202
        assert api_server.app.requests == served, "a token that is known takes the short way"
        assert (await client.post(f"{path}/{made['id']}/expire", json={})).status_code == 204
        begun = time.monotonic()
        publish = partial(direct.post, message, json=MESSAGE)
        for ask in (publish, partial(elsewhere.get, "/app"), partial(here.get, "/app")):
            while (answer := await ask()).status_code != 401:
                assert time.monotonic() - begun < SOON
                await asyncio.sleep(0.05)
            assert "was revoked" in answer.json()["detail"]
    assert (await client.get(f"{path}/{made['id']}")).json()["expiresAt"] is not None


async def test_nothing_brings_back_what_was_ended(app: FastAPI, client: httpx.AsyncClient, path: str) -> None:
    made = await make(client, path)
    one = f"{path}/{made['id']}"
    assert (await client.post(f"{one}/expire", json={"expiry": 60})).status_code == 204
    ends_at = (await client.get(one)).json()["expiresAt"]
    assert (await client.post(f"{one}/expire", json={"expiry": 259_200})).status_code == 204
    assert (await client.get(one)).json()["expiresAt"] == ends_at
    async with factories.client_of(app, made["token"]) as bearer:
        assert (await bearer.get("/app")).status_code == 200
    assert (await client.post(f"{one}/expire", json={"expiry": 0})).status_code == 204
    assert (await client.patch(one, json={"name": "Other", "scopes": None})).status_code == 200
    await app.state.token_watch.ask()
    async with factories.client_of(app, made["token"]) as bearer:
        assert (await bearer.get("/app")).status_code == 401


@pytest.mark.parametrize("expiry", [-1, 259_201, 1.5, "1", True])
async def test_a_token_ends_within_three_days(client: httpx.AsyncClient, path: str, expiry: object) -> None:
    made = await make(client, path)
    answer = await client.post(f"{path}/{made['id']}/expire", json={"expiry": expiry})
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "expiry"])


async def test_a_token_is_renamed_and_its_scopes_changed(app: FastAPI, client: httpx.AsyncClient, path: str) -> None:
    made = await make(client, path)
    async with factories.client_of(app, made["token"]) as bearer:
        assert (await bearer.post("/app", json={"name": "a"})).status_code == 201
        renamed = (await client.put(f"{path}/{made['id']}", json={"name": "Renamed"})).json()
        assert (renamed["name"], "scopes" in renamed) == ("Renamed", False)
        narrowed = (await client.patch(f"{path}/{made['id']}", json={"scopes": ["read"]})).json()
        assert (narrowed["name"], narrowed["scopes"]) == ("Renamed", ["read"])
        await app.state.token_watch.ask()
        assert (await bearer.post("/app", json={"name": "a"})).status_code == 403
        assert (await bearer.get("/app")).status_code == 200


@pytest.mark.parametrize("scope", ["read", "publish"])
async def test_a_scope_holds_for_every_operation(
    app: FastAPI, client: httpx.AsyncClient, path: str, organization_id: str, application: str, scope: str
) -> None:
    token = (await make(client, path, scope))["token"]
    names = {parameter: "nothing" for operation in operations(app) for parameter in operation.path_parameters}
    names |= {"app_id": application, "env_id": organization_id, "key_id": ids.new_id("key")}
    allowed = set()
    async with factories.client_of(app, token) as bearer:
        for operation in operations(app):
            if operation.is_open:
                continue
            answer = await bearer.request(operation.method, operation.url(names), json=operation.body)
            if answer.status_code == 403:
                # Of those that manage no scope of an organization's token is ever enough.
                managed = operation.is_management and "--management" in answer.json()["detail"]
                assert managed or operation.name in answer.json()["detail"]
                assert answer.json()["code"] == "insufficient access"
            else:
                assert answer.status_code < 500
                allowed.add(operation.name)
    if scope == "publish":
        assert allowed == {"v1.message.create"}
    else:
        reading = {found.name for found in operations(app) if found.method == "GET" and not found.is_open}
        # What these ask for is in a body.
        reading |= {"v1.message.search", "v1.message.precheck"}
        more = (".get-secret", ".get-poller-token", ".consumer-poll", ".transformation.get")
        beyond = {name for name in reading if name.endswith(more)}
        assert len(beyond) == 8
        beyond |= {name for name in reading if name.startswith(("v1.management.environment.", "v1.user."))}
        assert allowed == reading - beyond


async def test_a_token_gives_away_no_more_than_it_has(app: FastAPI, client: httpx.AsyncClient, path: str) -> None:
    keeper = (await make(client, path, "v1.management.authentication.*", "read"))["token"]
    powerful = await make(client, path)
    async with factories.client_of(app, keeper) as bearer:
        for wanted in (None, ["publish"], ["v1.application.*"], ["read", "v1.message.create"], ["v1.*"]):
            refused = await bearer.post(path, json={"name": "more", "scopes": wanted})
            assert (refused.status_code, refused.json()["code"]) == (403, "insufficient access"), wanted
        assert (await bearer.patch(f"{path}/{powerful['id']}", json={"scopes": ["read"]})).status_code == 403
        own = await make(bearer, path, "read")
        assert (await bearer.patch(f"{path}/{own['id']}", json={"scopes": None})).status_code == 403
        one = "v1.management.authentication.list-api-tokens"
        assert (await bearer.patch(f"{path}/{own['id']}", json={"scopes": [one]})).status_code == 200


@pytest.mark.parametrize("wanted", [[], ["everything"], ["read", "v1.messages.create"], ["*"], [""], [".*"], "read"])
async def test_scopes_that_mean_nothing_are_refused(client: httpx.AsyncClient, path: str, wanted: object) -> None:
    answer = await client.post(path, json={"name": "x", "scopes": wanted})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][:2] == ["body", "scopes"]
    assert (await client.get(path)).json()["data"] == []


async def test_tokens_of_others_do_not_exist(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, shop_portal: httpx.AsyncClient, path: str
) -> None:
    made = await make(client, path)
    assert (await stranger.get(path)).status_code == 404
    assert (await stranger.post(path, json={"name": "x"})).status_code == 404
    assert (await stranger.post(f"{path}/{made['id']}/expire", json={})).status_code == 404
    own = path.replace(path.split("/")[3], (await stranger.get("/auth/whoami")).json()["envId"])
    assert (await stranger.post(f"{own}/{made['id']}/expire", json={})).status_code == 404
    assert (await shop_portal.get(path)).status_code == 403
    assert (await client.get(f"{path}/{ids.new_id('key')}")).status_code == 404


@pytest.mark.alone
async def test_unknown_and_wrong_tokens_take_the_same_time(app: FastAPI, client: httpx.AsyncClient, path: str) -> None:
    known = (await make(client, path))["token"]
    async with factories.client_of(app) as anyone:

        async def seconds(token: str) -> float:
            begun = time.perf_counter()
            assert (await anyone.get("/app", headers={"authorization": f"Bearer {token}"})).status_code == 401
            return time.perf_counter() - begun

        wrong = [known[:-2] + end for end in ("aa", "bb", "cc")] * 10
        other = [f"sk_{'x' * 41}{end}" for end in ("aa", "bb", "cc")] * 10
        spent = [[await seconds(pair[n]) for pair in zip(wrong, other, strict=True)] for n in (0, 1)]
    medians = [sorted(times)[len(times) // 2] for times in spent]
    assert abs(medians[0] - medians[1]) < 0.005


def test_the_names_of_operations_are_known_without_the_document(app: FastAPI) -> None:
    documented = {one["operationId"] for methods in app.openapi()["paths"].values() for one in methods.values()}
    assert operation_names(app) == documented
    # The document takes seconds, in which nobody is served.
    undocumented = FastAPI(routes=app.routes)
    assert operation_names(undocumented) == documented
    assert undocumented.openapi_schema is None
