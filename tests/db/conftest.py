"""What tests of the tables share: a database of their own, in which no worker of other tests delivers what is due."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from app.db.session import Database
from app.settings import Settings
from tests import factories
from tests.db.desk import Desk
from tests.servers import Servers


@pytest.fixture(scope="session")
async def quiet_dsn(servers: Servers) -> str:
    return await servers.clone("postrider_quiet")


@pytest.fixture(scope="session")
def settings(settings: Settings, quiet_dsn: str) -> Settings:
    return settings.model_copy(update={"db_dsn": quiet_dsn})


@pytest.fixture(scope="session")
async def database(settings: Settings) -> AsyncIterator[Database]:
    opened = Database(settings)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    async with factories.running(settings) as started:
        yield started


@pytest.fixture
async def application(client: httpx.AsyncClient) -> str:
    """The id of an application of the test's organization."""
    application_id: str = (await factories.create_application(client))["id"]
    return application_id


@pytest.fixture
async def desk(database: Database, organization_id: str, application: str) -> Desk:
    """Publishes for `application`."""
    return Desk(database.pool, organization_id, application)
