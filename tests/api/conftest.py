"""What tests of the API's domains share."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from svix.api import SvixAsync, SvixOptions

from app import clock, tokens
from app.db.session import Database
from app.settings import Settings
from tests import factories
from tests.api.api_server import ApiServer, serve_api
from tests.api.publishing import Counts, count_stored
from tests.api.shop import Shop


@pytest.fixture(scope="session")
def api_server(settings: Settings) -> Iterator[ApiServer]:
    """The API behind a real uvicorn, as `postrider api` runs it."""
    with serve_api(settings) as server:
        yield server


@pytest.fixture
async def client(request: pytest.FixtureRequest, app: FastAPI, token: str) -> AsyncIterator[httpx.AsyncClient]:
    """As everywhere; but `both_ways` gives each test another run, in which requests take the shortcut to publishing."""
    way = getattr(request, "param", "usual")
    server: ApiServer | None = None if way == "usual" else request.getfixturevalue("api_server")
    async with factories.client_of(app, token) if server is None else server.client(token) as opened:
        yield opened


@pytest.fixture
async def application(client: httpx.AsyncClient) -> str:
    """The id of an application of the test's organization."""
    application_id: str = (await factories.create_application(client))["id"]
    return application_id


@pytest.fixture
async def shop(client: httpx.AsyncClient, database: Database) -> Shop:
    """An application with one endpoint and no history."""
    application = (await factories.create_application(client))["id"]
    endpoint = (await factories.create_endpoint(client, application, uid="till"))["id"]
    return Shop(application, endpoint, database, clock.now())


@pytest.fixture
async def shop_portal(app: FastAPI, settings: Settings, organization_id: str, shop: Shop) -> httpx.AsyncClient:
    """Speaks to the API for the shop's application only."""
    assert settings.jwt_secret is not None
    token = tokens.issue_portal(
        settings.jwt_secret.get_secret_value(), settings.jwt_algorithm, organization_id, shop.application
    )
    opened = factories.client_of(app, token)
    assert isinstance(opened, httpx.AsyncClient)
    return opened


@pytest.fixture
def counts(database: Database, organization_id: str) -> Counts:
    """Says how much is stored of what the test's organization published."""

    async def count() -> dict[str, int]:
        return await count_stored(database.pool, organization_id)

    return count


@pytest.fixture
async def svix(app: FastAPI, token: str) -> AsyncIterator[SvixAsync]:
    """The official client, of a server that this event loop runs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        client = SvixAsync(token, SvixOptions(server_url=f"http://127.0.0.1:{listener.getsockname()[1]}"))
        yield client
        # The package has no way to close its connections.
        await client._httpx_client.aclose()
        server.should_exit = True
        await serving
