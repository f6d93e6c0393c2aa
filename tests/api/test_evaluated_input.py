"""What callers send to be evaluated is bounded: it fetches nothing, takes no time, and no other message waits."""

import json
from time import perf_counter, process_time

import httpx
import pytest
from pydantic import BaseModel

from app.api.endpoint.models import EndpointIn, EndpointPatch
from app.api.event_type.models import EventTypeIn
from app.api.message.models import MessageIn
from app.db.session import Database
from tests import factories
from tests.delivery.canary import canaries

# Texts that make a careless pattern walk through all ways of reading them.
EXPLOSIVE = {
    "slashes": "/" * 60_000,
    "a pointer that ends badly": "/a" * 30_000 + "~",
    "escapes": "/~0~1" * 12_000 + "~2",
    "names": "a" * 60_000 + "!",
    "dots": "a." * 30_000 + "!",
    "dashes": "-" * 60_000 + "\n",
    "backslashes": "\\" * 60_000 + "\\u000",
    "spaces": " " * 60_000 + "x",
    "colons": "http://" + ":" * 60_000,
    "at signs": "http://a" + "@" * 7_000,
    "labels": "http://" + "a-" * 3_900,
    "letters of no script": "http://" + "ü" * 7_000,
    "brackets": "http://" + "[" * 7_000,
    "percents": "http://a/" + "%" * 7_900,
    "PEM": "-----BEGIN A-----\n" * 3_000,
}


@pytest.mark.parametrize("text", EXPLOSIVE.values(), ids=EXPLOSIVE.keys())
def test_no_text_makes_a_rule_think_for_long(text: str) -> None:
    bodies: list[tuple[type[BaseModel], dict[str, object]]] = [
        (EndpointIn, {"url": text}),
        (EndpointIn, {"url": factories.URL, "orderedBy": text, "uid": text, "secret": text}),
        (EndpointIn, {"url": factories.URL, "channels": [text], "eventTypes": [text], "headers": {text: text}}),
        (EndpointPatch, {"metadata": {text: text}, "description": text}),
        (EventTypeIn, {"name": text, "description": text, "schemas": {"1": {text: text}}, "featureFlags": [text]}),
        (MessageIn, {"eventType": text, "eventId": text, "channels": [text], "payload": b"{}"}),
    ]
    started = process_time()
    for kind, body in bodies:
        try:
            kind.model_validate(body)
        except ValueError:
            continue
    assert process_time() - started < 0.5


SCHEMAS = {
    "remote": {"$ref": "http://127.0.0.1:{port}/schema.json"},
    "remote id": {"$id": "http://127.0.0.1:{port}/a", "$schema": "http://127.0.0.1:{port}/b", "$ref": "c"},
    "file": {"$ref": "file:///etc/passwd"},
    "itself": {"$ref": "#"},
    "dynamic": {"$dynamicAnchor": "a", "$dynamicRef": "#a"},
    "a pattern that explodes": {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}},
    "no schema at all": {"type": 7, "properties": "x"},
}


async def test_a_schema_is_kept_and_neither_fetched_nor_run(client: httpx.AsyncClient, application: str) -> None:
    async with canaries(1) as found:
        for name, schema in SCHEMAS.items():
            text = json.dumps({"1": schema}).replace("{port}", str(found.ports[0]))
            event_type = factories.unique(name.replace(" ", "-"))
            made = await factories.create_event_type(client, event_type, schemas=json.loads(text))
            assert made["schemas"] == json.loads(text)
            await factories.create_endpoint(client, application, eventTypes=[event_type])
            started = perf_counter()
            await factories.publish(client, application, event_type, {"a": "a" * 60 + "!"})
            assert perf_counter() - started < 1
    assert found.heard == []


DEEPEST = 900
NESTED = b'{"a":' * DEEPEST + b"1" + b"}" * DEEPEST
PAYLOADS = {
    "deep": NESTED,
    "deep and long": b'{"a":' * 127 + json.dumps(["x" * 10] * 70_000).encode() + b"}" * 127,
    "long": json.dumps({"a": [{"id": number, "name": "x" * 20} for number in range(18_000)]}).encode(),
    "many keys": json.dumps({f"k{number}": number for number in range(50_000)}).encode(),
    "the same key": b'{"a":1' + b',"a":1' * 150_000 + b"}",
    "NULs": b'{"a":"' + b"\\u0000" * 160_000 + b'"}',
    "a long number": b'{"a":' + b"9" * 900_000 + b"}",
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
async def test_a_line_is_found_in_any_payload_in_a_moment(database: Database, payload: bytes) -> None:
    """What an endpoint is ordered by is looked for while the message is stored, with those of others."""
    took = []
    for pointer in ("/a", "/a" * 16, "/a" + "/0" * 15, "/a" * 15 + "/-1"):
        started = perf_counter()
        line = await database.pool.fetchval("SELECT line_of($1, $2)", payload, pointer)
        took.append(perf_counter() - started)
        assert isinstance(line, int)
    # One pass takes some 20 ms; each part of the pointer was a pass of its own once, which made seconds of it.
    assert min(took[:3]) < 0.5
    assert max(took) < 3


async def test_a_hundred_thousand_levels_fail_alone(client: httpx.AsyncClient, application: str) -> None:
    """And the message that comes with them, to the same ordered endpoints, is stored."""
    for pointer in ("/a", "/a" * 16, "endpoint"):
        await factories.create_endpoint(client, application, orderedBy=pointer)
    path = f"/app/{application}/msg"
    for opening, closing in ((b'{"a":', b"}"), (b"[", b"]")):
        deep = opening * 100_000 + b"1" + closing * 100_000
        content = b'{"eventType": "invoice.paid", "payload": {"a":' + deep + b"}}"
        answer = await client.post(path, content=content, headers={"content-type": "application/json"})
        assert answer.status_code == 422, answer.text[:300]
    await factories.publish(client, application, payload=json.loads(NESTED[: 5 * 200] + b"1" + b"}" * 200))
