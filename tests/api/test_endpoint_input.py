"""What the endpoint domain refuses: the documented error, and nothing written."""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from app.db.session import Database
from app.settings import Settings
from tests import factories

URL = {"url": factories.URL}

# A body that creates or replaces an endpoint, where the fault is, and a part of what is said about it.
REFUSED: list[tuple[Mapping[str, Any], list[str], str]] = [
    ({}, ["body", "url"], "required"),
    ({"url": None}, ["body", "url"], "string"),
    ({"url": ""}, ["body", "url"], "at least 1 character"),
    ({"url": "not a url"}, ["body", "url"], "spaces"),
    ({"url": "ftp://example.com/"}, ["body", "url"], "http:// or https://"),
    ({"url": "http://user:secret@example.com/"}, ["body", "url"], "user name or password"),
    ({"url": "http://2130706433/"}, ["body", "url"], "four decimal numbers"),
    ({"url": "http://example.com/a\nb"}, ["body", "url"], "control characters"),
    (URL | {"description": None}, ["body", "description"], "string"),
    (URL | {"description": "a\0b"}, ["body", "description"], "NUL"),
    (URL | {"uid": "no spaces"}, ["body", "uid"], "pattern"),
    (URL | {"uid": "line\n"}, ["body", "uid"], "pattern"),
    (URL | {"uid": ""}, ["body", "uid"], "at least 1 character"),
    (URL | {"uid": "x" * 257}, ["body", "uid"], "256"),
    (URL | {"uid": "ep_mine"}, ["body", "uid"], "prefix"),
    (URL | {"throttleRate": 0}, ["body", "throttleRate"], "greater than or equal to 1"),
    (URL | {"throttleRate": 65536}, ["body", "throttleRate"], "65535"),
    (URL | {"throttleRate": True}, ["body", "throttleRate"], "integer"),
    (URL | {"throttleRate": "5"}, ["body", "throttleRate"], "integer"),
    (URL | {"version": 0}, ["body", "version"], "greater than or equal to 1"),
    (URL | {"disabled": "yes"}, ["body", "disabled"], "boolean"),
    (URL | {"channels": ["a b"]}, ["body", "channels", "[0]"], "pattern"),
    (URL | {"channels": ["x" * 129]}, ["body", "channels", "[0]"], "128"),
    (URL | {"channels": []}, ["body", "channels"], "at least 1 and at most 10"),
    (URL | {"channels": [f"c{n}" for n in range(11)]}, ["body", "channels"], "at least 1 and at most 10"),
    (URL | {"channels": "a"}, ["body", "channels"], "list"),
    (URL | {"eventTypes": ["a b"]}, ["body", "eventTypes", "[0]"], "pattern"),
    (URL | {"eventTypes": ["x" * 257]}, ["body", "eventTypes", "[0]"], "256"),
    (URL | {"metadata": {"k": 1}}, ["body", "metadata", "k"], "string"),
    (URL | {"metadata": {"k": "x" * 4096}}, ["body", "metadata"], "4096"),
    (URL | {"metadata": None}, ["body", "metadata"], "dictionary"),
]
ONLY_NEW: list[tuple[Mapping[str, Any], list[str], str]] = [
    (URL | {"secret": "whsec_short"}, ["body", "secret"], "base64"),
    (URL | {"secret": "whsec_" + "QUJD" * 4}, ["body", "secret"], "24 to 75 bytes"),
    (URL | {"headers": {"Content-Length": "1"}}, ["body", "headers"], "not allowed"),
]


def _assert_refused(response: httpx.Response, loc: list[str], text: str) -> None:
    assert response.status_code == 422, response.text
    faults = response.json()["detail"]
    assert [fault["loc"] for fault in faults] == [loc], faults
    assert text in faults[0]["msg"]
    assert faults[0]["type"] in {"value_error", "value_error.jsondecode"}


async def _endpoints_of(database: Database, application: str) -> int:
    count: int = await database.pool.fetchval("SELECT count(*) FROM endpoints WHERE application_id = $1", application)
    return count


@pytest.mark.parametrize(("body", "loc", "text"), REFUSED + ONLY_NEW)
async def test_a_bad_new_endpoint_is_refused_and_nothing_is_written(
    client: httpx.AsyncClient,
    application: str,
    database: Database,
    body: Mapping[str, Any],
    loc: list[str],
    text: str,
) -> None:
    _assert_refused(await client.post(f"/app/{application}/endpoint", json=body), loc, text)
    assert await _endpoints_of(database, application) == 0


