"""Transformations over HTTP: kept, sealed, tried out, and refused where they could not work."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from svix.api import SvixAsync
from svix.models import EndpointTransformationIn, EndpointTransformationPatch

from app.db.session import Database
from app.db.transformation.model import SealedTransformation, open_transformation
from app.settings import Settings
from tests import factories
from tests.factories import Json

CODE = "function handler(webhook) { webhook.payload.by = webhook.env.BY; return webhook }"
CANARY = "canary-4711"


@pytest.fixture
async def application(client: httpx.AsyncClient) -> str:
    return str((await factories.create_application(client))["id"])


@pytest.fixture
async def endpoint(client: httpx.AsyncClient, application: str) -> str:
    """The path of an endpoint of that application."""
    made = await factories.create_endpoint(client, application, uid=factories.unique("ep"))
    return f"/app/{application}/endpoint/{made['id']}"


@pytest.fixture
async def path(endpoint: str) -> str:
    """The path of that endpoint's transformation."""
    return f"{endpoint}/transformation"


@pytest.fixture
async def portal(app: FastAPI, client: httpx.AsyncClient, application: str) -> AsyncIterator[Any]:
    """Makes clients with a portal's token of that application."""
    opened: list[httpx.AsyncClient] = []

    async def make(*capabilities: str) -> httpx.AsyncClient:
        body = {"capabilities": list(capabilities)} if capabilities else {}
        made = (await client.post(f"/auth/app-portal-access/{application}", json=body)).json()
        opened.append(factories.client_of(app, made["token"]))  # type: ignore[arg-type]
        return opened[-1]

    yield make
    for one in opened:
        await one.aclose()


async def _patch(client: httpx.AsyncClient, path: str, **body: object) -> None:
    answer = await client.patch(path, json=body)
    assert (answer.status_code, answer.content) == (204, b""), answer.text


async def _get(client: httpx.AsyncClient, path: str) -> Json:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def test_an_endpoint_has_none_until_it_is_given_one(client: httpx.AsyncClient, path: str) -> None:
    assert await _get(client, path) == {"enabled": False}


async def test_a_change_is_of_the_fields_that_it_holds(client: httpx.AsyncClient, path: str) -> None:
    shown: Json = {"enabled": False}
    changes: list[tuple[Json, Json]] = [
        ({"code": CODE}, {"code": CODE}),
        ({"enabled": True}, {"enabled": True}),
        ({"variables": {"BY": "me"}}, {"variables": {"BY": "me"}}),
        ({"variables": {}}, {"variables": {}}),
        ({}, {}),
        ({"code": None, "variables": None}, {"code": None, "variables": None}),
        ({"enabled": False, "code": CODE}, {"enabled": False, "code": CODE}),
    ]
    for body, after in changes:
        await _patch(client, path, **body)
        shown = {name: value for name, value in {**shown, **after}.items() if value is not None}
        found = await _get(client, path)
        assert found.pop("updatedAt").endswith("Z")
        assert found == shown


async def test_it_is_found_by_uids_too(client: httpx.AsyncClient, endpoint: str, application: str) -> None:
    uid = (await _get(client, endpoint))["uid"]
    await _patch(client, f"/app/{application}/endpoint/{uid}/transformation", code=CODE)
    assert (await _get(client, f"{endpoint}/transformation"))["code"] == CODE


