import asyncio
import subprocess
from pathlib import Path

import asyncpg
import pytest

from app import ids
from app.cli.migrations import dbmate_url, migrate
from app.db.preflight import MIGRATIONS
from tests.cli.command import POSTRIDER, environment, one_line, postrider
from tests.servers import Servers


async def test_four_at_once_on_a_fresh_server_all_succeed(servers: Servers, folder: Path) -> None:
    name = f"fresh_{ids.new_id('qtask')}"
    settings = environment(folder, DB_DSN=servers.postgres.dsn(name))
    started = [
        subprocess.Popen(  # noqa: ASYNC220 - it does not block for long
            [*POSTRIDER, "migrate"], cwd=folder, env=settings, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    outputs = [(await asyncio.to_thread(one.communicate, timeout=60))[0] for one in started]
    assert [one.returncode for one in started] == [0, 0, 0, 0]
    newest = max(MIGRATIONS.glob("*.sql")).name
    assert sum(f"Applied: {newest}" in output for output in outputs) == 1
    connection = await asyncpg.connect(servers.postgres.dsn(name))
    try:
        assert await connection.fetchval("SELECT count(*) FROM schema_migrations") == len(
            list(MIGRATIONS.glob("*.sql"))
        )
        partitions = await connection.fetchval(
            "SELECT count(*) FROM pg_inherits WHERE inhparent = 'messages'::regclass"
        )
        assert partitions > 1
    finally:
        await connection.close()
        await servers.drop(name)


@pytest.mark.parametrize("rounds", [3, pytest.param(20, marks=pytest.mark.chaos)])
async def test_whoever_migrates_at_once_succeeds_each_time(servers: Servers, rounds: int) -> None:
    for _ in range(rounds):
        name = f"fresh_{ids.new_id('qtask')}"
        dsn = servers.postgres.dsn(name)
        said: list[str] = []
        await asyncio.gather(*(asyncio.to_thread(migrate, dsn, said.append) for _ in range(4)))
        assert sum(line.startswith("Applied: ") for line in said) == len(list(MIGRATIONS.glob("*.sql")))
        await servers.drop(name)


@pytest.mark.parametrize(
    ("dsn", "encrypted", "expected"),
    [
        ("postgresql://u:p@db/x", False, "postgres://u:p@db/x?sslmode=disable"),
        ("postgresql://u:p@db:5433/x", True, "postgres://u:p@db:5433/x?sslmode=require"),
        ("postgres://u:p@db/x?sslmode=prefer", True, "postgres://u:p@db/x?sslmode=require"),
        ("postgresql://u:p@db/x?sslmode=verify-full", True, "postgres://u:p@db/x?sslmode=verify-full"),
        (
            "postgresql://u:p%40@/x?host=/a%20b&port=5433",
            False,
            "postgres://u:p%40@:5433/x?socket=%2Fa+b&sslmode=disable",
        ),
        ("postgresql://u:p@/x?host=db", False, "postgres://u:p@db:5432/x?sslmode=disable"),
    ],
)
def test_dbmate_gets_the_form_that_it_reads(dsn: str, encrypted: bool, expected: str) -> None:
    assert dbmate_url(dsn, encrypted=encrypted) == expected


def test_without_a_database_it_says_which_setting_is_missing(folder: Path) -> None:
    ran = postrider(folder, "migrate")
    assert ran.returncode == 78
    assert "POSTRIDER_DB_DSN is not set" in one_line(ran.stderr)


def test_an_unreachable_server_is_one_line_and_worth_another_try(folder: Path, closed_port: int) -> None:
    ran = postrider(folder, "migrate", DB_DSN=f"postgresql://u:secret@127.0.0.1:{closed_port}/x")
    assert ran.returncode == 75
    assert "cannot be reached" in one_line(ran.stderr)
    assert "secret" not in ran.stderr


def test_a_wrong_password_is_a_wrong_setting(servers: Servers, folder: Path) -> None:
    dsn = servers.postgres.dsn("postgres").replace("postgres:", "postgres:not", 1)
    ran = postrider(folder, "migrate", DB_DSN=dsn)
    assert ran.returncode == 78
    assert "POSTRIDER_DB_DSN" in one_line(ran.stderr)