@pytest.mark.parametrize(("body", "loc", "text"), REFUSED)
async def test_a_bad_replacement_is_refused_and_nothing_is_written(
    client: httpx.AsyncClient,
    application: str,
    database: Database,
    body: Mapping[str, Any],
    loc: list[str],
    text: str,
) -> None:
    created = await factories.create_endpoint(client, application)
    for reference in (created["id"], "new-uid"):
        _assert_refused(await client.put(f"/app/{application}/endpoint/{reference}", json=body), loc, text)
    assert await _endpoints_of(database, application) == 1
    assert (await client.get(f"/app/{application}/endpoint/{created['id']}")).json() == created


@pytest.mark.parametrize(
    ("body", "loc", "text"),
    # A patch may leave the URL out, clear channels with an empty list, and has no null for what always has a value.
    [case for case in REFUSED if case[0] and case[0].get("channels") != []]
    + [({"disabled": None}, ["body", "disabled"], "boolean"), ({"version": None}, ["body", "version"], "integer")],
)
async def test_a_bad_patch_is_refused_and_nothing_is_written(
    client: httpx.AsyncClient, application: str, body: Mapping[str, Any], loc: list[str], text: str
) -> None:
    created = await factories.create_endpoint(client, application)
    path = f"/app/{application}/endpoint/{created['id']}"
    _assert_refused(await client.patch(path, json=body), loc, text)
    assert (await client.get(path)).json() == created


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"text"', b"null", b"\xff", b'{"url": "\\ud800"}'])
async def test_a_body_that_is_not_a_json_object_is_refused(
    client: httpx.AsyncClient, application: str, database: Database, content: bytes
) -> None:
    headers = {"content-type": "application/json"}
    response = await client.post(f"/app/{application}/endpoint", content=content, headers=headers)
    assert response.status_code == 422, response.text
    assert response.json()["detail"][0]["loc"][0] == "body"
    assert await _endpoints_of(database, application) == 0


async def test_a_refusal_does_not_repeat_the_secret(client: httpx.AsyncClient, application: str) -> None:
    body = URL | {"secret": "whsec_CanaryCanaryCanary"}
    response = await client.post(f"/app/{application}/endpoint", json=body)
    assert response.status_code == 422
    assert "Canary" not in response.text


@pytest.mark.parametrize("field", ["eventTypes", "filterTypes"])
async def test_event_types_that_do_not_exist_or_are_archived_are_named(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, application: str, database: Database, field: str
) -> None:
    await factories.create_event_type(client, "known")
    await factories.create_event_type(client, "old", archived=True)
    await factories.create_event_type(stranger, "foreign")
    body = URL | {field: ["known", "foreign", "old", "new"]}
    path = f"/app/{application}/endpoint"
    text = "The following event types don't exist: foreign, old, new. Create them with POST /api/v1/event-type first."
    _assert_refused(await client.post(path, json=body), ["body", "eventTypes"], text)
    _assert_refused(await client.put(f"{path}/some-uid", json=body), ["body", "eventTypes"], text)
    assert await _endpoints_of(database, application) == 0
    created = await factories.create_endpoint(client, application)
    _assert_refused(await client.patch(f"{path}/{created['id']}", json=body), ["body", "eventTypes"], text)


async def test_only_https_is_taken_where_the_settings_say_so(
    settings: Settings, client: httpx.AsyncClient, application: str, token: str
) -> None:
    created = await factories.create_endpoint(client, application)
    path = f"/app/{application}/endpoint"
    strict_settings = settings.model_copy(update={"endpoint_https_only": True})
    text = "Endpoint URL schemes must be https when endpoint_https_only is set."
    async with factories.running(strict_settings) as app, factories.client_of(app, token) as strict:
        _assert_refused(await strict.post(path, json=URL), ["body", "url"], text)
        _assert_refused(await strict.patch(f"{path}/{created['id']}", json=URL), ["body", "url"], text)
        assert (await strict.patch(f"{path}/{created['id']}", json={"disabled": True})).status_code == 200
        assert (await strict.post(path, json={"url": "HTTPS://example.com/"})).status_code == 201


@pytest.mark.parametrize("reference", ["a%00b", "a%20b", "x" * 257])
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_a_reference_that_cannot_exist_is_refused(
    client: httpx.AsyncClient, application: str, method: str, reference: str
) -> None:
    response = await client.request(method, f"/app/{application}/endpoint/{reference}", json=URL)
    _assert_refused(response, ["path", "endpoint_id"], "")


@pytest.mark.parametrize(
    ("query", "status"),
    [("limit=251", 422), ("limit=0", 422), ("limit=many", 400), ("order=sideways", 400), ("iterator=%00", 422)],
)
async def test_a_bad_list_query_is_refused(
    client: httpx.AsyncClient, application: str, query: str, status: int
) -> None:
    response = await client.get(f"/app/{application}/endpoint?{query}")
    assert response.status_code == status, response.text
