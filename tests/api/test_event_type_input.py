"""What event types refuse: each with the documented error, and with nothing written."""

import httpx
import pytest

from tests import factories

PARSING, RULE = "value_error.jsondecode", "value_error"

# What follows `"description": "It happened."` in a body, or the whole body; where it is wrong; how.
BAD: dict[str, tuple[bytes, list[str], str]] = {
    "not JSON": (b"{", ["body"], PARSING),
    "a list": (b"[]", ["body"], PARSING),
    "no description": (b'{"name": "n"}', ["body", "description"], PARSING),
    "description null": (b'{"name": "n", "description": null}', ["body", "description"], PARSING),
    "description with NUL": (rb'{"name": "n", "description": "\u0000"}', ["body", "description"], RULE),
    "archived a text": (b'"archived": "yes"', ["body", "archived"], PARSING),
    "archived null": (b'"archived": null', ["body", "archived"], PARSING),
    "deprecated a number": (b'"deprecated": 1', ["body", "deprecated"], PARSING),
    "flag with a space": (b'"featureFlag": "a b"', ["body", "featureFlag"], RULE),
    "flags empty": (b'"featureFlags": []', ["body", "featureFlags"], RULE),
    "flags with a space": (b'"featureFlags": ["ok", "a b"]', ["body", "featureFlags", "[1]"], RULE),
    "group with a slash": (b'"groupName": "a/b"', ["body", "groupName"], RULE),
    "schemas a list": (b'"schemas": []', ["body", "schemas"], PARSING),
    "schema a text": (b'"schemas": {"1": "x"}', ["body", "schemas", "1"], PARSING),
    "schemas with NaN": (b'"schemas": {"1": {"a": NaN}}', ["body"], PARSING),
    "schemas with infinity": (b'"schemas": {"1": {"a": [1e999]}}', ["body"], PARSING),
    "schemas with NUL": (rb'"schemas": {"1": {"a": "\u0000"}}', ["body", "schemas"], RULE),
    "schemas with NUL in a key": (rb'"schemas": {"1": {"a\u0000": 1}}', ["body", "schemas"], RULE),
    "schemas with NUL after a backslash": (rb'"schemas": {"1": {"a": "\\\u0000"}}', ["body", "schemas"], RULE),
}


def _body(text: bytes) -> bytes:
    return text if text[:1] in b"{[" else b'{"name": "n", "description": "It happened.", ' + text + b"}"


@pytest.mark.parametrize(("text", "loc", "kind"), BAD.values(), ids=BAD.keys())
async def test_a_bad_body_is_refused_where_it_is_wrong_and_nothing_is_written(
    client: httpx.AsyncClient, text: bytes, loc: list[str], kind: str
) -> None:
    await factories.create_event_type(client, "target")
    before = (await client.get("/event-type?include_archived=true&with_content=true")).json()
    calls = [("POST", "/event-type"), ("PUT", "/event-type/target"), ("PUT", "/event-type/new")]
    if text != b'{"name": "n"}':  # A patch without one is a good one.
        calls.append(("PATCH", "/event-type/target"))
    for method, path in calls:
        answer = await client.request(method, path, content=_body(text), headers={"content-type": "application/json"})
        assert answer.status_code == 422, answer.text
        (violation,) = answer.json()["detail"]
        assert (violation["loc"], violation["type"]) == (loc, kind)
        assert violation["msg"]
    assert (await client.get("/event-type?include_archived=true&with_content=true")).json() == before


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a\n", "ü", "x" * 257, None, 1])
async def test_a_bad_name_is_refused_in_a_body(client: httpx.AsyncClient, name: object) -> None:
    answer = await client.post("/event-type", json={"name": name, "description": "It happened."})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "name"]
    assert (await client.get("/event-type?include_archived=true")).json()["data"] == []


@pytest.mark.parametrize("name", ["a%20b", "a%00b", "a%0A", "%C3%BC", "x" * 257])
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_a_bad_name_is_refused_in_a_path(client: httpx.AsyncClient, method: str, name: str) -> None:
    body = {"description": "It happened."} if method in {"PUT", "PATCH"} else None
    answer = await client.request(method, f"/event-type/{name}", json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["path", "event_type_name"]
    assert (await client.get("/event-type?include_archived=true")).json()["data"] == []


async def test_the_longest_name_is_served(client: httpx.AsyncClient) -> None:
    name = "x" * 256
    await factories.create_event_type(client, name)
    assert (await client.get(f"/event-type/{name}")).status_code == 200


async def test_a_schema_may_say_anything_that_is_json(client: httpx.AsyncClient) -> None:
    deep: object = "leaf"
    for _ in range(100):
        deep = {"d": [deep]}
    schemas = {
        "1": {"backslash": r"\u0000", "emoji": "💩", "big": 10**30, "null": None, "deep": deep, "float": 1.5},
        "2": {},
    }
    made = await factories.create_event_type(client, "any", schemas=schemas)
    assert made["schemas"] == schemas
    assert (await client.get("/event-type/any")).json()["schemas"] == schemas


async def test_schemas_that_nest_deeper_than_can_be_kept_are_refused(client: httpx.AsyncClient) -> None:
    for depth in (300, 900, 5000, 100_000):
        nested = b'{"d":' * depth + b"1" + b"}" * depth
        text = _body(b'"schemas": {"1": {"a": ' + nested + b"}}")
        answer = await client.post("/event-type", content=text, headers={"content-type": "application/json"})
        assert answer.status_code in {201, 422}, answer.text
        assert (await client.get("/event-type/n")).status_code == (200 if answer.status_code == 201 else 404)
        await client.delete("/event-type/n?expunge=true")


@pytest.mark.parametrize(
    ("query", "status"),
    [("limit=251", 422), ("limit=0", 422), ("limit=x", 400), ("with_content=maybe", 400), ("iterator=a%00", 422)],
)
async def test_a_malformed_query_is_refused(client: httpx.AsyncClient, query: str, status: int) -> None:
    answer = await client.get(f"/event-type?{query}")
    assert answer.status_code == status
    assert answer.json()["detail"]


async def test_without_a_good_token_nothing_is_answered_or_written(
    anonymous: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    await factories.create_event_type(client, "kept")
    calls = [("GET", ""), ("POST", ""), ("GET", "/kept"), ("PUT", "/kept"), ("PATCH", "/kept"), ("DELETE", "/kept")]
    for method, path in calls:
        body = {"name": "new", "description": "x"} if method in {"POST", "PUT", "PATCH"} else None
        answer = await anonymous.request(method, f"/event-type{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (401, "authentication_failed")
    listed = (await client.get("/event-type?include_archived=true")).json()["data"]
    assert [(item["name"], item["archived"]) for item in listed] == [("kept", False)]