@pytest.mark.parametrize(
    ("body", "loc", "said"),
    [
        ({"code": "short"}, ["body", "code"], "10"),
        ({"code": "x" * 51_201}, ["body", "code"], "51200"),
        ({"code": CODE + "\0"}, ["body", "code"], "NUL"),
        ({"code": 1}, ["body", "code"], "string"),
        ({"enabled": None}, ["body", "enabled"], "boolean"),
        ({"enabled": "true"}, ["body", "enabled"], "boolean"),
        ({"variables": {"A": 1}}, ["body", "variables", "A"], "string"),
        ({"variables": {"A": "\0"}}, ["body", "variables", "A"], "NUL"),
        ({"variables": {"A": "x" * 51_200}}, ["body", "variables"], "51200"),
        ({"variables": {str(n): "" for n in range(101)}}, ["body", "variables"], "100"),
        ({"variables": {"x" * 257: ""}}, ["body", "variables"], "256"),
    ],
)
async def test_what_is_not_right_is_refused_and_nothing_of_it_kept(
    client: httpx.AsyncClient, path: str, body: Json, loc: list[str], said: str
) -> None:
    await _patch(client, path, code=CODE, enabled=True)
    before = await _get(client, path)
    answer = await client.patch(path, json={"code": CODE + "//", **body})
    assert answer.status_code == 422
    detail = answer.json()["detail"][0]
    assert detail["loc"][: len(loc)] == loc
    assert said in detail["msg"]
    assert await _get(client, path) == before


async def test_code_and_variables_are_sealed(
    client: httpx.AsyncClient, endpoint: str, path: str, database: Database, app: FastAPI
) -> None:
    await _patch(client, path, code=f"{CODE} // {CANARY}", variables={"K": CANARY})
    endpoint_id = endpoint.rpartition("/")[2]
    row = await database.pool.fetchrow("SELECT * FROM endpoint_transformations WHERE endpoint_id = $1", endpoint_id)
    assert CANARY.encode() not in b"".join(value for value in row.values() if isinstance(value, bytes))
    opened = open_transformation(app.state.sealer, endpoint_id, row["sealed"])
    assert opened == SealedTransformation(f"{CODE} // {CANARY}", {"K": CANARY})
    assert CANARY not in repr(opened)


async def test_the_audit_log_says_that_it_changed_and_not_to_what(client: httpx.AsyncClient, path: str) -> None:
    await _patch(client, path, code=f"{CODE} // {CANARY}", enabled=True)
    answer = await client.get("/audit-log", params={"limit": 1})
    entry = answer.json()["data"][0]
    assert entry["operation"] == "v1.endpoint.transformation.patch"
    assert entry["changes"][0]["entity"] == "endpoint_transformation"
    fields = entry["changes"][0]["fields"]
    assert (fields["enabled"]["after"], fields["sealed"]) == (True, {"changed": True})
    assert CANARY not in answer.text


async def test_workers_and_the_organization_learn_of_a_change(
    client: httpx.AsyncClient, endpoint: str, path: str, database: Database
) -> None:
    asking = "SELECT revision FROM endpoints WHERE id = $1"
    endpoint_id = endpoint.rpartition("/")[2]
    before = await database.pool.fetchval(asking, endpoint_id)
    await _patch(client, path, code=CODE)
    assert await database.pool.fetchval(asking, endpoint_id) > before


async def test_two_who_change_different_fields_do_not_undo_each_other(client: httpx.AsyncClient, path: str) -> None:
    await asyncio.gather(
        *[_patch(client, path, **{name: value}) for name, value in [("code", CODE), ("enabled", True)]]
    )
    found = await _get(client, path)
    assert (found["code"], found["enabled"]) == (CODE, True)


async def test_of_others_there_is_none(client: httpx.AsyncClient, stranger: httpx.AsyncClient, path: str) -> None:
    await _patch(client, path, code=CODE)
    body = {"code": CODE, "eventType": "a", "payload": {}}
    for answer in [
        await stranger.get(path),
        await stranger.patch(path, json={"enabled": True}),
        await stranger.post(f"{path}/simulate", json=body),
        await client.post(f"{path.replace('/ep_', '/ep_0')}/simulate", json=body),
    ]:
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await _get(client, path))["enabled"] is False


