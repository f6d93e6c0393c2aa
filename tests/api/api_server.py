"""The whole API behind a real uvicorn, for what does not go through ASGI, and how many requests did."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from app.http_direct import DirectProtocol
from app.main import create_app
from app.settings import Settings
from tests.answers import answers_of, checking
from tests.api.live_server import serve

# For modules of tests that ask for `client`: each test runs once over ASGI, and once over a connection.
both_ways = pytest.mark.parametrize("client", ["usual", "direct"], indirect=True)


class Counted:
    """An application, and how many requests reached it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.requests += scope["type"] == "http"
        await self._app(scope, receive, send)


@dataclass(frozen=True)
class ApiServer:
    port: int
    app: Counted
    application: FastAPI

    def client(self, token: str | None = None) -> httpx.AsyncClient:
        """A client; paths are those after /api/v1. Each answer is compared with the OpenAPI document."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.port}/api/v1",
            headers=headers,
            timeout=30,
            event_hooks={"response": [checking(answers_of(self.application))]},
        )


@contextmanager
def serve_api(settings: Settings) -> Iterator[ApiServer]:
    """Serve the API; it answers once this is entered."""
    application = create_app(settings)
    counted = Counted(application)
    with serve(counted, DirectProtocol, "on") as port:
        transport = httpx.HTTPTransport(retries=10)
        with httpx.Client(transport=transport) as client:
            assert client.get(f"http://127.0.0.1:{port}/api/v1/health/ping").status_code == 204
        yield ApiServer(port, counted, application)
