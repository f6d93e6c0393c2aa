"""A disk that is full: nothing is accepted that cannot be kept, and all goes on by itself once there is room."""

import asyncio
import io
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from time import monotonic

import asyncpg
import pytest

from app.cli.console import Console
from app.cli.embedded import EmbeddedPostgres, EmbeddedValkey
from app.cli.supervisor import Supervisor
from tests.faults.installation import Installation, Process
from tests.faults.run import Run, running
from tests.reliability import measured
from tests.servers import TEMPLATE, Servers, migrate

pytestmark = pytest.mark.xdist_group("faults")

_RECOVERY_SECONDS = 10.0
_MIB = 2**20
# A cluster with our schema, its log, and some room.
_SIZE_MIB = 256


@contextmanager
def table_without_room(postgres: EmbeddedPostgres, path: str) -> Iterator[None]:
    """Every write of a new page of an empty table answers ENOSPC, as /dev/full does, which is put in its place.

    That needs no rights, as a small file system would; the long form below has one.
    """
    file = postgres.cluster / path
    assert file.stat().st_size == 0
    kept = file.rename(file.with_suffix(".kept"))
    file.symlink_to("/dev/full")
    try:
        yield
    finally:
        kept.replace(file)


async def test_without_room_for_what_is_due_messages_are_refused_until_there_is(
    installation: Installation, run: Run
) -> None:
    await run.publish(20)
    await run.settle()
    workers = list(installation.workers)
    connection = await asyncpg.connect(installation.dsn)
    try:
        # A new file, which no process has open.
        await connection.execute("TRUNCATE pending_deliveries")
        path = await connection.fetchval("SELECT pg_relation_filepath('pending_deliveries')")
        with table_without_room(installation.servers.postgres, path):
            assert not any([await run.try_to_publish() for _ in range(20)])
        # Again a new file, because they have the one without room open now. Nothing was written to it.
        await connection.execute("TRUNCATE pending_deliveries")
    finally:
        await connection.close()
    assert run.refusals == {"503": 20}
    assert run.without_retry_after == 0
    await run.publish(20)
    await run.settle()
    assert installation.api.runs
    assert workers == installation.workers
    measured(
        6,
        "Without room for a message (ENOSPC), it is refused with 503 and Retry-After",
        "0 lost",
        f"{len(run.lost)} lost",
        holds=not run.lost,
    )


@contextmanager
def small_disk(mib: int) -> Iterator[Path]:
    """A file system of that size. A test that cannot have one fails: it needs to be root, and allowed to mount."""
    folder = Path(tempfile.mkdtemp(prefix="postrider-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=711", "none", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"this test mounts a small tmpfs, for which it must be root: {done.stderr}"
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()


def fill(disk: Path) -> Path:
    """Take all the room that is left; the file that has it."""
    filler = disk / "filler"
    with filler.open("wb") as file, suppress(OSError):
        while True:
            file.write(b"\0" * 65_536)
            file.flush()
    return filler


class Kept:
    """Postgres on a small disk, kept running as `postrider up` does it."""

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        self.said = io.StringIO()
        self._supervisor = Supervisor(Console(self.said))
        self._supervisor.start(postgres)
        self._task: asyncio.Task[None] | None = None

    def watch(self) -> None:
        self._task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            await asyncio.to_thread(self._supervisor.check)
            await asyncio.sleep(0.2)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.to_thread(self._supervisor.stop)


def with_log_elsewhere(postgres: EmbeddedPostgres, folder: Path) -> None:
    """Move the write-ahead log to another folder, as an operator with two volumes does it."""
    postgres.start()
    postgres.stop()
    log, elsewhere = postgres.cluster / "pg_wal", folder / "pg_wal"
    shutil.copytree(log, elsewhere)
    status = log.stat()
    for path in (elsewhere, *elsewhere.rglob("*")):
        os.chown(path, status.st_uid, status.st_gid)
        path.chmod(0o700)
    shutil.rmtree(log)
    log.symlink_to(elsewhere)


def large_folder() -> Path:
    """A folder that the user of Postgres may enter."""
    folder = Path(tempfile.mkdtemp(prefix="postrider-faults-"))
    folder.chmod(0o711)
    return folder


@asynccontextmanager
async def on_small_disk(layout: str) -> AsyncIterator[tuple[Installation, Path, Kept]]:
    """An installation whose Postgres has its data, its log, or both on a small disk; that disk."""
    large = large_folder()
    try:
        with small_disk(_SIZE_MIB) as disk, EmbeddedValkey(large / "valkey", durable=False) as valkey:
            postgres = EmbeddedPostgres((large if layout == "log" else disk) / "postgres")
            if layout != "one":
                await asyncio.to_thread(with_log_elsewhere, postgres, disk if layout == "log" else large)
            kept = await asyncio.to_thread(Kept, postgres)
            try:
                servers = Servers(postgres, valkey)
                connection = await asyncpg.connect(postgres.dsn())
                await connection.execute(f"CREATE DATABASE {TEMPLATE}")
                await connection.close()
                await asyncio.to_thread(migrate, postgres.dsn(TEMPLATE))
                installation = Installation(servers, await servers.clone("postrider_faults"), large)
                try:
                    await asyncio.to_thread(installation.ensure, 1)
                    kept.watch()
                    yield installation, disk, kept
                finally:
                    await asyncio.to_thread(installation.stop)
            finally:
                await kept.stop()
    finally:
        shutil.rmtree(large)


@pytest.mark.chaos
@pytest.mark.parametrize("layout", ["one", "data", "log"])
async def test_a_full_disk_loses_nothing_and_is_recovered_from_without_help(layout: str) -> None:
    async with on_small_disk(layout) as (installation, disk, kept), running(installation) as run:
        processes: list[Process] = installation.processes
        until = asyncio.Event()
        publishing = asyncio.create_task(run.publish_steadily(100, until))
        await run.until_acknowledged(200)
        filler = await asyncio.to_thread(fill, disk)
        async with asyncio.timeout(60):
            while not run.refusals:
                await asyncio.sleep(0.05)
        await asyncio.sleep(10)
        filler.unlink()
        began = monotonic()
        accepted = len(run.acknowledged)
        async with asyncio.timeout(30):
            while len(run.acknowledged) == accepted:
                await asyncio.sleep(0.01)
        recovered = monotonic() - began
        until.set()
        await publishing
        await run.settle(30)
        assert run.refusals.keys() == {"503"}, kept.said.getvalue()
        assert run.without_retry_after == 0
        assert installation.processes == processes
        where = {"one": "Postgres' disk", "data": "the disk of Postgres' data", "log": "the disk of Postgres' log"}
        measured(
            6,
            f"With {where[layout]} full, what was answered with 202 is kept ({len(run.acknowledged)} messages)",
            "0 lost",
            f"{len(run.lost)} lost",
            holds=not run.lost,
        )
        measured(
            6,
            f"Once {where[layout]} has room again, messages are accepted, with nobody's help",
            f"within {_RECOVERY_SECONDS:.0f} s",
            f"{recovered:.1f} s",
            holds=recovered <= _RECOVERY_SECONDS,
        )
