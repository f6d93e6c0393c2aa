import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import asyncpg
import psycopg
import pytest
from redis import AuthenticationError, Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from app.cli.embedded import EmbeddedPostgres, EmbeddedValkey
from app.cli.process import CannotRun, namespaces_work
from tests.cli.command import environment, processes_naming, until


async def test_the_postgres_dsn_works_with_every_driver_and_needs_its_password(folder: Path) -> None:
    with EmbeddedPostgres(folder / "pg", durable=False) as postgres:
        dsn = postgres.dsn("postgres")
        connection = await asyncpg.connect(dsn)
        assert await connection.fetchval("SELECT 1") == 1
        assert await connection.fetchval("SHOW listen_addresses") == ""
        await connection.close()
        with psycopg.connect(dsn) as plain:
            assert plain.execute("SELECT 2").fetchone() == (2,)
        engine = create_async_engine(dsn.replace("postgresql://", "postgresql+asyncpg://", 1))
        async with engine.connect() as pooled:
            assert (await pooled.execute(text("SELECT 3"))).scalar_one() == 3
        await engine.dispose()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(dsn, password="wrong")


def test_postgres_finds_its_data_after_a_restart(folder: Path) -> None:
    with EmbeddedPostgres(folder / "pg", durable=False) as postgres, psycopg.connect(postgres.dsn()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
    with EmbeddedPostgres(folder / "pg", durable=False) as postgres, psycopg.connect(postgres.dsn()) as connection:
        assert connection.execute("SELECT value FROM kept").fetchone() == (7,)


def test_postgres_syncs_to_disk_unless_a_test_says_otherwise(folder: Path) -> None:
    with EmbeddedPostgres(folder / "pg") as postgres, psycopg.connect(postgres.dsn()) as connection:
        rows = connection.execute("SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit')")
        assert dict(rows.fetchall()) == {"fsync": "on", "synchronous_commit": "on"}


def test_postgres_recovers_after_sigkill_although_its_old_pid_is_somebody_elses(folder: Path) -> None:
    with EmbeddedPostgres(folder / "pg") as postgres:
        with psycopg.connect(postgres.dsn()) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
        postgres.process.kill()
        postgres.process.wait()
        pidfile = postgres.cluster / "postmaster.pid"
        lines = pidfile.read_text().splitlines()
        pidfile.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
        before = postgres.dsn()
        postgres.start()
        assert postgres.dsn() == before
        with psycopg.connect(postgres.dsn()) as connection:
            assert connection.execute("SELECT value FROM kept").fetchone() == (7,)


def test_a_half_made_cluster_is_made_again(folder: Path) -> None:
    unfinished = folder / "pg" / "cluster.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(folder / "pg", durable=False) as postgres, psycopg.connect(postgres.dsn()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert not unfinished.exists()


def test_postgres_listens_on_loopback_where_a_socket_path_would_be_too_long(folder: Path) -> None:
    long = folder / ("x" * 90)
    with EmbeddedPostgres(long, durable=False) as postgres:
        assert "@127.0.0.1:" in postgres.dsn()
        with psycopg.connect(postgres.dsn()) as connection:
            row = connection.execute("SHOW listen_addresses").fetchone()
            assert row == ("127.0.0.1",)


def test_valkey_finds_its_data_after_a_restart_and_needs_its_password(folder: Path) -> None:
    with EmbeddedValkey(folder / "valkey") as valkey, Redis.from_url(valkey.dsn) as client:
        client.set("kept", "7")
        port = int(valkey.dsn.rpartition(":")[2].partition("/")[0])
        with Redis(port=port) as stranger, pytest.raises(AuthenticationError):
            stranger.ping()
    with EmbeddedValkey(folder / "valkey") as valkey, Redis.from_url(valkey.dsn) as client:
        assert client.get("kept") == b"7"


def test_a_second_server_on_the_same_folder_is_refused_and_told_who_holds_it(folder: Path) -> None:
    with EmbeddedValkey(folder / "valkey"), pytest.raises(CannotRun, match=f"in use by process {os.getpid()}"):
        EmbeddedValkey(folder / "valkey").start()


def test_secrets_are_readable_by_their_owner_only(folder: Path) -> None:
    with EmbeddedPostgres(folder / "pg", durable=False), EmbeddedValkey(folder / "valkey", durable=False):
        for path in ("pg/password", "valkey/password", "valkey/valkey.conf"):
            assert stat.S_IMODE((folder / path).stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs Postgres as another user")
def test_a_folder_that_nobody_may_enter_is_left_as_it_is(folder: Path) -> None:
    folder.chmod(0o700)
    postgres = EmbeddedPostgres(folder / "pg", durable=False)
    if namespaces_work():
        with postgres, psycopg.connect(postgres.dsn()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    else:
        with pytest.raises(CannotRun, match="POSTRIDER_DATA_DIR"):
            postgres.start()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


OWNER = """
import sys, time
from pathlib import Path
from app.cli.embedded import EmbeddedPostgres, EmbeddedValkey
folder = Path(sys.argv[1])
with EmbeddedPostgres(folder / "pg", durable=False), EmbeddedValkey(folder / "valkey", durable=False) as valkey:
    print(valkey.dsn, flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells children of their parent's death")
def test_sigkill_of_the_owner_leaves_no_server_and_the_next_start_works(folder: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)], env=environment(folder), stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    dsn = owner.stdout.readline()
    assert len(processes_naming(folder)) >= 3
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    with EmbeddedPostgres(folder / "pg", durable=False) as postgres, psycopg.connect(postgres.dsn()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    until(lambda: not processes_naming(folder), 10, "the servers end")
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(dsn.rpartition(":")[2].partition("/")[0]))) != 0
