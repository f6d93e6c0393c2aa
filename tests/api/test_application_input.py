"""What applications refuse: each with the documented error, and with nothing written."""

import json

import httpx
import pytest

from tests import factories


async def names(client: httpx.AsyncClient) -> list[str]:
    return [item["name"] for item in (await client.get("/app")).json()["data"]]


BAD_BODIES: dict[str, tuple[bytes, list[str], str]] = {
    "not JSON": (b"{", ["body"], "value_error.jsondecode"),
    "empty": (b"", ["body"], "value_error.jsondecode"),
    "not UTF-8": (b'{"name": "\xff"}', ["body"], "value_error.jsondecode"),
    "nested too deep": (b"[" * 100_000, ["body"], "value_error.jsondecode"),
    "a list": (b"[]", ["body"], "value_error.jsondecode"),
    "a text": (b'"x"', ["body"], "value_error.jsondecode"),
    "no name": (b"{}", ["body", "name"], "value_error.jsondecode"),
    "name empty": (b'{"name": ""}', ["body", "name"], "value_error"),
    "name null": (b'{"name": null}', ["body", "name"], "value_error.jsondecode"),
    "name a number": (b'{"name": 1}', ["body", "name"], "value_error.jsondecode"),
    "name with NUL": (rb'{"name": "a\u0000"}', ["body", "name"], "value_error"),
    "name with half a surrogate pair": (rb'{"name": "a\ud800"}', ["body"], "value_error.jsondecode"),
    "uid empty": (b'{"name": "a", "uid": ""}', ["body", "uid"], "value_error"),
    "uid with a space": (b'{"name": "a", "uid": "a b"}', ["body", "uid"], "value_error"),
    "uid with a line feed": (rb'{"name": "a", "uid": "ab\n"}', ["body", "uid"], "value_error"),
    "uid like an id": (b'{"name": "a", "uid": "app_1"}', ["body", "uid"], "value_error"),
    "uid too long": (b'{"name": "a", "uid": "%s"}' % (b"u" * 257), ["body", "uid"], "value_error"),
    "rate zero": (b'{"name": "a", "throttleRate": 0}', ["body", "throttleRate"], "value_error"),
    "rate above 16 bits": (b'{"name": "a", "throttleRate": 65536}', ["body", "throttleRate"], "value_error"),
    "rate a text": (b'{"name": "a", "throttleRate": "5"}', ["body", "throttleRate"], "value_error.jsondecode"),
    "rate true": (b'{"name": "a", "throttleRate": true}', ["body", "throttleRate"], "value_error.jsondecode"),
    "metadata a list": (b'{"name": "a", "metadata": []}', ["body", "metadata"], "value_error.jsondecode"),
    "metadata null": (b'{"name": "a", "metadata": null}', ["body", "metadata"], "value_error.jsondecode"),
    "metadata of numbers": (
        b'{"name": "a", "metadata": {"k": 1}}',
        ["body", "metadata", "k"],
        "value_error.jsondecode",
    ),
    "metadata too large": (
        json.dumps({"name": "a", "metadata": {"k": "v" * 4096}}).encode(),
        ["body", "metadata"],
        "value_error",
    ),
    "metadata with NUL": (rb'{"name": "a", "metadata": {"k": "\u0000"}}', ["body", "metadata"], "value_error"),
}


@pytest.mark.parametrize(("body", "loc", "kind"), BAD_BODIES.values(), ids=BAD_BODIES.keys())
async def test_a_bad_body_is_refused_where_it_is_wrong_and_nothing_is_written(
    client: httpx.AsyncClient, body: bytes, loc: list[str], kind: str
) -> None:
    await factories.create_application(client, name="Before", uid="target")
    before = (await client.get("/app")).json()
    for method, path in (("POST", "/app"), ("PUT", "/app/target"), ("PUT", "/app/created")):
        answer = await client.request(method, path, content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 422, answer.text
        (violation,) = answer.json()["detail"]
        assert (violation["loc"], violation["type"]) == (loc, kind)
        assert violation["msg"]
    if body != b"{}":  # A patch of nothing is a good one.
        answer = await client.patch("/app/target", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 422, answer.text
    assert (await client.get("/app")).json() == before


async def test_a_body_that_is_too_large_is_refused_and_nothing_is_written(client: httpx.AsyncClient) -> None:
    answer = await client.post("/app", json={"name": "a", "padding": "x" * 2_000_000})
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert await names(client) == []


@pytest.mark.parametrize("reference", ["a%00b", "a%20b", "%F0%9F%92%A9", "x" * 257, "a%0A"])
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_a_malformed_reference_is_refused(client: httpx.AsyncClient, method: str, reference: str) -> None:
    body = {"name": "a"} if method in {"PUT", "PATCH"} else None
    answer = await client.request(method, f"/app/{reference}", json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["path", "app_id"]
    assert await names(client) == []


@pytest.mark.parametrize(
    ("query", "status"),
    [("limit=251", 422), ("limit=0", 422), ("limit=x", 400), ("order=sideways", 400), ("iterator=a%00", 422)],
)
async def test_a_malformed_query_is_refused(client: httpx.AsyncClient, query: str, status: int) -> None:
    answer = await client.get(f"/app?{query}")
    assert answer.status_code == status
    assert answer.json()["detail"]


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer nonsense", "Basic YTpi"])
async def test_without_a_good_token_nothing_is_answered_or_written(
    anonymous: httpx.AsyncClient, client: httpx.AsyncClient, header: str | None
) -> None:
    headers = {} if header is None else {"authorization": header}
    for method, path in (("GET", "/app"), ("POST", "/app"), ("GET", "/app/x"), ("PUT", "/app/x"), ("DELETE", "/app/x")):
        body = {"name": "a"} if method in {"POST", "PUT"} else None
        answer = await anonymous.request(method, path, json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "authentication_failed")
    assert await names(client) == []


async def test_a_body_is_read_as_json_whatever_its_content_type_says(client: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    created = await client.post("/app", content=b'{"name": "from curl -d"}', headers=headers)
    assert (created.status_code, created.json()["name"]) == (201, "from curl -d")


@pytest.mark.parametrize("iterator", ["junk", "-junk", "ep_2ONfBCHf5wcUPzFnP9mW8mCqPPa"])
async def test_an_iterator_of_another_list_is_refused(client: httpx.AsyncClient, iterator: str) -> None:
    refused = await client.get("/app", params={"iterator": iterator})
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"] == ["query", "iterator"]