@pytest.mark.parametrize(
    ("capabilities", "may"),
    [
        (["ManageTransformations"], True),
        ([], True),
        (["ViewBase"], False),
        (["ViewEndpointSecret"], False),
        (["CreateAttempts"], False),
    ],
)
async def test_a_portal_needs_the_capability(
    client: httpx.AsyncClient, portal: Any, path: str, capabilities: list[str], may: bool
) -> None:
    await client.patch("/management/environment-settings", json={"enableTransformations": True})
    browser = await portal(*capabilities)
    answers = [
        await browser.patch(path, json={"code": CODE}),
        await browser.get(path),
        await browser.post(f"{path}/simulate", json={"code": CODE, "eventType": "a", "payload": {}}),
    ]
    assert [answer.status_code for answer in answers] == ([204, 200, 200] if may else [403, 403, 403])


async def test_a_portal_brings_no_code_unless_the_organization_lets_portals(
    client: httpx.AsyncClient, portal: Any, path: str
) -> None:
    browser, trial = await portal(), {"code": CODE, "eventType": "a", "payload": {}}
    for _ in range(2):
        answers = [await browser.patch(path, json={"code": CODE}), await browser.post(f"{path}/simulate", json=trial)]
        assert [answer.status_code for answer in answers] == [403, 403]
        assert all("enableTransformations" in answer.json()["detail"] for answer in answers)
        await client.patch("/management/environment-settings", json={"enableTransformations": False})
    assert "code" not in await _get(client, path)


async def test_code_is_tried_under_the_rule_that_only_https_is_sent_to(
    app: FastAPI, settings: Settings, client: httpx.AsyncClient, path: str
) -> None:
    def trial(url: str) -> Json:
        code = f"function handler(webhook) {{ webhook.url = {url!r}; return webhook }}"
        return {"code": code, "eventType": "a", "payload": {}}

    plain, other = "http://example.com/plain", "https://example.com/other"
    assert (await client.post(f"{path}/simulate", json=trial(plain))).status_code == 200
    strict = settings.model_copy(update={"endpoint_https_only": True})
    async with factories.running(strict) as installation:
        headers = {"authorization": client.headers["authorization"]}
        async with factories.client_of(installation) as anonymous:
            refused = await anonymous.post(f"{path}/simulate", json=trial(plain), headers=headers)
    assert (refused.status_code, refused.json()["detail"][0]["loc"]) == (422, ["body", "code"])
    await client.patch("/management/environment-settings", json={"enforceHttps": True})
    refused = await client.post(f"{path}/simulate", json=trial(plain))
    assert (refused.status_code, refused.json()["detail"][0]["loc"]) == (422, ["body", "code"])
    assert "enforceHttps" in refused.json()["detail"][0]["msg"]
    assert (await client.post(f"{path}/simulate", json=trial(other))).json()["url"] == other
    # What the endpoint had before stays.
    assert (await client.post(f"{path}/simulate", json=trial(factories.URL))).status_code == 200


async def test_the_official_client_reads_and_writes_it(svix: SvixAsync, application: str, endpoint: str) -> None:
    at = (application, endpoint.rpartition("/")[2])
    patch = EndpointTransformationPatch(code=CODE, enabled=True, variables={"BY": "me"})
    assert await svix.endpoint.transformation.patch(*at, patch) is None  # type: ignore[func-returns-value]
    found = await svix.endpoint.transformation.get(*at)
    assert (found.code, found.enabled, found.variables) == (CODE, True, {"BY": "me"})
    with pytest.warns(DeprecationWarning, match="transformation_partial_update"):
        await svix.endpoint.transformation_partial_update(*at, EndpointTransformationIn(code=None))
    found = await svix.endpoint.transformation.get(*at)
    assert (found.code, found.enabled, found.variables) == (None, True, {"BY": "me"})
    assert found.updated_at is not None


async def test_it_goes_with_a_deleted_endpoint(client: httpx.AsyncClient, endpoint: str, path: str) -> None:
    await _patch(client, path, code=CODE)
    await client.delete(endpoint)
    assert (await client.get(path)).status_code == 404
    assert (await client.patch(path, json={"enabled": True})).status_code == 404
