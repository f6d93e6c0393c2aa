"""`postrider import svix`: what it prints, and its exit codes, which scripts go by."""

import asyncio
import json
import os
from typing import Final
from urllib.parse import urlsplit

import psycopg
import pytest
from typer.testing import CliRunner, Result

from app.cli.main import command
from tests.servers import Servers
from tests.svix_import.conftest import Importing
from tests.svix_import.svix_server import FAIL, MAIN_SECRET, SvixServer, encrypted, plain

OURS: Final = "another secret of the tests"


async def import_svix(importing: Importing, *options: str, dsn: str | None = None, **settings: str) -> Result:
    """In a thread, because the command brings its own event loop."""
    named = {"DB_DSN": importing.dsn, "MAIN_SECRET": OURS, "IMPORT_MAIN_SECRET": MAIN_SECRET} | settings
    environment = {f"POSTRIDER_{name}": value for name, value in named.items()}
    words = ["import", "svix", "--dsn", importing.source.dsn if dsn is None else dsn, *options]
    return await asyncio.to_thread(lambda: CliRunner().invoke(command, words, env=environment))


def cells(ran: Result, name: str) -> list[str]:
    """The numbers of a row of the table."""
    (line,) = [line for line in ran.stdout.splitlines() if line.startswith(f"{name} ")]
    return line.removeprefix(name).split()


async def test_all_is_here_is_a_0_and_counts_are_compared(importing: Importing, svix: SvixServer) -> None:
    application = svix.add_application()
    endpoint = svix.add_endpoint(application, url="https://example.com/in")
    svix.add_application(deleted=True)
    message = svix.add_message(application)
    svix.add_attempt(message, endpoint, FAIL, next_attempt=None)
    svix.add_message(application, payload=None)
    ran = await import_svix(importing)
    assert ran.exit_code == 0, ran.output
    assert ran.stdout.splitlines()[0].split() == ["read", "imported", "updated", "already", "here", "skipped"]
    assert cells(ran, "applications") == ["2", "1", "0", "0", "1"]
    assert cells(ran, "messages") == ["2", "2", "0", "0", "0"]
    assert cells(ran, "deliveries") == ["1", "1", "0", "0", "0"]
    assert "skipped 1 applications: it was deleted in Svix" in ran.stdout
    assert "1 messages have no payload in Svix any more" in ran.stdout
    assert "Everything is here that should be." in ran.stdout
    assert "\x1b" not in ran.output
    again = await import_svix(importing)
    assert (again.exit_code, cells(again, "applications")) == (0, ["2", "0", "0", "1", "1"])


async def test_what_is_not_here_is_named_and_a_1(importing: Importing, svix: SvixServer) -> None:
    application = svix.add_application()
    svix.add_endpoint(application)
    broken = svix.add_endpoint(application, encrypted(b"x" * 24, main_secret="another"))
    ran = await import_svix(importing)
    assert ran.exit_code == 1
    assert f"look at: {broken}: its signing key does not open" in ran.stdout
    assert "NOT everything is here" in ran.stdout


async def test_as_json_it_is_one_object(importing: Importing, svix: SvixServer) -> None:
    application = svix.add_application()
    endpoint = svix.add_endpoint(application, url="http://10.0.0.1/")
    svix.add_attempt(svix.add_message(application), endpoint, FAIL, next_attempt="2999-01-01")
    ran = await import_svix(importing, "--json", "--deliver-pending", "--since", "1h")
    told = json.loads(ran.stdout)
    assert (ran.exit_code, told["complete"], told["dryRun"]) == (0, True, False)
    assert told["organizations"] == [svix.organization]
    nothing = {"updated": 0, "alreadyHere": 0, "skipped": {}}
    assert told["counts"]["messages"] == {"source": 1, "imported": 1, **nothing}
    assert (told["pending"], told["queued"], told["problems"]["count"], told["warnings"]["count"]) == (1, 1, 0, 1)


async def test_a_dry_run_says_that_it_is_one(importing: Importing, svix: SvixServer) -> None:
    svix.add_endpoint(svix.add_application())
    ran = await import_svix(importing, "--dry-run", "--no-messages")
    assert ran.exit_code == 0
    assert "Nothing was written: this was a dry run." in ran.stdout
    assert importing.count("applications") == 0


