"""What browsers are told with every response, whoever writes it; which origins may ask; the page of documentation."""

import re
import socket
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from fastapi import FastAPI

from app.api.security_headers import ALWAYS
from app.cli.commands import api_command
from tests import factories
from tests.api.api_server import ApiServer
from tests.api.publishing import body

ROOT = "http://postrider.test"
SAID = {name.decode(): value.decode() for name, value in ALWAYS}


def lacks(answer: httpx.Response) -> list[str]:
    """Of the headers that every response has, those that an answer has not exactly once."""
    return [name for name, value in SAID.items() if answer.headers.get_list(name) != [value]]


@pytest.fixture
async def direct(api_server: ApiServer, token: str) -> AsyncIterator[httpx.AsyncClient]:
    async with api_server.client(token) as opened:
        yield opened


def test_the_headers_are_these() -> None:
    assert SAID == {
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
        "referrer-policy": "no-referrer",
    }


@pytest.mark.parametrize(
    ("method", "path", "status", "how"),
    [
        ("GET", "/app", 200, {}),
        ("GET", "/app", 401, {"headers": {"authorization": "Bearer x"}}),
        ("GET", "/app/nobodys", 404, {}),
        ("GET", "/nowhere", 404, {}),
        ("PATCH", "/app", 405, {}),
        ("GET", "/app?limit=x", 400, {}),
        ("POST", "/app", 422, {"content": b"{"}),
        ("POST", "/app", 413, {"content": b"x" * 2_000_000}),
        ("POST", "/app", 415, {"content": b"{}", "headers": {"content-encoding": "gzip"}}),
        ("OPTIONS", "/app", 200, {"headers": {"origin": "https://a.test", "access-control-request-method": "GET"}}),
        ("GET", "/health", 200, {}),
        ("GET", "/health/ping", 204, {}),
        ("GET", "/openapi.json", 200, {}),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else None,
)
async def test_a_response_of_the_application_has_them(
    api_server: ApiServer, direct: httpx.AsyncClient, method: str, path: str, status: int, how: dict[str, object]
) -> None:
    answer = await direct.request(method, path, **how)  # type: ignore[arg-type]
    assert answer.status_code == status, answer.text
    assert lacks(answer) == []
    assert answer.headers["x-request-id"]


async def test_what_is_published_directly_is_answered_with_them(
    api_server: ApiServer, direct: httpx.AsyncClient
) -> None:
    application = (await factories.create_application(direct))["id"]
    before = api_server.app.requests
    for status in (202, 409):
        answer = await direct.post(f"/app/{application}/msg", json=body(eventId="once"))
        assert (answer.status_code, lacks(answer)) == (status, [])
    assert api_server.app.requests == before


def test_what_is_refused_before_the_application_is_asked_is_answered_with_them(api_server: ApiServer) -> None:
    with socket.create_connection(("127.0.0.1", api_server.port), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        answer = connection.makefile("rb").read().decode()
    assert answer.startswith("HTTP/1.1 400")
    for name, value in SAID.items():
        assert answer.count(f"\r\n{name}: {value}\r\n") == 1


def test_the_server_does_not_say_what_it_is_made_of() -> None:
    assert "--no-server-header" in api_command("127.0.0.1", 8071)


async def test_any_origin_may_ask_and_none_is_trusted_with_credentials(client: httpx.AsyncClient) -> None:
    origin = {"origin": "https://portal.example"}
    answer = await client.get("/app", headers=origin)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    assert answer.headers["access-control-expose-headers"] == "X-Request-ID, Retry-After"
    asked = {"access-control-request-method": "DELETE", "access-control-request-headers": "authorization,svix-req-id"}
    preflight = await client.options("/app", headers={**origin, **asked})
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, "*")
    assert "DELETE" in preflight.headers["access-control-allow-methods"]
    assert preflight.headers["access-control-allow-headers"] == "authorization,svix-req-id"
    assert "access-control-allow-credentials" not in preflight.headers
    refused = await client.get("/app/nobodys", headers=origin)
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (404, "*")


async def test_the_allow_header_names_every_method_of_a_path(app: FastAPI, client: httpx.AsyncClient) -> None:
    patterns = {
        re.compile(re.sub("{.*?}", "[^/]+", path)): declared for path, declared in app.openapi()["paths"].items()
    }
    for path in app.openapi()["paths"]:
        asked = re.sub("{.*?}", "a", path)
        answer = await client.request("TRACE", f"{ROOT}{asked}")
        assert answer.status_code == 405
        # A fixed path may also be one with a parameter: a message may be called `search`.
        served = {method.upper() for pattern, held in patterns.items() if pattern.fullmatch(asked) for method in held}
        if path.startswith("/in/"):
            # Which of them are taken, each source says itself.
            served = set(ORDER)
        assert answer.headers["allow"].split(", ") == sorted(served, key=ORDER.index)


ORDER = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


def references(page: str) -> Iterator[str]:
    yield from re.findall(r'(?:href|src)="([^"]*)"', page)


async def test_the_page_of_documentation_comes_whole_from_here(anonymous: httpx.AsyncClient) -> None:
    page = await anonymous.get(f"{ROOT}/docs")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert not re.search(r"<script(?! src=)|\son\w+=|https?://", page.text)
    found = list(references(page.text))
    assert len(found) >= 5
    for reference in found:
        part = await anonymous.get(f"{ROOT}/{reference}")
        assert part.status_code == 200, reference
        assert part.headers["x-content-type-options"] == "nosniff"
        assert part.headers["content-type"].split(";")[0] in {
            *("text/css", "text/javascript", "application/json", "image/png"),
        }
    script = await anonymous.get(f"{ROOT}/docs/page.js")
    assert 'url: "openapi.json"' in script.text
    again = await anonymous.get(f"{ROOT}/docs/swagger-ui.css", headers={"range": "bytes=0-9"})
    assert len(again.content) == 10


async def test_no_page_of_the_framework_loads_from_elsewhere(anonymous: httpx.AsyncClient) -> None:
    for path in ("/redoc", "/docs/oauth2-redirect", "/docs/page.py", "/docs/../settings.py", "/docs/%2e%2e/page.py"):
        assert (await anonymous.get(f"{ROOT}{path}")).status_code == 404
