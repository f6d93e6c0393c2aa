"""What `postrider api`, `worker` and `beat` say about a database that they cannot serve from."""

from pathlib import Path

import asyncpg
import pytest

from app import ids
from app.db.preflight import require_ready
from app.sealing import Sealer
from tests.cli.command import one_line, postrider
from tests.servers import Servers

OTHERS = {
    "REDIS_DSN": "redis://127.0.0.1:1",
    "JWT_SECRET": "a secret of these tests, long enough for it",
    "MAIN_SECRET": "main secret of these tests",
    "LISTEN_ADDRESS": "127.0.0.1:1",
}
COMMANDS = pytest.mark.parametrize("command", ["api", "worker", "beat"])


@COMMANDS
def test_a_server_that_is_away_is_one_line_and_worth_another_try(folder: Path, closed_port: int, command: str) -> None:
    ran = postrider(folder, command, DB_DSN=f"postgresql://u:hunter2@127.0.0.1:{closed_port}/x", **OTHERS)
    assert (ran.returncode, ran.stdout) == (75, "")
    assert "Postgres cannot be reached" in one_line(ran.stderr)
    assert "hunter2" not in ran.stderr


@COMMANDS
async def test_a_database_without_a_schema_or_that_is_missing_is_to_be_migrated(
    servers: Servers, folder: Path, command: str
) -> None:
    for name in ("template1", f"missing_{ids.new_id('qtask')}"):
        ran = postrider(folder, command, DB_DSN=servers.postgres.dsn(name), **OTHERS)
        assert ran.returncode == 78
        assert "run `postrider migrate`" in one_line(ran.stderr)


@COMMANDS
async def test_a_database_of_another_main_secret_is_refused(empty_dsn: str, folder: Path, command: str) -> None:
    connection = await asyncpg.connect(empty_dsn)
    await require_ready(connection, Sealer(["the first one"]))
    await connection.close()
    ran = postrider(folder, command, DB_DSN=empty_dsn, **OTHERS)
    assert ran.returncode == 78
    assert "POSTRIDER_MAIN_SECRET is not the one that this database's secrets are sealed with" in one_line(ran.stderr)
