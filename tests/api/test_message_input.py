"""What publishing refuses: each with the documented error, and with nothing written."""

import json
import time
from typing import Any

import httpx
import jwt
import pytest
from fastapi import FastAPI

from app import ids
from app.db.session import Database
from app.settings import Settings
from tests import factories
from tests.api.api_server import both_ways
from tests.api.publishing import KEY, body, count_stored, count_work

pytestmark = both_ways

PARSED, CHECKED = "value_error.jsondecode", "value_error"


def doc(**fields: Any) -> bytes:
    """A good body, some of its fields changed."""
    return json.dumps(body(**fields)).encode()


def raw(payload: bytes) -> bytes:
    """A body with exactly this payload."""
    return b'{"eventType": "a", "eventId": "e", "payload": ' + payload + b"}"


BAD_BODIES: dict[str, tuple[bytes, list[str], str]] = {
    "empty": (b"", ["body"], PARSED),
    "not JSON": (b"{", ["body"], PARSED),
    "a form": (b"eventType=a&payload=b", ["body"], PARSED),
    "with something behind it": (doc() + b"}", ["body"], PARSED),
    "with a comma too many": (raw(b'{"a": 1,}'), ["body"], PARSED),
    "a list": (b"[]", ["body"], PARSED),
    "a text": (b'"x"', ["body"], PARSED),
    "a number": (b"1", ["body"], PARSED),
    "null": (b"null", ["body"], PARSED),
    "with a byte order mark": (b"\xef\xbb\xbf" + doc(), ["body"], PARSED),
    "UTF-16": (doc().decode().encode("utf-16"), ["body"], PARSED),
    "not UTF-8": (raw(b'{"a": "\xff"}'), ["body"], PARSED),
    "not UTF-8 in a field that is ignored": (b'{"x": "\xff", ' + doc()[1:], ["body"], PARSED),
    "not UTF-8 in a name": (raw(b'{"\xff": 1}'), ["body"], PARSED),
    "overlong UTF-8": (raw(b'{"a": "\xc0\xaf"}'), ["body"], PARSED),
    "a surrogate as UTF-8": (raw(b'{"a": "\xed\xa0\x80"}'), ["body"], PARSED),
    "half a surrogate pair": (raw(rb'{"a": "\ud800"}'), ["body"], PARSED),
    "half a surrogate pair in a name": (raw(rb'{"\udc00": 1}'), ["body"], PARSED),
    "half a surrogate pair in an ignored field": (rb'{"x": "\ud800", ' + doc()[1:], ["body"], PARSED),
    "NaN": (raw(b'{"a": NaN}'), ["body"], PARSED),
    "Infinity": (raw(b'{"a": -Infinity}'), ["body"], PARSED),
    "a number that begins with 0": (raw(b'{"a": 01}'), ["body"], PARSED),
    "a raw NUL": (raw(b'{"a": "\0"}'), ["body"], PARSED),
    "a raw line feed": (raw(b'{"a": "\n"}'), ["body"], PARSED),
    "nested too deep, open": (raw(b'{"a": ' + b"[" * 100_000), ["body"], PARSED),
    "nested too deep": (raw(b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"), ["body"], PARSED),
    "nested too deep in an ignored field": (b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", ["body"], PARSED),
    "no payload": (b'{"eventType": "a"}', ["body", "payload"], PARSED),
    "payload null, and data none": (doc(payload=None, data=[]), ["body", "payload"], PARSED),
    "payload null": (doc(payload=None), ["body", "payload"], PARSED),
    "payload a list": (doc(payload=[{"a": 1}]), ["body", "payload"], PARSED),
    "payload a text": (doc(payload='{"a": 1}'), ["body", "payload"], PARSED),
    "payload a number": (doc(payload=1), ["body", "payload"], PARSED),
    "no event type": (b'{"payload": {}}', ["body", "eventType"], PARSED),
    "event type null": (doc(eventType=None), ["body", "eventType"], PARSED),
    "event type a number": (doc(eventType=1), ["body", "eventType"], PARSED),
    "event type empty": (doc(eventType=""), ["body", "eventType"], CHECKED),
    "event type with a space": (doc(eventType="a b"), ["body", "eventType"], CHECKED),
    "event type with a line feed": (doc(eventType="a\n"), ["body", "eventType"], CHECKED),
    "event type with a NUL": (doc(eventType="a\0"), ["body", "eventType"], CHECKED),
    "event type of other letters": (doc(eventType="é"), ["body", "eventType"], CHECKED),
    "event type too long": (doc(eventType="a" * 257), ["body", "eventType"], CHECKED),
    "event id empty": (doc(eventId=""), ["body", "eventId"], CHECKED),
    "event id a number": (doc(eventId=1), ["body", "eventId"], PARSED),
    "event id with a space": (doc(eventId="a b"), ["body", "eventId"], CHECKED),
    "event id with a line feed": (doc(eventId="a\n"), ["body", "eventId"], CHECKED),
    "event id like an id": (doc(eventId="msg_1"), ["body", "eventId"], CHECKED),
    "event id too long": (doc(eventId="e" * 257), ["body", "eventId"], CHECKED),
    "no channels": (doc(channels=[]), ["body", "channels"], CHECKED),
    "too many channels": (doc(channels=list("abcdefghijk")), ["body", "channels"], CHECKED),
    "channels a text": (doc(channels="eu"), ["body", "channels"], PARSED),
    "channel null": (doc(channels=["eu", None]), ["body", "channels", "[1]"], PARSED),
    "channel empty": (doc(channels=[""]), ["body", "channels", "[0]"], CHECKED),
    "channel with a comma": (doc(channels=["a,b"]), ["body", "channels", "[0]"], CHECKED),
    "channel with a line feed": (doc(channels=["a\n"]), ["body", "channels", "[0]"], CHECKED),
    "channel too long": (doc(channels=["c" * 129]), ["body", "channels", "[0]"], CHECKED),
    "retention too short": (doc(payloadRetentionPeriod=0), ["body", "payloadRetentionPeriod"], CHECKED),
    "retention too long": (doc(payloadRetentionPeriod=91), ["body", "payloadRetentionPeriod"], CHECKED),
    "retention a text": (doc(payloadRetentionPeriod="7"), ["body", "payloadRetentionPeriod"], PARSED),
    "retention true": (doc(payloadRetentionPeriod=True), ["body", "payloadRetentionPeriod"], PARSED),
    "hours too few": (doc(payloadRetentionHours=0), ["body", "payloadRetentionHours"], CHECKED),
    "hours too many": (doc(payloadRetentionHours=2161), ["body", "payloadRetentionHours"], CHECKED),
    "hours a text": (doc(payloadRetentionHours="7"), ["body", "payloadRetentionHours"], PARSED),
    "days and hours": (doc(payloadRetentionPeriod=5, payloadRetentionHours=5), ["body", "__all__"], CHECKED),
    "too many tags": (doc(tags=list("abcdef")), ["body", "tags"], CHECKED),
    "tags a text": (doc(tags="a"), ["body", "tags"], PARSED),
    "tag a number": (doc(tags=[1]), ["body", "tags", "[0]"], PARSED),
    "tag empty": (doc(tags=["a", ""]), ["body", "tags", "[1]"], CHECKED),
    "tag with a comma": (doc(tags=["a,b"]), ["body", "tags", "[0]"], CHECKED),
    "tag with a line feed": (doc(tags=["a\n"]), ["body", "tags", "[0]"], CHECKED),
    "tag too long": (doc(tags=["t" * 129]), ["body", "tags", "[0]"], CHECKED),
    "time a number": (doc(deliverAt=1893456000), ["body", "deliverAt"], PARSED),
    "time not a time": (doc(deliverAt="tomorrow"), ["body", "deliverAt"], PARSED),
    "time past": (doc(deliverAt="2020-01-01T00:00:00Z"), ["body", "deliverAt"], CHECKED),
    "time far away": (doc(deliverAt="9999-12-31T23:59:59Z"), ["body", "deliverAt"], CHECKED),
    "params a text": (doc(transformationsParams="a"), ["body", "transformationsParams"], PARSED),
    "raw payload an object": (
        doc(transformationsParams={"rawPayload": {}}),
        ["body", "transformationsParams"],
        CHECKED,
    ),
    "headers a list": (doc(transformationsParams={"headers": ["a"]}), ["body", "transformationsParams"], CHECKED),
    "header a number": (doc(transformationsParams={"headers": {"a": 1}}), ["body", "transformationsParams"], CHECKED),
    "header of ours": (
        doc(transformationsParams={"headers": {"Webhook-Id": "a"}}),
        ["body", "transformationsParams"],
        CHECKED,
    ),
    "header that splits": (
        doc(transformationsParams={"headers": {"content-type": "a\r\nx: y"}}),
        ["body", "transformationsParams"],
        CHECKED,
    ),
    "header twice": (
        doc(transformationsParams={"headers": {"content-type": "a", "Content-Type": "a"}}),
        ["body", "transformationsParams"],
        CHECKED,
    ),
    "header that is a credential": (
        doc(transformationsParams={"headers": {"X-Api-Key": "a"}}),
        ["body", "transformationsParams"],
        CHECKED,
    ),
    "headers too large": (
        doc(transformationsParams={"headers": {f"x-{n}": "v" * 4000 for n in range(5)}}),
        ["body", "transformationsParams"],
        CHECKED,
    ),
    "application a text": (doc(application="acme"), ["body", "application"], PARSED),
    "application without a name": (doc(application={"uid": "acme"}), ["body", "application", "name"], PARSED),
    "application with a bad uid": (
        doc(application={"name": "A", "uid": "a b"}),
        ["body", "application", "uid"],
        CHECKED,
    ),
}


class Watched:
    """An application with an endpoint that would get every message, and what is stored of its organization."""

    def __init__(self, application: str, database: Database, organization_id: str) -> None:
        self.path = f"/app/{application}/msg"
        self._database = database
        self._organization_id = organization_id

    async def written(self) -> int:
        """How many rows publishing has written."""
        pool = self._database.pool
        stored = await count_stored(pool, self._organization_id)
        return sum(stored.values()) + await count_work(pool, self._organization_id)


@pytest.fixture
async def watched(client: httpx.AsyncClient, application: str, database: Database, organization_id: str) -> Watched:
    await factories.create_endpoint(client, application)
    made = Watched(application, database, organization_id)
    # That it can be seen when something is written: message, event id, key and delivery.
    first = await client.post(made.path, content=doc(eventId="before"), headers={KEY: "before"})
    assert first.status_code == 202
    assert await made.written() == 4
    return made


@pytest.mark.parametrize(("content", "loc", "kind"), BAD_BODIES.values(), ids=BAD_BODIES.keys())
async def test_a_bad_body_is_refused_where_it_is_wrong_and_nothing_is_written(
    client: httpx.AsyncClient, watched: Watched, content: bytes, loc: list[str], kind: str
) -> None:
    answer = await client.post(watched.path, content=content, headers={KEY: "k", "content-type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert [(found["loc"], found["type"]) for found in answer.json()["detail"] if found["msg"]] == [(loc, kind)]
    assert await watched.written() == 4


async def test_all_that_is_wrong_is_said_at_once(client: httpx.AsyncClient, watched: Watched) -> None:
    answer = await client.post(watched.path, content=doc(eventType="a b", eventId="a b", channels=["a,b"]))
    assert answer.status_code == 422
    locs = [found["loc"] for found in answer.json()["detail"]]
    assert locs == [["body", "eventType"], ["body", "eventId"], ["body", "channels", "[0]"]]


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_of_two_megabytes_is_refused(client: httpx.AsyncClient, watched: Watched, chunked: bool) -> None:
    large = doc(payload={"a": "x" * 2_000_000})

    async def pieces() -> Any:
        for start in range(0, len(large), 65_536):
            yield large[start : start + 65_536]

    headers = {KEY: "k"} | ({"transfer-encoding": "chunked"} if chunked else {})
    answer = await client.post(watched.path, content=pieces() if chunked else large, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert await watched.written() == 4


@pytest.mark.parametrize("query", ["with_content=maybe", "with_content=", "with_content=2"])
async def test_a_query_that_cannot_be_read_is_refused(client: httpx.AsyncClient, watched: Watched, query: str) -> None:
    answer = await client.post(f"{watched.path}?{query}", content=doc())
    assert (answer.status_code, answer.json()["code"]) == (400, "generic_error")
    assert "with_content" in answer.json()["detail"]
    assert await watched.written() == 4


def signed(settings: Settings, **changes: Any) -> str:
    """A token of an organization, some of its claims changed."""
    assert settings.jwt_secret is not None
    now = int(time.time())
    claims = {"iat": now, "nbf": now, "exp": now + 60, "iss": "svix-server"} | changes
    return jwt.encode(claims, settings.jwt_secret.get_secret_value(), algorithm="HS256")


@pytest.mark.parametrize("kind", ["missing", "empty", "basic", "forged", "none", "expired", "issuer", "early"])
async def test_without_a_good_token_nothing_is_written(
    app: FastAPI, settings: Settings, organization_id: str, watched: Watched, kind: str
) -> None:
    now = int(time.time())
    good = signed(settings, sub=organization_id)
    header = {
        "missing": None,
        "empty": "Bearer ",
        "basic": "Basic YTpi",
        "forged": f"Bearer {good[:-6]}AAAAAA",
        "none": f"Bearer {jwt.encode({'sub': organization_id, 'iss': 'svix-server', 'exp': now + 60}, '', 'none')}",
        "expired": f"Bearer {signed(settings, sub=organization_id, exp=now - 3600)}",
        "issuer": f"Bearer {signed(settings, sub=organization_id, iss='somebody')}",
        "early": f"Bearer {signed(settings, sub=organization_id, nbf=now + 3600)}",
    }[kind]
    async with factories.client_of(app) as caller:
        headers = {KEY: "k"} | ({} if header is None else {"authorization": header})
        answer = await caller.post(watched.path, content=doc(), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "authentication_failed")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert await watched.written() == 4
        # The same with a good one is accepted.
        answer = await caller.post(watched.path, content=doc(), headers={"authorization": f"Bearer {good}"})
        assert answer.status_code == 202


async def test_another_organization_cannot_publish_and_learns_nothing(
    stranger: httpx.AsyncClient, watched: Watched
) -> None:
    answers = [
        (await stranger.post(path, content=doc())).json() for path in (watched.path, f"/app/{ids.new_id('app')}/msg")
    ]
    assert [(answer["code"], answer["detail"]) for answer in answers] == [("not_found", "Application not found")] * 2
    assert await watched.written() == 4


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_other_methods_are_not_served(client: httpx.AsyncClient, watched: Watched, method: str) -> None:
    answer = await client.request(method, watched.path, content=doc())
    assert answer.status_code == 405
    assert await watched.written() == 4
