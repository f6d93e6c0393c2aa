"""A Svix server's database, and an empty one of ours that it is imported into."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from app.settings import Settings
from app.svix_import.run import Step, Target, Wish, import_svix
from app.svix_import.tally import Report
from tests.servers import Servers
from tests.svix_import.svix_server import MAIN_SECRET, SvixServer, empty, make_tables, rows_of


@dataclass
class Importing:
    """Imports from one database into another, as often as it is asked to."""

    source: SvixServer
    connection: psycopg.Connection
    dsn: str = field(repr=False)
    settings: Settings

    def steps(self, report: Report, **wish: Any) -> Generator[Step, None, None]:
        """An import under way."""
        asked = Wish(dsn=self.source.dsn, **{"main_secret": MAIN_SECRET, **wish})
        return import_svix(asked, self.settings, Target(self.dsn, self.settings.main_secrets), report)

    def run(self, **wish: Any) -> Report:
        """A whole import; what came of it."""
        report = Report()
        for _ in self.steps(report, **wish):
            pass
        return report

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """What is in our database."""
        return rows_of(self.connection, statement, values)

    def count(self, table: str) -> int:
        count: int = self.rows(f"SELECT count(*) FROM {table}")[0][0]
        return count


@pytest.fixture(scope="session")
async def svix_dsn(servers: Servers) -> str:
    """A database for a Svix server's tables, which the tests of this process share."""
    return await servers.create("svix_tests")


@pytest.fixture(scope="session")
async def imported_dsn(servers: Servers) -> str:
    """A database of ours, which the tests of this process share."""
    return await servers.clone("postrider_import_tests")


@pytest.fixture(scope="session")
def svix_connection(svix_dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(svix_dsn, autocommit=True) as connection:
        make_tables(connection)
        yield connection


@pytest.fixture(scope="session")
def our_connection(imported_dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(imported_dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def svix(svix_connection: psycopg.Connection, svix_dsn: str) -> Iterator[SvixServer]:
    """A Svix server's database without rows."""
    yield SvixServer(svix_connection, svix_dsn)
    empty(svix_connection, "_sqlx_migrations")


@pytest.fixture
def importing(
    svix: SvixServer, our_connection: psycopg.Connection, imported_dsn: str, settings: Settings
) -> Iterator[Importing]:
    """Imports into a database of ours without rows."""
    yield Importing(svix, our_connection, imported_dsn, settings)
    empty(our_connection, "schema_migrations", "shards", "installation")
