"""What a measurement ran on, without which its figures mean nothing."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil

from benchmarks.processes import file_system


@dataclass(frozen=True, slots=True)
class Machine:
    """One line about the computer and the database. None: unknown, because the database is not ours."""

    cores: int
    cpu: str
    memory_gib: float
    system: str
    python: str
    file_system: str | None = None
    postgres: str | None = None
    fsync: str | None = None
    synchronous_commit: str | None = None

    def __str__(self) -> str:
        parts = [f"{self.cores} × {self.cpu}", f"{self.memory_gib:.0f} GiB", self.system, f"Python {self.python}"]
        if self.postgres:
            parts.append(f"Postgres {self.postgres} (fsync {self.fsync}, synchronous_commit {self.synchronous_commit})")
        if self.file_system:
            parts.append(f"data on {self.file_system}")
        return ", ".join(parts)


async def describe(dsn: str | None = None, folder: Path | None = None) -> Machine:
    """This machine, and the database of `dsn` whose data lies in `folder`, where they are known."""
    postgres: list[str] = []
    if dsn is not None:
        connection = await asyncpg.connect(dsn)
        try:
            names = ("server_version", "fsync", "synchronous_commit")
            postgres = [await connection.fetchval("SELECT current_setting($1)", name) for name in names]
        finally:
            await connection.close()
    return Machine(
        os.cpu_count() or 1,
        _cpu(),
        round(psutil.virtual_memory().total / 2**30, 1),
        f"{platform.system()} {platform.release().partition('-')[0]}",
        platform.python_version(),
        file_system(str(folder)) if folder else None,
        *postgres,
    )


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
