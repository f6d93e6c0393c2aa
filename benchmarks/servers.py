"""A Postrider of its own for a run: `postrider up` with an empty data folder on a free port, removed afterwards."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncpg
import httpx

from app.cli.commands import worker_command
from app.cli.process import free_port, spawn, stop
from benchmarks.processes import find
from benchmarks.run import RunError, Target

PROJECT = Path(__file__).resolve().parent.parent
_READY_SECONDS = 120.0
_STOP_SECONDS = 40.0
# -P: a folder `app` in the current directory must not be taken for ours.
_POSTRIDER = (sys.executable, "-P", "-m", "app.cli.main")
# What would lead the throw-away server to somebody's data. Other settings pass through, so that they can be tried.
_OWN = ("DB_DSN", "DB_READ_DSN", "REDIS_DSN", "QUEUE_DSN", "CACHE_DSN", "LISTEN_ADDRESS", "DATA_DIR")
_NOT_INHERITED = {"DATABASE_URL", *(f"{prefix}_{name}" for prefix in ("POSTRIDER", "SVIX") for name in _OWN)}
_QUICK_RETRIES = ",".join(["1"] * 20)


def child_environment(inherited: Mapping[str, str], address: str, data: Path, *, retries: bool) -> dict[str, str]:
    """What the throw-away server sees. With `retries` it tries again each second, unless a schedule is set."""
    environment = {name: value for name, value in inherited.items() if name.upper() not in _NOT_INHERITED}
    environment |= {
        "POSTRIDER_LISTEN_ADDRESS": address,
        "POSTRIDER_DATA_DIR": str(data),
        "PYTHONPATH": str(PROJECT),
    }
    if retries and not {"POSTRIDER_RETRY_SCHEDULE", "SVIX_RETRY_SCHEDULE"} & environment.keys():
        environment["POSTRIDER_RETRY_SCHEDULE"] = _QUICK_RETRIES
    return environment


class ThrowAway:
    """`with ThrowAway(log) as server: server.target`. RunError, with the log's last lines, if it does not start."""

    def __init__(self, log: Path, *, retries: bool = False) -> None:
        self._log = log
        self._folder = Path(tempfile.mkdtemp(prefix="postrider-bench-"))
        # Postgres does not run as root; whom it runs as must be able to enter.
        self._folder.chmod(0o711)
        self._address = f"127.0.0.1:{free_port()}"
        self._environment = child_environment(os.environ, self._address, self._folder / "data", retries=retries)
        self._process: subprocess.Popen[bytes] | None = None
        self._more: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        try:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("wb") as log:
                # In a folder of its own, because a `.env` of the project would be read otherwise.
                self._process = spawn([*_POSTRIDER, "up"], environment=self._environment, cwd=self._folder, output=log)
            self._wait(self._process)
            self._found = self._settings(self._process.pid)
            dsn = self._found["POSTRIDER_DB_DSN"]
            self.target = Target(f"http://{self._address}", self._token(), (self._process.pid,), dsn)
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    @property
    def folder(self) -> Path:
        """Where its data lies."""
        return self._folder

    @property
    def redis_dsn(self) -> str:
        return self._found["POSTRIDER_REDIS_DSN"]

    def add_worker(self) -> None:
        """Starts one more worker process. RunError if it is not ready in time."""
        health = self._folder / f"worker-{len(self._more)}.health"
        environment = self._found | {"POSTRIDER_HEALTH_FILE": str(health)}
        with self._log.open("ab") as log:
            worker = spawn(worker_command(), environment=environment, cwd=self._folder, output=log)
        self._more.append(worker)
        self.target = replace(self.target, pids=(*self.target.pids, worker.pid))
        deadline = time.monotonic() + _READY_SECONDS
        while not health.exists():
            if worker.poll() is not None or time.monotonic() > deadline:
                raise RunError(f"a second worker did not start:\n{self._last_lines()}")
            time.sleep(0.1)

    def preload(self, library: str) -> None:
        """Restarts Postgres with a library. RunError if it does not come back."""
        server = min(find(self.target.pids[0], "postgres"), key=lambda process: process.create_time())
        asyncio.run(self._execute(f"ALTER SYSTEM SET shared_preload_libraries = '{library}'"))
        # The supervisor starts what has died.
        server.send_signal(signal.SIGINT)
        server.wait(_STOP_SECONDS)
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            try:
                asyncio.run(self._execute(f"CREATE EXTENSION IF NOT EXISTS {library}"))
                return
            except (OSError, asyncpg.PostgresError) as error:
                if time.monotonic() > deadline:
                    raise RunError(f"Postgres did not start again with {library}: {error}") from None
                time.sleep(0.2)

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.target.dsn)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def _settings(self, supervisor: int) -> dict[str, str]:
        """What the supervisor told its worker: the addresses of the servers, and the secrets."""
        workers = find(supervisor, "worker")
        if not workers:
            raise RunError(f"`postrider up` runs no worker:\n{self._last_lines()}")
        return workers[0].environ()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        """`postrider up` prints where its documentation is once every one of its processes is healthy."""
        deadline = time.monotonic() + _READY_SECONDS
        ready = f"http://{self._address}/docs"
        while ready not in self._log.read_text(errors="replace") or not self._answers():
            if process.poll() is not None:
                raise RunError(f"`postrider up` ended with code {process.returncode}:\n{self._last_lines()}")
            if time.monotonic() > deadline:
                raise RunError(f"`postrider up` was not ready after {_READY_SECONDS:.0f} s:\n{self._last_lines()}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"http://{self._address}/api/v1/health/ping", timeout=2, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def _token(self) -> str:
        return read_token(self._environment, self._folder)

    def _last_lines(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])

    def _remove(self) -> None:
        for worker in self._more:
            stop(worker, ((signal.SIGTERM, _STOP_SECONDS),))
        if self._process is not None:
            stop(self._process, ((signal.SIGTERM, _STOP_SECONDS),))
        shutil.rmtree(self._folder, ignore_errors=True)


def read_token(environment: Mapping[str, str], folder: Path | None = None) -> str:
    """What `postrider token` prints in that environment. RunError, with its words, if it fails."""
    try:
        done = subprocess.run(
            [*_POSTRIDER, "token"],
            env=dict(environment) | {"PYTHONPATH": str(PROJECT)},
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RunError(f"`postrider token` could not be run ({error}): install the project with `make run`") from error
    if done.returncode != 0 or not done.stdout.strip():
        raise RunError(f"`postrider token` failed: {done.stderr.strip()[-300:]}")
    return done.stdout.strip()
