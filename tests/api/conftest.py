"""What tests of the API's domains share."""

import httpx
import pytest
from fastapi import FastAPI

from app import clock, tokens
from app.db.session import Database
from app.settings import Settings
from tests import factories
from tests.api.publishing import Counts, count_stored
from tests.api.shop import Shop


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
