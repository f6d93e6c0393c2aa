"""The shortcut from the connection to publishing: what takes it, and what does not.

That both ways answer alike is shown by the tests that are marked `both_ways`.
"""

import asyncio
import json
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from loguru import logger

from app.api.exact import exact_json
from app.api.message.direct import DirectPublishing
from app.api.message.models import MessageIn, MessageOut, published_json
from app.main import create_app
from app.settings import Settings
from app.tokens import Principal, TokenVerifier
from tests import factories
from tests.api.api_server import ApiServer
from tests.api.live_server import ImpatientProtocol, serve
from tests.api.publishing import KEY, Counts, body

DOCUMENT = json.dumps(body()).encode()


class Wire:
    """A connection to the API, and one caller's way to write requests on it."""

    def __init__(self, port: int, token: str, application: str) -> None:
        self.connection = socket.create_connection(("127.0.0.1", port), timeout=5)
        self._head = f"POST /api/v1/app/{application}/msg HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n"

    def request(self, content: bytes = DOCUMENT, *lines: str) -> bytes:
        head = self._head + "".join(f"{line}\r\n" for line in (*lines, f"Content-Length: {len(content)}"))
        return head.encode() + b"\r\n" + content

    def answers(self, count: int) -> list[tuple[int, dict[str, str], dict[str, Any]]]:
        """As many answers: status, headers, JSON."""
        stream, found = self.connection.makefile("rb"), []
        for _ in range(count):
            status = int(stream.readline().split()[1])
            headers = {}
            while line := stream.readline().strip():
                name, _, value = line.decode().partition(": ")
                headers[name] = value
            found.append((status, headers, json.loads(stream.read(int(headers["content-length"])))))
        return found


@dataclass
class Arrived:
    """A request that has arrived, and what it was answered."""

    target: str
    headers: Mapping[bytes, bytes]
    body: bytes
    request_id: bytes
    query: str = ""
    answers: list[int] = field(default_factory=list)

    def answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.answers.append(status)


@pytest.fixture
def wire(api_server: ApiServer, token: str, application: str) -> Iterator[Wire]:
    opened = Wire(api_server.port, token, application)
    with opened.connection:
        yield opened


@pytest.fixture
async def direct(api_server: ApiServer, token: str) -> Any:
    async with api_server.client(token) as opened:
        yield opened


async def test_an_ordinary_request_takes_the_shortcut(
    api_server: ApiServer, direct: httpx.AsyncClient, application: str
) -> None:
    before = api_server.app.requests
    more = body(tags=["a"], channels=["b"], payloadRetentionHours=5, transformationsParams={"rawPayload": "c"})
    for path, document in ((f"/app/{application}/msg", body()), (f"/app/{application}/msg/", more)):
        answer = await direct.post(path, json=document, headers={KEY: factories.unique("k"), "x-request-id": "mine-1"})
        assert answer.status_code == 202
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-request-id"] == "mine-1"
        assert {"date", "server", "content-length"} <= answer.headers.keys()
    assert api_server.app.requests == before


@pytest.mark.parametrize("slash", ["%2F", "%2f"])
async def test_a_slash_in_a_name_leads_to_no_other_operation(
    direct: httpx.AsyncClient, application: str, counts: Counts, slash: str
) -> None:
    endpoint = (await factories.create_endpoint(direct, application))["id"]
    for method, path in (
        ("POST", f"/app/{application}{slash}msg"),
        ("POST", f"/app/{application}/msg{slash}"),
        ("DELETE", f"/app/{application}{slash}endpoint{slash}{endpoint}"),
        ("DELETE", f"/app/{application}/endpoint{slash}{endpoint}"),
    ):
        assert (await direct.request(method, path, json=body())).status_code == 404, path
    assert (await counts())["messages"] == 0
    assert (await direct.get(f"/app/{application}/endpoint/{endpoint}")).status_code == 200


@pytest.mark.parametrize(
    "how",
    [
        {"params": {"with_content": "false"}},
        {"headers": {"origin": "https://example.org"}},
        {"headers": {"connection": "close"}},
        {"headers": {"expect": "100-continue"}},
        {"headers": [("x-request-id", "a"), ("x-request-id", "b")]},
        {"json": body(payload={"a": "x" * 70_000})},
        {"headers": {"authorization": "Basic YTpi"}},
        {"json": {}},
        {"json": body(application={"name": "Acme Inc."})},
        {"json": body(deliverAt="2020-01-01T00:00:00Z")},
    ],
    ids=["query", "CORS", "close", "expect", "twice", "large", "token", "body", "application", "later"],
)
async def test_whatever_is_unusual_is_served_by_the_application(
    api_server: ApiServer, direct: httpx.AsyncClient, application: str, how: dict[str, Any]
) -> None:
    before = api_server.app.requests
    answer = await direct.post(f"/app/{application}/msg", **({"json": body()} | how))
    assert answer.status_code in {202, 401, 422}
    assert api_server.app.requests == before + 1


