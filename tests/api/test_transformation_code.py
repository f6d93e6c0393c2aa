"""Code of transformations that is looked at before it is kept, and tried out: never where others would wait for it."""

import asyncio
import time

import httpx
import pytest
from fastapi import FastAPI

from tests import factories
from tests.api.test_transformation import CODE, _get, _patch
from tests.factories import Json


@pytest.fixture
async def path(client: httpx.AsyncClient) -> str:
    """The path of a new endpoint's transformation."""
    application = (await factories.create_application(client))["id"]
    endpoint = (await factories.create_endpoint(client, application))["id"]
    return f"/app/{application}/endpoint/{endpoint}/transformation"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def handler(w): return w", "line 1: SyntaxError"),
        ("function handler(w) {\n  return w\n", "SyntaxError"),
        ("function handle(w) { return w }", "must declare a function named handler"),
        ("while (true) { continue }", "too long"),
    ],
)
async def test_code_through_which_nothing_could_be_sent_is_refused(
    client: httpx.AsyncClient, path: str, code: str, said: str
) -> None:
    await _patch(client, path, code=CODE, enabled=True)
    answer = await client.patch(path, json={"code": code, "enabled": True, "variables": {"A": "b"}})
    assert answer.status_code == 422
    (detail,) = answer.json()["detail"]
    assert detail["loc"] == ["body", "code"]
    assert said in detail["msg"]
    found = await _get(client, path)
    assert (found["code"], "variables" in found) == (CODE, False)


async def test_looking_at_code_holds_no_connection_and_delays_nobody(client: httpx.AsyncClient, path: str) -> None:
    slow = {"code": "while (true) { continue }"}
    running = [asyncio.create_task(client.patch(path, json=slow)) for _ in range(20)]
    await asyncio.sleep(0.02)
    started = time.perf_counter()
    await _patch(client, path, enabled=True)
    assert time.perf_counter() - started < 1
    statuses = [answer.status_code for answer in await asyncio.gather(*running)]
    assert set(statuses) == {422, 503}
    assert "code" not in await _get(client, path)


async def test_a_simulation_says_what_would_be_sent(client: httpx.AsyncClient, path: str) -> None:
    await _patch(client, path, variables={"BY": "the endpoint"})
    body: Json = {"code": CODE, "eventType": "invoice.paid", "payload": {"b": 1, "a": [2]}}
    url = factories.URL
    cases: list[tuple[Json, Json]] = [
        ({}, {"payload": '{"b":1,"a":[2],"by":"the endpoint"}', "url": url, "method": "POST", "cancel": False}),
        ({"variables": {"BY": "me"}}, {"payload": '{"b":1,"a":[2],"by":"me"}'}),
        ({"variables": {}}, {"payload": '{"b":1,"a":[2]}'}),
        (
            {"code": "function handler(w) { w.payload = [w.eventType, ...w.channels]; return w }", "channels": ["x"]},
            {"payload": '["invoice.paid","x"]'},
        ),
        (
            {
                "code": "function handler(w) { w.method = 'PUT'; "
                "w.headers = {'X-A': 'b', 'content-type': 'c/d'}; return w }"
            },
            {"headers": {"X-A": "b", "content-type": "c/d"}, "method": "PUT"},
        ),
        ({"code": "function handler(w) { w.cancel = true; return w }"}, {"cancel": True, "url": url}),
        ({"code": "function handler(w) { w.url = 'https://x.test/'; return w }"}, {"url": "https://x.test/"}),
        ({"code": "function handler(w) { w.payload = 'a=b'; return w }"}, {"payload": "a=b"}),
    ]
    for fields, expected in cases:
        answer = await client.post(f"{path}/simulate", json=body | fields)
        assert answer.status_code == 200, answer.text
        assert answer.json() == answer.json() | expected
    # Nothing of it was kept.
    assert "code" not in await _get(client, path)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("function handler(w) {\n  throw Error('no')\n}", "line 2: Error: no"),
        ("while (true) { continue }", "too long"),
        ("function handler(w) { w.url = 'ftp://x'; return w }", "http"),
        ("function handler(w) { w.headers['X-Count'] = 5; return w }", "'X-Count' of the returned webhook must be a"),
        ("function handler(w) { w.headers.host = 'x'; return w }", "host"),
        ("function handler(w) { w.headers['content-length'] = '1'; return w }", "content-length"),
        ("function handler(w) { w.headers['webhook-id'] = 'x'; return w }", "webhook-id"),
        ("function handler(w) { w.headers.a = 'b\\r\\nc: d'; return w }", "'a'"),
        ("function handler(w) { w.headers = {'content-type': 'a', 'Content-Type': 'b'}; return w }", "twice"),
    ],
)
async def test_a_simulation_that_fails_says_why(client: httpx.AsyncClient, path: str, code: str, said: str) -> None:
    answer = await client.post(f"{path}/simulate", json={"code": code, "eventType": "a", "payload": {}})
    assert answer.status_code == 422
    detail = answer.json()["detail"][0]
    assert detail["loc"] == ["body", "code"]
    assert said in detail["msg"]


@pytest.mark.parametrize(
    "field",
    [
        {"code": "short"},
        {"payload": []},
        {"payload": None},
        {"eventType": "a b"},
        {"channels": ["a b"]},
        {"variables": []},
    ],
)
async def test_a_simulation_of_nothing_sensible_is_refused(client: httpx.AsyncClient, path: str, field: Json) -> None:
    body = {"code": CODE, "eventType": "a", "payload": {}} | field
    assert (await client.post(f"{path}/simulate", json=body)).status_code == 422


async def test_simulations_hold_no_connection_and_delay_nobody(
    client: httpx.AsyncClient, path: str, app: FastAPI
) -> None:
    """Many that take long at once: some are told to come again, and the API answers meanwhile."""
    slow = {"code": "while (true) { continue }", "eventType": "a", "payload": {}}
    running = [asyncio.create_task(client.post(f"{path}/simulate", json=slow)) for _ in range(20)]
    await asyncio.sleep(0.02)
    started = time.perf_counter()
    assert (await client.get(path)).status_code == 200
    assert time.perf_counter() - started < 1
    answers = await asyncio.gather(*running)
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {422, 503}
    assert statuses.count(422) >= 4
    refused = next(answer for answer in answers if answer.status_code == 503)
    assert refused.headers["retry-after"] == "1"
    assert "at once" in refused.json()["detail"]


async def test_large_numbers_survive_a_simulation_that_leaves_them(client: httpx.AsyncClient, path: str) -> None:
    content = (
        b'{"code": "function handler(w) { return w }", "eventType": "a", "payload": {"id": 123456789012345678901}}'
    )
    answer = await client.post(f"{path}/simulate", content=content, headers={"content-type": "application/json"})
    assert answer.json()["payload"] == '{"id":123456789012345678901}'
