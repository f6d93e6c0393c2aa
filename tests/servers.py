"""The servers that the suite runs against: its own Postgres and Valkey, from the same wheels that users get."""

import asyncio
import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg

from app.cli.embedded import EmbeddedPostgres, EmbeddedValkey

MIGRATIONS: Final = Path(__file__).parents[1] / "db" / "migrations"
TEMPLATE: Final = "postrider_template"

# A test's database is a folder of six hundred files; on a disk that others write to, these take several times as long.
_MEMORY: Final = Path("/dev/shm")
# Far more than the servers of a run ever had; containers often have 64 MiB there.
_ROOM_BYTES: Final = 4 * 2**30


@dataclass(frozen=True, slots=True)
class Servers:
    """A running Postgres, with a migrated template database, and a running Valkey."""

    postgres: EmbeddedPostgres
    valkey: EmbeddedValkey

    async def clone(self, name: str) -> str:
        """The DSN of a new database of that name, with the whole schema and no rows."""
        await _administer(self.postgres, f'CREATE DATABASE "{name}" TEMPLATE {TEMPLATE} STRATEGY FILE_COPY')
        return self.postgres.dsn(name)

    async def create(self, name: str) -> str:
        """The DSN of a new database of that name, without a schema."""
        await _administer(self.postgres, f'CREATE DATABASE "{name}" TEMPLATE template0')
        return self.postgres.dsn(name)

    async def drop(self, name: str) -> None:
        """Remove a database, and end who is connected to it."""
        await _administer(self.postgres, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextmanager
def serving(*, durable: bool = False) -> Iterator[Servers]:
    """Both servers, in a folder of their own that is gone afterwards. `durable`: what is committed survives a kill.

    Durable ones are on a disk, as an installation's are; the others are in memory, where there is room.
    """
    folder = Path(tempfile.mkdtemp(prefix="postrider-tests-", dir=None if durable else _in_memory()))
    # Postgres runs as another user than root, and must get in.
    folder.chmod(0o711)
    try:
        with (
            EmbeddedPostgres(folder / "postgres", durable=durable) as postgres,
            EmbeddedValkey(folder / "valkey", durable=False) as valkey,
        ):
            asyncio.run(_administer(postgres, f"CREATE DATABASE {TEMPLATE}"))
            migrate(postgres.dsn(TEMPLATE))
            yield Servers(postgres, valkey)
    finally:
        shutil.rmtree(folder)


def migrate(dsn: str, *arguments: str, migrations: Path = MIGRATIONS) -> None:
    """Run dbmate on a database: `up` without arguments. AssertionError, with what it printed, if it fails."""
    dbmate = shutil.which("dbmate", path=sysconfig.get_path("scripts"))
    assert dbmate is not None, "dbmate is not installed: run `make test`, which installs what the suite needs"
    command = [dbmate, "--no-dump-schema", "--migrations-dir", str(migrations), *(arguments or ("migrate",))]
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": for_dbmate(dsn)}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    if not arguments:
        asyncio.run(_make_partitions(dsn))


def for_dbmate(dsn: str) -> str:
    """The same database, as dbmate names it: a unix socket is `socket`, and TLS is off unless it is asked for."""
    parts = urlsplit(dsn)
    query = dict(parse_qsl(parts.query))
    if "host" in query:
        query["socket"] = query.pop("host")
    query.setdefault("sslmode", "disable")
    return urlunsplit(("postgres", parts.netloc, parts.path, urlencode(query), ""))


def _in_memory() -> Path | None:
    """A folder that is no disk; None if there is none, or too little room in it."""
    usable = os.access(_MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(_MEMORY).free >= _ROOM_BYTES
    return _MEMORY if usable else None


async def _administer(postgres: EmbeddedPostgres, statement: str) -> None:
    connection = await asyncpg.connect(postgres.dsn("postgres"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _make_partitions(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SELECT ensure_partitions()")
    finally:
        await connection.close()
