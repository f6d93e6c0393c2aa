"""Publishing over HTTP: what is accepted is stored, once, byte for byte, for whom it is meant."""

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from svix.models import MessageOut

from app import clock, ids, tokens
from app.db.session import Database
from app.settings import Settings
from tests import factories
from tests.api.api_server import both_ways
from tests.api.publishing import KEY, Counts, body
from tests.factories import Json

pytestmark = both_ways


async def test_a_message_is_accepted_with_its_id_and_time(client: httpx.AsyncClient, application: str) -> None:
    before = clock.now()
    answer = await client.post(f"/app/{application}/msg", json=body(eventId="paid-1", channels=["eu", "a.b:c+d"]))
    assert answer.status_code == 202
    shown = answer.json()
    MessageOut.model_validate(shown)
    assert ids.is_id(shown["id"], "msg")
    assert before - timedelta(seconds=1) < datetime.fromisoformat(shown["timestamp"]) <= clock.now()
    assert shown == {
        "id": shown["id"],
        "eventType": "invoice.paid",
        "eventId": "paid-1",
        "channels": ["eu", "a.b:c+d"],
        "payload": {"id": "in_1"},
        "timestamp": shown["timestamp"],
    }
    assert (await client.get(f"/app/{application}/msg/paid-1")).json() == shown


async def test_an_answer_leaves_out_what_was_not_given(client: httpx.AsyncClient, application: str) -> None:
    plain = body(unknown={"ignored": True}, eventId=None, channels=None, tags=[], payloadRetentionPeriod=5)
    shown = (await client.post(f"/app/{application}/msg", json=plain)).json()
    assert set(shown) == {"id", "eventType", "payload", "timestamp"}


async def test_data_is_another_name_of_payload(client: httpx.AsyncClient, application: str) -> None:
    answer = await client.post(f"/app/{application}/msg", json={"eventType": "a", "data": {"b": 1}})
    assert (answer.status_code, answer.json()["payload"]) == (202, {"b": 1})


@pytest.mark.parametrize(
    ("query", "payload"),
    [
        ("", {"id": "in_1"}),
        ("?with_content=true", {"id": "in_1"}),
        ("?other=false", {"id": "in_1"}),
        ("?with_content=false", {}),
        ("?a=b&with_content=False", {}),
        ("?with_content=0", {}),
    ],
)
async def test_the_payload_is_in_the_answer_unless_it_is_not_wanted(
    client: httpx.AsyncClient, application: str, query: str, payload: Json
) -> None:
    answer = await client.post(f"/app/{application}/msg{query}", json=body())
    assert (answer.status_code, answer.json()["payload"]) == (202, payload)
    assert (await client.get(f"/app/{application}/msg/{answer.json()['id']}")).json()["payload"] == {"id": "in_1"}


_SPACE = st.text(" \t\n\r", max_size=2)
_NUMBERS = st.sampled_from(
    ["0", "-0", "1.10", "1e400", "-1E-999", "123456789012345678901234567890", "0.30000000000004"]
)
# As Python writes them, escaped or not; half a surrogate pair is not Unicode.
_STRINGS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).flatmap(
    lambda text: st.booleans().map(lambda escaped: json.dumps(text, ensure_ascii=escaped))
)
_ODD = st.sampled_from(['"\\u0000"', '"\\/"', '"\\ud83d\\ude00"', '"😀"', '"\\u00E9"', "true", "null"])


