"""What every test may ask for. Real servers, once for each test process; an organization of its own for each test.

`client` speaks to the whole application in this process, for `organization_id`, which is new in each test: that is
what keeps tests apart in the one database. A test that needs more apartness asks for `empty_dsn`.
"""

import gc
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import event

from app import ids, tokens
from app.db.session import Database
from app.settings import Settings, load
from tests import factories, loopback
from tests.servers import Servers, serving

# What is set on the machine of a developer is not what is tested.
for _name in [name for name in os.environ if name.startswith(("POSTRIDER_", "SVIX_")) or name == "DATABASE_URL"]:
    del os.environ[_name]
# Nor do the many processes that tests start compile what all of them import: that costs each of them a second.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Each HTTP client would read the certificates of all authorities that there are, which takes longer than most tests do.
# None of them has signed anything for loopback.
os.environ["SSL_CERT_DIR"] = os.devnull

loopback.guard()

# What is imported and collected stays; to look for garbage in it, again and again, costs each process a second or two.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def _only_loopback() -> Iterator[None]:
    """Fails a test during which something tried to reach another machine, whatever became of the attempt."""
    loopback.attempts.clear()
    yield
    assert not loopback.attempts, f"a test may reach loopback only, and this one tried {loopback.attempts}"


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """This process's own Postgres and Valkey."""
    with serving() as running:
        yield running


@pytest.fixture(scope="session")
async def dsn(servers: Servers) -> str:
    """The Postgres database that the tests of this process share, migrated."""
    return await servers.clone("postrider_tests")


@pytest.fixture
async def empty_dsn(servers: Servers) -> AsyncIterator[str]:
    """A migrated database that nobody else uses, without rows."""
    name = f"postrider_{ids.new_id('qtask')}"
    yield await servers.clone(name)
    await servers.drop(name)


@pytest.fixture(scope="session")
def redis_dsn(servers: Servers) -> str:
    return servers.valkey.dsn


@pytest.fixture(scope="session")
def settings(dsn: str, redis_dsn: str) -> Settings:
    """Settings of a whole Postrider on the test servers; it may deliver to loopback."""
    return load(
        _env_file=None,
        db_dsn=dsn,
        redis_dsn=redis_dsn,
        jwt_secret="a secret of the tests, long enough for HS512 tokens, which want 64 bytes",
        main_secret="another secret of the tests",
        whitelist_subnets="127.0.0.0/8,::1/128",
        log_format="json",
        log_level="warning",
    )


@pytest.fixture(scope="session")
async def database(settings: Settings) -> AsyncIterator[Database]:
    """An open database, for what tests read and write beside the API."""
    opened = Database(settings)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    """The API as a process runs it, its lifespan running."""
    async with factories.running(settings) as started:
        yield started


@pytest.fixture
def statements(app: FastAPI) -> Iterator[list[str]]:
    """The SQL that the API sends through SQLAlchemy, as it sends it; clear the list before what is to be counted."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        sent.append(statement)

    engine = app.state.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


@pytest.fixture
def organization_id() -> str:
    """An organization that nobody knows yet."""
    return ids.new_id("org")


@pytest.fixture
def token(settings: Settings, organization_id: str) -> str:
    """A token of `organization_id`."""
    assert settings.jwt_secret is not None
    return tokens.issue(settings.jwt_secret.get_secret_value(), settings.jwt_algorithm, organization_id)


@pytest.fixture
async def client(app: FastAPI, token: str) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks to the API for `organization_id`; paths are those after /api/v1."""
    async with factories.client_of(app, token) as opened:
        yield opened


@pytest.fixture
async def stranger(app: FastAPI, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks to the API for another organization than `client`."""
    assert settings.jwt_secret is not None
    foreign = tokens.issue(settings.jwt_secret.get_secret_value(), settings.jwt_algorithm, ids.new_id("org"))
    async with factories.client_of(app, foreign) as opened:
        yield opened


@pytest.fixture
async def anonymous(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks to the API without a token."""
    async with factories.client_of(app) as opened:
        yield opened


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A loopback port on which nothing listens, reserved for the length of the test."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]