def test_pipelined_requests_are_answered_in_order(wire: Wire) -> None:
    documents = [json.dumps(body(eventId=f"paid-{n}")).encode() for n in range(5)]
    bad = wire.request(b"{}")
    wire.connection.sendall(
        b"".join(map(wire.request, documents[:3])) + bad + b"".join(map(wire.request, documents[3:]))
    )
    answers = wire.answers(6)
    assert [status for status, _, _ in answers] == [202, 202, 202, 422, 202, 202]
    assert [shown.get("eventId") for _, _, shown in answers] == ["paid-0", "paid-1", "paid-2", None, "paid-3", "paid-4"]


def test_a_request_that_arrives_byte_by_byte_is_published(wire: Wire) -> None:
    request = wire.request()
    for start in range(0, len(request), 7):
        wire.connection.sendall(request[start : start + 7])
        time.sleep(0.0005)
    assert wire.answers(1)[0][0] == 202


def test_a_malformed_request_does_not_take_the_answer_of_the_one_before_it(wire: Wire) -> None:
    wire.connection.sendall(wire.request() + b"\0garbage\r\n\r\n")
    ((status, headers, _),) = wire.answers(1)
    assert (status, headers["connection"]) == (202, "close")
    assert wire.connection.recv(1) == b""


async def test_what_a_client_sent_that_left_is_published_all_the_same(
    wire: Wire, api_server: ApiServer, counts: Counts, direct: httpx.AsyncClient
) -> None:
    wire.connection.sendall(wire.request(DOCUMENT, f"{KEY}: left"))
    wire.connection.close()
    async with asyncio.timeout(5):
        while (await counts())["messages"] == 0:
            await asyncio.sleep(0.01)
    assert (await direct.get("/app")).status_code == 200


def test_a_body_that_drips_is_cut_with_408(settings: Settings, token: str) -> None:
    with serve(create_app(settings), ImpatientProtocol, "on") as port:
        wire = Wire(port, token, "app_1")
        with wire.connection:
            request = wire.request()
            wire.connection.sendall(request[:-20])
            answers = wire.answers(1)
    assert [(status, shown["code"]) for status, _, shown in answers] == [(408, "request_timeout")]


async def test_while_each_request_is_logged_none_takes_the_shortcut(settings: Settings) -> None:
    talkative = create_app(settings.model_copy(update={"log_level": "debug"}))
    async with talkative.router.lifespan_context(talkative) as state:
        assert state == {}


@pytest.mark.parametrize("event_id", [None, "paid-1"])
@pytest.mark.parametrize("channels", [None, ["eu", "us"]])
@pytest.mark.parametrize("tags", [None, ["a", "b\\c"]])
@pytest.mark.parametrize("microsecond", [0, 1, 120_000])
def test_the_short_encoding_of_an_answer_is_the_models(
    event_id: str | None, channels: list[str] | None, tags: list[str] | None, microsecond: int
) -> None:
    payload = rb'{"a":1e400, "b":"\u0000", "a":2}'
    published = MessageIn(event_type="a.b", event_id=event_id, channels=channels, tags=tags, payload=payload)
    created_at = datetime(2026, 1, 2, 3, 4, 5, microsecond, UTC)
    named = {"event_id": event_id, "channels": channels, "tags": tags}
    out = MessageOut.model_validate(
        {"id": "msg_1", "event_type": "a.b", "payload": payload, "timestamp": created_at} | named
    )
    assert published_json("msg_1", published, created_at) == exact_json(out)


async def test_a_bug_on_the_short_way_is_logged_and_served_the_usual_way(settings: Settings, app: FastAPI) -> None:
    class Broken(TokenVerifier):
        def verify(self, token: str) -> Principal:
            raise LookupError(f"the test's bug, met with {len(token)} characters")

    assert settings.jwt_secret is not None
    broken = Broken(settings.jwt_secret.get_secret_value(), settings.jwt_algorithm)
    exchange = Arrived("app_1", {b"authorization": b"Bearer x"}, DOCUMENT, b"mine-1")
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), level="ERROR")
    try:
        assert DirectPublishing(broken, app.state.messages, 65_536).take(exchange) is False
    finally:
        logger.remove(sink)
    assert exchange.answers == []
    assert "LookupError" in "".join(lines)


async def test_a_refusal_by_the_database_is_answered_as_everywhere(
    direct: httpx.AsyncClient, api_server: ApiServer, application: str
) -> None:
    before = api_server.app.requests
    assert (await direct.post(f"/app/{application}/msg", json=body(eventId="e"))).status_code == 202
    answer = await direct.post(f"/app/{application}/msg", json=body(eventId="e"))
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert answer.json()["correlation_id"] == answer.headers["x-request-id"]
    assert api_server.app.requests == before