def _objects(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(_STRINGS | st.just('"a"'), _SPACE, values).map(lambda p: f"{p[0]}{p[1]}:{p[1]}{p[2]}")
    return st.tuples(st.lists(pair, max_size=4), _SPACE).map(lambda o: "{" + o[1] + f",{o[1]}".join(o[0]) + o[1] + "}")


_VALUES = st.recursive(
    _NUMBERS | _STRINGS | _ODD,
    lambda inner: _objects(inner) | st.lists(inner, max_size=3).map(lambda items: f"[{' , '.join(items)}]"),
    max_leaves=12,
)


@given(payload=_objects(_VALUES), space=_SPACE)
@hypothesis_settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
async def test_a_payload_is_answered_stored_and_listed_byte_for_byte(
    client: httpx.AsyncClient, application: str, database: Database, payload: str, space: str
) -> None:
    exact = payload.encode()
    content = f'{{"eventType"{space}: "a",{space}"payload":{space}{payload}{space}}}'.encode()
    answer = await client.post(f"/app/{application}/msg", content=content)
    assert answer.status_code == 202, answer.text
    in_answer = b'"payload":' + exact + b',"timestamp"'
    assert in_answer in answer.content
    message = answer.content[answer.content.index(b"msg_") :][:31].decode()
    assert await database.pool.fetchval("SELECT payload FROM messages WHERE id = $1", message) == exact
    assert in_answer in (await client.get(f"/app/{application}/msg/{message}")).content
    assert in_answer in (await client.get(f"/app/{application}/msg?limit=1")).content


async def test_a_large_payload_is_kept_byte_for_byte(client: httpx.AsyncClient, application: str) -> None:
    exact = b'{"a":"' + "é😀".encode() * 50_000 + b'", "a" : 1.10}'
    assert len(exact) > 300_000
    answer = await client.post(f"/app/{application}/msg", content=b'{"eventType":"a","payload":' + exact + b"}")
    assert answer.status_code == 202
    stored = await client.get(f"/app/{application}/msg/{answer.json()['id']}")
    assert b'"payload":' + exact + b"," in answer.content
    assert b'"payload":' + exact + b"," in stored.content


async def test_a_body_that_arrives_in_pieces_is_put_together(client: httpx.AsyncClient, application: str) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b'{"eventType":"a",', b"", b'"payload":{"a":"\xf0\x9f', b'\x98\x80"}}'):
            yield piece

    answer = await client.post(f"/app/{application}/msg", content=pieces())
    assert (answer.status_code, answer.json()["payload"]) == (202, {"a": "😀"})


async def test_applications_that_are_unknown_foreign_or_deleted_are_not_told_apart(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, counts: Counts
) -> None:
    uids = [factories.unique("foreign"), factories.unique("gone")]
    foreign = (await factories.create_application(stranger, uid=uids[0]))["id"]
    gone = (await factories.create_application(client, uid=uids[1]))["id"]
    # So that what is remembered of the uid is stale.
    await factories.publish(client, uids[1])
    assert (await client.delete(f"/app/{gone}")).status_code == 204
    before = await counts()
    bodies = []
    for name in (ids.new_id("app"), "unknown", foreign, gone, *uids, "app_1", "a%20b", "x" * 300):
        answer = await client.post(f"/app/{name}/msg", json=body(eventId="e"), headers={KEY: name})
        assert answer.status_code == 404, name
        shown = answer.json()
        del shown["correlation_id"], shown["timestamp"]
        bodies.append(shown)
    assert bodies == [{"code": "not_found", "detail": "Application not found"}] * len(bodies)
    assert await counts() == before


async def test_a_uid_that_passed_to_another_application_publishes_to_that_one(
    client: httpx.AsyncClient, database: Database
) -> None:
    uid = factories.unique("acme")
    first = (await factories.create_application(client, uid=uid))["id"]
    old = await client.post(f"/app/{uid}/msg", json=body(eventId="e"), headers={KEY: "k"})
    assert (await client.delete(f"/app/{first}")).status_code == 204
    second = (await factories.create_application(client, uid=uid))["id"]
    new = await client.post(f"/app/{uid}/msg", json=body(eventId="e"), headers={KEY: "k"})
    assert new.status_code == 202
    assert new.json()["id"] != old.json()["id"]
    query = "SELECT application_id FROM messages WHERE id = $1"
    assert await database.pool.fetchval(query, new.json()["id"]) == second
    # While its first one lives on under another name.
    third = (await factories.create_application(client))["id"]
    await client.patch(f"/app/{second}", json={"uid": None})
    await client.patch(f"/app/{third}", json={"uid": uid})
    assert await database.pool.fetchval(query, (await factories.publish(client, uid))["id"]) == third


async def test_a_portals_token_cannot_publish(
    app: FastAPI, settings: Settings, organization_id: str, application: str, counts: Counts
) -> None:
    assert settings.jwt_secret is not None
    secret = settings.jwt_secret.get_secret_value()
    portal = tokens.issue_portal(secret, settings.jwt_algorithm, organization_id, application)
    async with factories.client_of(app, portal) as opened:
        answer = await opened.post(f"/app/{application}/msg", json=body())
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient access")
    assert (await counts())["messages"] == 0
