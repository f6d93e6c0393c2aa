"""`postrider secrets`: what it prints, and its exit codes, which scripts go by."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from app.cli.main import command
from app.settings import Settings
from tests import factories
from tests.cli.command import one_line

OLD, NEW = "the main secret of yesterday", "the main secret of tomorrow"
Run = Callable[..., Awaitable[Result]]


@pytest.fixture
async def run(settings: Settings, empty_dsn: str, token: str) -> Run:
    """Runs `postrider secrets` on a database with two endpoints, whose secrets are under OLD."""
    old = Settings.model_validate(settings.model_dump() | {"db_dsn": empty_dsn, "main_secret": OLD})
    async with factories.running(old) as app, factories.client_of(app, token) as client:
        application = (await factories.create_application(client))["id"]
        for _ in range(2):
            await factories.create_endpoint(client, application, headers={"X-Key": "a"})

    async def run(*words: str, main_secret: str, dsn: str = empty_dsn) -> Result:
        named = {"POSTRIDER_DB_DSN": dsn, "POSTRIDER_MAIN_SECRET": main_secret}
        return await asyncio.to_thread(lambda: CliRunner().invoke(command, ["secrets", *words], env=named))

    return run


async def test_the_main_secret_is_replaced_in_four_steps(run: Run) -> None:
    # 1: added as the second one. Everything is under the first, and the second is not needed by anything.
    ran = await run("status", main_secret=f"{OLD},{NEW}")
    assert ran.exit_code == 0
    assert ran.stdout.splitlines()[:2] == ["under the first main secret: 5 values", "under main secret 2: 0 values"]
    # 2: made the first one.
    ran = await run("status", main_secret=f"{NEW},{OLD}")
    assert ran.exit_code == 1
    assert ran.stdout.splitlines() == [
        "under the first main secret: 0 values",
        "under main secret 2: 5 values",
        "  to do: endpoints.secrets 2",
        "  to do: endpoints.headers 2",
        "  to do: installation.sealed 1",
        "Run `postrider secrets rotate`; the older main secrets are still needed.",
    ]
    dry = await run("rotate", "--dry-run", main_secret=f"{NEW},{OLD}")
    assert (dry.exit_code, dry.stdout) == (1, ran.stdout)
    # 3: everything is sealed anew.
    ran = await run("rotate", main_secret=f"{NEW},{OLD}")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        "3 rows were sealed anew.",
        "under the first main secret: 5 values",
        "under main secret 2: 0 values",
        "The older main secrets can be removed from POSTRIDER_MAIN_SECRET.",
    ]
    again = await run("rotate", "--json", main_secret=f"{NEW},{OLD}")
    assert json.loads(again.stdout) == {"current": 5, "older": [0], "unknown": 0, "toDo": {}}
    # 4: removed.
    assert (await run("status", main_secret=NEW)).exit_code == 0
    refused = await run("status", main_secret=OLD)
    assert refused.exit_code == 78
    assert "is not the one that this database's secrets are sealed with" in one_line(refused.stderr)


async def test_what_is_under_no_secret_that_is_known_is_counted(run: Run, empty_dsn: str) -> None:
    connection = await asyncpg.connect(empty_dsn)
    await connection.execute("UPDATE endpoints SET headers = set_byte(headers, 1, get_byte(headers, 1) # 1)")
    await connection.close()
    ran = await run("rotate", "--json", main_secret=f"{NEW},{OLD}")
    assert ran.exit_code == 1
    counted = json.loads(ran.stdout)
    assert (counted["current"], counted["older"], counted["unknown"]) == (3, [0], 2)
    assert "endpoints.headers of ep_" in ran.stderr


async def test_a_database_that_is_away_is_worth_another_try(run: Run, closed_port: int) -> None:
    ran = await run("rotate", main_secret=OLD, dsn=f"postgresql://postgres@127.0.0.1:{closed_port}/x")
    assert ran.exit_code == 75
    assert "Postgres cannot be reached" in one_line(ran.stderr)