@pytest.mark.parametrize("main_secret", ["", "another"])
async def test_a_wrong_main_secret_is_a_78(importing: Importing, svix: SvixServer, main_secret: str) -> None:
    svix.add_endpoint(svix.add_application())
    ran = await import_svix(importing, IMPORT_MAIN_SECRET=main_secret)
    assert (ran.exit_code, ran.stdout) == (78, "")
    assert "Give --main-secret what SVIX_MAIN_SECRET is set to" in ran.stderr
    assert importing.count("applications") == 0


ADDRESSES = {
    "away": ("postgresql://u:hunter2@127.0.0.1:{port}/x", 75, "the Svix database cannot be reached"),
    "not understood": ("postgresql://u:hunter2@[::1", 78, "the address of the Svix database cannot be understood"),
    "another": ("{ours}", 78, "--dsn must name the database of a Svix server"),
    "a database that is not there": ("{server}", 78, "the Svix database refuses"),
}


@pytest.mark.parametrize(("address", "code", "words"), ADDRESSES.values(), ids=ADDRESSES.keys())
async def test_an_address_that_does_not_serve_says_why_without_its_password(
    importing: Importing, servers: Servers, closed_port: int, address: str, code: int, words: str
) -> None:
    there = servers.postgres.dsn("not_there")
    ran = await import_svix(importing, dsn=address.format(port=closed_port, ours=importing.dsn, server=there))
    assert (ran.exit_code, ran.stdout) == (code, "")
    assert words in ran.stderr
    for password in ("hunter2", urlsplit(there).password):
        assert password is not None
        assert password not in ran.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [(("--organization", "acme"), "'acme' is not an organization's id"), (("--since", "soon"), "soon")],
)
async def test_what_cannot_be_meant_is_a_2(importing: Importing, options: tuple[str, ...], words: str) -> None:
    ran = await import_svix(importing, *options)
    assert ran.exit_code == 2
    assert words in ran.stderr


async def test_a_login_that_may_only_read_is_enough(importing: Importing, svix: SvixServer, servers: Servers) -> None:
    svix.add_attempt(svix.add_message(application := svix.add_application()), svix.add_endpoint(application))
    svix.run("CREATE ROLE svix_reader LOGIN PASSWORD 'reading'")
    try:
        away = importing.source.dsn.replace(urlsplit(svix.dsn).netloc, "svix_reader:reading@")
        refused = await import_svix(importing, dsn=away)
        assert (refused.exit_code, "permission denied" in refused.stderr) == (78, True)
        svix.run("GRANT SELECT ON ALL TABLES IN SCHEMA public TO svix_reader")
        ran = await import_svix(importing, dsn=away)
        assert ran.exit_code == 0, ran.output
        assert importing.count("attempts") == 1
    finally:
        svix.run("DROP OWNED BY svix_reader")
        svix.run("DROP ROLE svix_reader")


async def test_two_at_once_are_one_too_many(importing: Importing) -> None:
    with psycopg.connect(importing.dsn) as other:
        other.execute("SELECT pg_advisory_lock(hashtext('postrider.import_svix'))")
        ran = await import_svix(importing)
    assert ran.exit_code == 75
    assert "another `postrider import svix`" in ran.stderr


async def test_a_database_without_the_schema_is_to_be_migrated(importing: Importing, servers: Servers) -> None:
    for options in ((), ("--dry-run",)):
        ran = await import_svix(importing, *options, DB_DSN=servers.postgres.dsn("template1"))
        assert (ran.exit_code, "run `postrider migrate`" in ran.stderr) == (78, True)


async def test_nothing_that_it_prints_is_a_secret(importing: Importing, svix: SvixServer) -> None:
    key = os.urandom(24)
    svix.add_endpoint(svix.add_application(), plain(key), headers={"authorization": "hunter2", "host": "hunter3"})
    for options in ((), ("--json",)):
        ran = await import_svix(importing, *options)
        assert ran.exit_code == 0
        for secret in ("hunter2", "hunter3", key.hex(), MAIN_SECRET, OURS):
            assert secret not in ran.output


async def test_its_exit_codes_and_what_is_dangerous_are_in_its_help() -> None:
    ran = await asyncio.to_thread(lambda: CliRunner().invoke(command, ["import", "svix", "--help"]))
    shown = " ".join(ran.stdout.split())
    for text in ("0 everything is here", "1 something is not", "75 a database is away", "Stop the Svix server first"):
        assert text in shown
