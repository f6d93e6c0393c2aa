"""What every request gets: a correlation id, a body cap, a trimmed path, CORS, errors in one shape, one log line."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Annotated

import asyncpg
import httpx
import pytest
from fastapi import FastAPI, HTTPException, Query, Request
from loguru import logger
from pydantic import BaseModel, Field, field_validator
from sqlalchemy.ext.asyncio import create_async_engine

from app import errors
from app.api import problems
from app.api.middleware import RequestMiddleware
from app.api.strict import StrictRoute
from app.logs import correlation_id
from tests.api.live_server import serve

LIMIT = 100_000
SHAPE = {"code", "detail", "correlation_id", "timestamp"}


class Thing(BaseModel):
    """A body with each way to be wrong."""

    name: str = Field(max_length=5)
    parts: list[int] = []

    @field_validator("name")
    @classmethod
    def _not_bad(cls, value: str) -> str:
        if value == "bad":
            raise ValueError("bad is not good")
        return value


def application() -> FastAPI:
    app = FastAPI(redirect_slashes=False)
    app.router.route_class = StrictRoute
    problems.install(app)

    @app.post("/echo")
    async def echo(request: Request) -> dict[str, object]:
        return {"bytes": len(await request.body()), "id": correlation_id.get()}

    @app.post("/thing")
    async def thing(body: Thing) -> Thing:
        return body

    @app.get("/query")
    async def query(limit: Annotated[int, Query(le=250)] = 50) -> int:
        return limit

    @app.get("/bug")
    async def bug() -> None:
        raise KeyError("whsec_c2VjcmV0c2VjcmV0c2VjcmV0")

    @app.get("/raise/{name}")
    async def raising(name: str) -> None:
        raise {
            "unavailable": errors.Unavailable(retry_after=7),
            "refused": ConnectionRefusedError(111, "refused"),
            "conflict": errors.Conflict(code="event_type_exists"),
            "unauthenticated": errors.AuthenticationFailed(),
            "teapot": HTTPException(418, "short and stout"),
            "pool": asyncpg.TooManyConnectionsError("sorry, too many clients already"),
        }[name]

    @app.get("/database")
    async def database() -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            engine = create_async_engine(f"postgresql+asyncpg://a:b@127.0.0.1:{unused.getsockname()[1]}/c")
            async with engine.connect():
                pass

    return app


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    app = application()
    app.add_middleware(RequestMiddleware, max_body_bytes=LIMIT, log_level="debug")
    with serve(app) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, trust_env=False) as shared:
        yield shared


@pytest.fixture
def lines() -> Iterator[list[dict[str, object]]]:
    """What is logged, as dictionaries."""
    found: list[dict[str, object]] = []
    sink = logger.add(
        lambda m: found.append({**m.record["extra"], "level": m.record["level"].name, "error": m.record["exception"]}),
        level="TRACE",
    )
    yield found
    logger.remove(sink)


def chunks(size: int) -> Iterator[bytes]:
    """A body of that size that is sent chunked."""
    while size > 0:
        yield b"x" * min(size, 7000)
        size -= 7000


@pytest.mark.parametrize("framing", ["content-length", "chunked"])
def test_a_body_of_the_limit_passes_and_one_byte_more_gets_413(client: httpx.Client, framing: str) -> None:
    def body(size: int) -> bytes | Iterator[bytes]:
        return b"x" * size if framing == "content-length" else chunks(size)

    for size in (LIMIT - 1, LIMIT):
        assert client.post("/echo", content=body(size)).json()["bytes"] == size
    for size in (LIMIT + 1, 2 * LIMIT, 5_000_000):
        answer = client.post("/echo", content=body(size))
        assert answer.status_code == 413
        assert answer.json()["code"] == "payload_too_large"
        assert f"At most {LIMIT} bytes" in answer.json()["detail"]
        assert "POSTRIDER_MAX_BODY_BYTES" in answer.json()["detail"]
        assert set(answer.json()) == SHAPE
        assert client.post("/echo", content=body(5)).json()["bytes"] == 5


def test_a_chunked_body_over_the_limit_gets_413_although_fastapi_reads_it(client: httpx.Client) -> None:
    answer = client.post("/thing", content=chunks(LIMIT + 1), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


def test_a_sane_request_id_is_taken_over(client: httpx.Client) -> None:
    answer = client.post("/echo", headers={"X-Request-ID": "order-4711_a.b"})
    assert answer.headers.get_list("x-request-id") == ["order-4711_a.b"]
    assert answer.json()["id"] == "order-4711_a.b"


@pytest.mark.parametrize("bad", ["", "a b", "a;b", 'a"b', "a,b", "x" * 129, "é"])
def test_another_request_id_is_replaced(client: httpx.Client, bad: str) -> None:
    answer = client.post("/echo", headers={b"X-Request-ID": bad.encode()})
    assert answer.headers["x-request-id"] == answer.json()["id"]
    assert len(answer.json()["id"]) == 32
    assert answer.json()["id"].isalnum()


def test_each_request_gets_an_id_of_its_own(client: httpx.Client) -> None:
    ids = {client.post("/echo").headers["x-request-id"] for _ in range(20)}
    assert len(ids) == 20


@pytest.mark.parametrize("path", ["/query/", "/query//"])
def test_a_trailing_slash_is_trimmed_without_a_redirect(client: httpx.Client, path: str) -> None:
    assert client.get(path, params={"limit": "7"}).json() == 7


def test_a_slash_in_a_name_does_not_make_another_path_of_it(client: httpx.Client) -> None:
    for path in ("/raise%2Fconflict", "/raise%2fconflict", "/raise/conflict%2F", "%2Fraise/conflict"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
    assert client.get("/raise/conflict/").status_code == 409
    assert client.get("/query?limit=5&x=a%2Fb").json() == 5


def test_who_has_the_path_of_the_api_in_the_address_is_told_so(client: httpx.Client) -> None:
    answer = client.get("/api/v1/api/v1/app")
    assert (answer.status_code, set(answer.json())) == (404, SHAPE)
    assert "server_url of an SDK must not end with /api/v1" in answer.json()["detail"]
    assert "server_url" not in client.get("/api/v1/app").json()["detail"]


def test_any_origin_may_ask_and_only_those_who_do_get_cors_headers(client: httpx.Client) -> None:
    answer = client.get("/query", headers={"origin": "https://portal.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-origin" not in client.get("/query").headers
    asked = {
        "origin": "https://portal.example",
        "access-control-request-method": "PATCH",
        "access-control-request-headers": "authorization, x-custom",
    }
    preflight = client.options("/query", headers=asked)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-headers"] == "authorization, x-custom"
    assert "PATCH" in preflight.headers["access-control-allow-methods"]


def test_a_body_that_is_too_large_is_explained_to_browsers_too(client: httpx.Client) -> None:
    answer = client.post("/echo", content=b"x" * (LIMIT + 1), headers={"origin": "https://portal.example"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (413, "*")


REFUSALS = {
    "/nowhere": (404, "not_found"),
    "/echo": (405, "method_not_allowed"),
    "/raise/unavailable": (503, "unavailable"),
    "/raise/refused": (503, "unavailable"),
    "/raise/pool": (503, "unavailable"),
    "/raise/conflict": (409, "event_type_exists"),
    "/raise/unauthenticated": (401, "authentication_failed"),
    "/raise/teapot": (418, "im_a_teapot"),
    "/database": (503, "unavailable"),
    "/bug": (500, "internal_error"),
    "/query?limit=abc": (400, "generic_error"),
}


@pytest.mark.parametrize(("path", "expected"), REFUSALS.items(), ids=REFUSALS.keys())
def test_each_error_has_its_status_and_code_in_one_shape(
    client: httpx.Client, path: str, expected: tuple[int, str]
) -> None:
    answer = client.get(path, headers={"X-Request-ID": "abc"})
    assert (answer.status_code, answer.json()["code"]) == expected
    assert set(answer.json()) == SHAPE
    assert answer.json()["correlation_id"] == answer.headers["x-request-id"] == "abc"
    assert answer.headers["content-type"] == "application/json"


def test_headers_that_belong_to_an_error_are_sent(client: httpx.Client) -> None:
    assert client.get("/raise/unavailable").headers["retry-after"] == "7"
    assert client.get("/raise/refused").headers["retry-after"] == "1"
    assert client.get("/raise/unauthenticated").headers["www-authenticate"] == "Bearer"
    assert client.get("/echo").headers["allow"] == "POST"


INVALID = {
    "missing": (b"{}", ["body", "name"], "value_error.jsondecode"),
    "wrong type": (b'{"name": 5}', ["body", "name"], "value_error.jsondecode"),
    "in a list": (b'{"name": "a", "parts": [1, "x"]}', ["body", "parts", "[1]"], "value_error.jsondecode"),
    "not an object": (b"[]", ["body"], "value_error.jsondecode"),
    "not JSON": (b"{", ["body"], "value_error.jsondecode"),
    "not UTF-8": (b'{"name": "\xff"}', ["body"], "value_error.jsondecode"),
    "nested too deep": (b"[" * 90_000, ["body"], "value_error.jsondecode"),
    "too long": (b'{"name": "abcdef"}', ["body", "name"], "value_error"),
    "validator": (b'{"name": "bad"}', ["body", "name"], "value_error"),
}


@pytest.mark.parametrize(("body", "loc", "kind"), INVALID.values(), ids=INVALID.keys())
def test_an_invalid_body_gets_422_that_says_where(client: httpx.Client, body: bytes, loc: list[str], kind: str) -> None:
    answer = client.post("/thing", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    (failure,) = answer.json()["detail"]
    assert (failure["loc"], failure["type"]) == (loc, kind)
    assert set(failure) == {"loc", "msg", "type"}


def test_a_validator_says_its_own_words(client: httpx.Client) -> None:
    answer = client.post("/thing", json={"name": "bad"})
    assert answer.json()["detail"][0]["msg"] == "bad is not good"


def test_a_query_value_over_its_limit_is_a_422(client: httpx.Client) -> None:
    answer = client.get("/query", params={"limit": 251})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "limit"]
    assert answer.json()["detail"][0]["type"] == "value_error"


def test_a_bug_is_logged_once_with_its_traceback_and_not_told(
    client: httpx.Client, lines: list[dict[str, object]]
) -> None:
    answer = client.get("/bug")
    assert "whsec" not in answer.text
    with_traceback = [line for line in lines if line["error"] is not None]
    assert len(with_traceback) == 1
    # The server's other thread may still be about to write the request's own line.
    assert [line["status"] for line in lines if "status" in line] in ([500], [])


def test_each_request_is_one_line_at_the_level_of_its_status() -> None:
    found: list[tuple[str, dict[str, object]]] = []
    sink = logger.add(lambda m: found.append((m.record["level"].name, m.record["extra"])), level="TRACE")
    app = RequestMiddleware(application(), max_body_bytes=LIMIT, log_level="debug")

    async def ask() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
            for path in ("/query", "/nowhere%0aX", "/raise/unavailable", "/in/whoever-knows-this-may-send"):
                await client.get(path)

    asyncio.run(ask())
    logger.remove(sink)
    seen = [(level, line["method"], line["path"], line["status"]) for level, line in found if "path" in line]
    assert seen == [
        ("DEBUG", "GET", "/query", 200),
        ("INFO", "GET", "/nowhere%0aX", 404),
        ("ERROR", "GET", "/raise/unavailable", 503),
        ("INFO", "GET", "/in/…", 404),
    ]


@pytest.mark.parametrize(("log_level", "logged"), [("info", [404, 503]), ("warning", [503]), ("error", [503])])
def test_what_is_not_logged_at_a_level_costs_nothing(log_level: str, logged: list[int]) -> None:
    found: list[object] = []
    sink = logger.add(lambda m: found.append(m.record["extra"].get("status")), level="TRACE")
    app = RequestMiddleware(application(), max_body_bytes=LIMIT, log_level=log_level)  # type: ignore[arg-type]

    async def ask() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
            for path in ("/query", "/nowhere", "/raise/unavailable"):
                await client.get(path)

    asyncio.run(ask())
    logger.remove(sink)
    assert [status for status in found if status is not None] == logged


def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_error(
    url: str, client: httpx.Client, lines: list[dict[str, object]]
) -> None:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc")
    for _ in range(50):
        client.get("/query")
        if any(line.get("status") == 499 for line in lines):
            break
    assert any(line.get("status") == 499 and line["level"] == "INFO" for line in lines)
    assert not [line for line in lines if line["level"] == "ERROR"]


async def endless() -> AsyncIterator[bytes]:
    """A body without an end."""
    while True:
        yield b"x" * 10_000


async def test_an_endless_chunked_body_gets_413(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        with pytest.raises(httpx.TransportError):
            await client.post("/echo", content=endless())


def test_an_error_of_the_shape_is_json_with_a_time_zone(client: httpx.Client) -> None:
    body = json.loads(client.get("/nowhere").content)
    assert body["timestamp"].endswith("Z")
