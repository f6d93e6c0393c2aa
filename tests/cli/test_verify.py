"""`postrider verify`: what it prints, and its exit codes, which scripts go by."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from app.cli.ledger import show_tables
from app.cli.main import command
from app.settings import Settings
from tests.db.books import Books, opened
from tests.servers import Servers


@pytest.fixture
async def books(settings: Settings, empty_dsn: str) -> AsyncIterator[Books]:
    async with opened(settings, empty_dsn) as made:
        yield made


async def verify(*options: str, **settings: str) -> Result:
    """In a thread, because the command brings its own event loop."""
    named = {f"POSTRIDER_{name}": value for name, value in settings.items()}
    return await asyncio.to_thread(lambda: CliRunner().invoke(command, ["verify", *options], env=named))


async def test_what_is_accounted_for_and_on_time_is_a_0(books: Books) -> None:
    await books.add_endpoint()
    await books.publish(3)
    await books.record((await books.due())[:2])
    ran = await verify(DB_DSN=books.dsn)
    assert ran.exit_code == 0, ran.output
    lines = ran.stdout.splitlines()
    assert lines[0].split()[:3] == ["application", "accepted", "delivered"]
    assert lines[1].split() == [books.application, "3", "2", "0", "0", "1", "0", "0", "0"]
    assert lines[2].split() == ["total", "3", "2", "0", "0", "1", "0", "0", "0"]
    assert "3 messages ever: 3 accepted, 2 delivered + 0 failed + 0 canceled + 1 due + 0 skipped" in ran.stdout
    assert "Balanced: nothing is missing." in ran.stdout
    assert "Nothing is late." in ran.stdout
    assert "\x1b" not in ran.stdout


async def test_what_is_missing_is_named_and_a_1_also_where_something_is_late(books: Books) -> None:
    endpoint = await books.add_endpoint()
    lost, _ = await books.publish(2)
    await books.run("DELETE FROM pending_deliveries WHERE message_id = $1", lost)
    await books.run("UPDATE pending_deliveries SET next_attempt_at = now() - interval '1 hour'")
    ran = await verify(DB_DSN=books.dsn)
    assert ran.exit_code == 1
    assert "NOT balanced: 1 missing" in ran.stdout
    (line,) = [line for line in ran.stdout.splitlines() if line.startswith("missing")]
    assert line.split()[1:4] == [books.application, lost, endpoint]
    (line,) = [line for line in ran.stdout.splitlines() if line.startswith("unowned")]
    assert "no worker holds shard" in line


async def test_what_is_late_is_a_3_and_how_late_may_be_said(books: Books) -> None:
    await books.add_endpoint()
    await books.publish()
    await books.run("UPDATE pending_deliveries SET next_attempt_at = now() - interval '3 minutes'")
    assert (await verify(DB_DSN=books.dsn)).exit_code == 3
    assert (await verify("--late-after", "170", DB_DSN=books.dsn)).exit_code == 3
    assert (await verify("--late-after", "5m", DB_DSN=books.dsn)).exit_code == 0


async def test_as_json_it_is_what_the_api_answers(books: Books) -> None:
    other = await books.add_application()
    await books.run("UPDATE applications SET uid = 'acme' WHERE id = $1", other)
    await books.publish(2)
    await books.publish(application=other)
    ran = await verify("--json", "--since", "2h", "--application", "acme", DB_DSN=books.dsn)
    ledger = json.loads(ran.stdout)
    assert (ran.exit_code, ledger["balanced"], ledger["onTime"], ledger["complete"]) == (0, True, True, True)
    assert [(one["applicationId"], one["skipped"]) for one in ledger["applications"]] == [(other, 1)]
    assert ledger["total"]["accepted"] == 1
    assert ledger["since"] < ledger["takenAt"]


async def test_for_people_it_is_a_table_and_ids_can_be_copied(books: Books) -> None:
    endpoint = await books.add_endpoint()
    (lost,) = await books.publish()
    await books.run("DELETE FROM pending_deliveries")
    shown = io.StringIO()
    show_tables(await books.ledger(), Console(file=shown, width=120, markup=False, highlight=False))
    lines = shown.getvalue().splitlines()
    (row,) = [line for line in lines if books.application in line and lost not in line]
    assert row.replace("│", " ").split() == [books.application, "1", "0", "0", "0", "0", "0", "1", "0"]
    assert any(line.endswith(f": {books.application} {lost} {endpoint}") for line in lines)
    assert "NOT balanced: 1 missing" in lines


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--since", "yesterday"), "yesterday"),
        (("--since", "99999999w"), "99999999w"),
        (("--since", "0001-01-01T00:00+14:00"), "0001"),
        (("--late-after", "soon"), "soon"),
        (("--late-after", "99w"), "at most a year"),
        (("--application", "app_nobody"), "there is no application 'app_nobody'"),
    ],
)
async def test_what_cannot_be_meant_is_a_2(books: Books, options: tuple[str, ...], words: str) -> None:
    ran = await verify(*options, DB_DSN=books.dsn)
    assert ran.exit_code == 2
    assert words in ran.stderr


async def test_without_postgres_it_is_worth_another_try(closed_port: int, tmp_path: Path) -> None:
    away = await verify(DB_DSN=f"postgresql://u:hunter2@127.0.0.1:{closed_port}/x")
    assert (away.exit_code, away.stdout) == (75, "")
    assert "Postgres cannot be reached" in away.stderr
    assert "hunter2" not in away.stderr
    nowhere = await verify(DATA_DIR=str(tmp_path))
    assert nowhere.exit_code == 75
    assert f"no `postrider up` runs from {tmp_path}" in nowhere.stderr


async def test_a_database_without_the_schema_is_to_be_migrated(servers: Servers) -> None:
    ran = await verify(DB_DSN=servers.postgres.dsn("template1"))
    assert ran.exit_code == 78
    assert "run `postrider migrate`" in ran.stderr


async def test_it_finds_the_database_of_the_postrider_that_runs_from_the_data_folder(servers: Servers) -> None:
    await servers.clone("postrider")
    try:
        ran = await verify(DATA_DIR=str(servers.postgres.folder.parent))
    finally:
        await servers.drop("postrider")
    assert ran.exit_code == 0, ran.output
    assert "0 messages ever" in ran.stdout


async def test_its_exit_codes_are_in_its_help() -> None:
    shown = " ".join((await verify("--help")).stdout.split())
    for code in (
        "0 everything",
        "1 something is missing",
        "3 it balances, but",
        "2 wrong usage",
        "75 Postgres is away",
    ):
        assert code in shown
