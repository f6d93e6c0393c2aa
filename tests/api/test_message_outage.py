"""Publishing while Postgres is away."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli.embedded import EmbeddedPostgres
from app.cli.migrations import migrate
from app.settings import Settings
from tests import factories
from tests.api.api_server import serve_api
from tests.api.publishing import body


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that Postgres, which runs as another user than root, may enter."""
    made = Path(tempfile.mkdtemp(prefix="postrider-outage-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


async def test_while_postgres_is_away_nothing_is_acknowledged_and_it_goes_on_when_it_is_back(
    settings: Settings, token: str, folder: Path
) -> None:
    with EmbeddedPostgres(folder, durable=False) as postgres:
        dsn = postgres.dsn("postrider")
        await asyncio.to_thread(migrate, dsn, lambda _line: None)
        own = settings.model_copy(update={"db_dsn": dsn, "db_statement_timeout": 2.0, "log_level": "error"})
        with serve_api(own) as server:
            async with server.client(token) as client:
                application = (await factories.create_application(client))["id"]
                acknowledged = [(await factories.publish(client, application))["id"]]
                await asyncio.to_thread(postgres.stop)
                requests = [client.post(f"/app/{application}/msg", json=body()) for _ in range(10)]
                for answer in await asyncio.gather(*requests):
                    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
                    assert int(answer.headers["retry-after"]) >= 1
                await asyncio.to_thread(postgres.start)
                async with asyncio.timeout(3):
                    while (answer := await client.post(f"/app/{application}/msg", json=body())).status_code == 503:
                        await asyncio.sleep(0.05)
                acknowledged.insert(0, answer.json()["id"])
                listed = (await client.get(f"/app/{application}/msg")).json()["data"]
                assert [message["id"] for message in listed] == acknowledged
