"""Payloads at the edge of what is taken, whichever way they come: kept and shown byte for byte.

Two hundred made-up ones are in test_message.py.
"""

import hashlib
import json

import httpx
import pytest

from app.db.session import Database
from tests.api.api_server import both_ways

pytestmark = both_ways

PAYLOADS = {
    "a megabyte of letters": '{ "a" : "' + "x" * 1_000_000 + '" }',
    "a megabyte of emoji": '{"a":"' + "\U0001f600" * 250_000 + '"}',
    "a megabyte of NUL": '{"a":"' + r"\u0000" * 166_000 + '"}',
    "a million elements": '{"a":[' + ",".join("1" * 500_000) + "]}",
    "a name of a megabyte": '{"' + "x" * 1_000_000 + '":1}',
    "ten thousand names": json.dumps({f"{number:088}": number for number in range(10_000)}),
    "names that mean something elsewhere": '{"__proto__":{"a":1},"constructor":{"prototype":null},"a":1,"a":2,"":3}',
}


@pytest.mark.parametrize("text", PAYLOADS.values(), ids=PAYLOADS.keys())
async def test_a_payload_at_the_edge_is_kept_byte_for_byte(
    client: httpx.AsyncClient, application: str, database: Database, text: str
) -> None:
    payload = text.encode()
    answer = await client.post(f"/app/{application}/msg", content=b'{"eventType": "a", "payload":' + payload + b"}")
    assert answer.status_code == 202, answer.text[:300]
    message = json.loads(answer.content[: answer.content.index(b',"eventType"')] + b"}")["id"]
    kept: bytes = await database.pool.fetchval("SELECT payload FROM messages WHERE id = $1", message)
    assert hashlib.sha256(kept).digest() == hashlib.sha256(payload).digest()
    shown = await client.get(f"/app/{application}/msg/{message}")
    for found in (answer, shown):
        assert b'"payload":' + payload + b"," in found.content


async def test_of_what_is_said_twice_the_last_counts(client: httpx.AsyncClient, application: str) -> None:
    content = b'{"eventType": "a", "payload": {"a": 1}, "eventType": "b", "payload": {"a": 2}}'
    answer = await client.post(f"/app/{application}/msg", content=content)
    assert (answer.json()["eventType"], answer.json()["payload"]) == ("b", {"a": 2})
    listed = (await client.get(f"/app/{application}/msg", params={"event_types": "b"})).json()["data"]
    assert [message["id"] for message in listed] == [answer.json()["id"]]
