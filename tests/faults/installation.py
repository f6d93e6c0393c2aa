"""A Postrider of real processes, as an operator runs it, on servers that a test may stop."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import httpx
import psutil

from app import ids, tokens
from app.cli.commands import api_command, beat_command, worker_command
from app.cli.process import free_port, spawn
from tests.faults.launcher import with_fault
from tests.servers import Servers

# Most deliveries that one worker has in flight, and so most that are sent twice when it is killed.
MOST_IN_FLIGHT: Final = 200
_JWT_SECRET: Final = "the fault tests' own secret, long enough for every algorithm: 0123456789abcdef"
_STARTING_SECONDS: Final = 30.0
_ROOT: Final = Path(__file__).parents[2]

# Something that is the matter with a process (tests/faults/launcher.py), and its argument.
Fault = tuple[Callable[[str], None], str]


class Process:
    """One process of the installation; its output is in `log`."""

    def __init__(self, name: str, command: Sequence[str], environment: dict[str, str], folder: Path) -> None:
        self.log = folder / f"{name}.log"
        self.health = folder / f"{name}.health"
        with self.log.open("wb") as output:
            # In a folder without a `.env`.
            settings = environment | {"POSTRIDER_HEALTH_FILE": str(self.health)}
            self.popen = spawn(command, environment=settings, cwd=folder, output=output)

    @property
    def runs(self) -> bool:
        return self.popen.poll() is None

    @property
    def memory(self) -> float:
        """MiB that it keeps in memory."""
        return float(psutil.Process(self.popen.pid).memory_info().rss) / 2**20

    def send(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and reap it."""
        self.popen.kill()
        self.popen.wait()

    def end(self) -> int:
        """SIGTERM; the exit code. TimeoutExpired if it takes longer than a supervisor would wait."""
        self.popen.terminate()
        return self.popen.wait(24)


class Installation:
    """An API and workers. Processes are started by `ensure()` and go on running from one test to the next."""

    def __init__(self, servers: Servers, dsn: str, folder: Path) -> None:
        self.servers = servers
        self.dsn = dsn
        self.organization_id = ids.new_id("org")
        self.token = tokens.issue(_JWT_SECRET, "HS256", self.organization_id)
        self._folder = folder
        self._port = free_port()
        self._api: Process | None = None
        self._workers: list[Process] = []
        self._beat: Process | None = None
        self._started = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/api/v1"

    @property
    def api(self) -> Process:
        assert self._api is not None, "call ensure() first"
        return self._api

    @property
    def workers(self) -> list[Process]:
        """Those that run, or are stopped by a signal; the oldest first."""
        self._workers = [worker for worker in self._workers if worker.runs]
        return self._workers

    @property
    def beat(self) -> Process:
        assert self._beat is not None, "call start_beat() first"
        return self._beat

    @property
    def processes(self) -> list[Process]:
        """All that run."""
        return [one for one in (self._api, *self._workers, self._beat) if one is not None and one.runs]

    def ensure(self, workers: int) -> None:
        """Have a serving API and so many delivering workers."""
        if self._api is None or not self._api.runs:
            self.start_api()
        while len(self.workers) > workers:
            self._workers[-1].end()
        new = [self.start_worker() for _ in range(workers - len(self.workers))]
        self.wait_for_api()
        for worker in new:
            self.wait_for_worker(worker)

    def start_api(self, fault: Fault | None = None) -> Process:
        self._api = self._start("api", api_command("127.0.0.1", self._port), fault)
        return self._api

    def start_worker(self, fault: Fault | None = None) -> Process:
        worker = self._start("worker", worker_command(), fault)
        self._workers.append(worker)
        return worker

    def start_beat(self) -> Process:
        self._beat = self._start("beat", beat_command(self._folder / "schedule"))
        return self._beat

    def wait_for_api(self) -> None:
        """Returns when the API and the database behind it answer."""
        deadline = time.monotonic() + _STARTING_SECONDS
        while not self._is_healthy():
            assert self.api.runs, self.api.log.read_text()
            assert time.monotonic() < deadline, f"the API did not start: {self.api.log.read_text()}"
            time.sleep(0.05)

    def wait_for_worker(self, worker: Process) -> None:
        """Returns when the worker delivers."""
        deadline = time.monotonic() + _STARTING_SECONDS
        while not worker.health.exists():
            assert worker.runs, worker.log.read_text()
            assert time.monotonic() < deadline, f"the worker did not start: {worker.log.read_text()}"
            time.sleep(0.05)

    @property
    def folder(self) -> Path:
        """Where a test may leave files for its processes."""
        return self._folder

    def last_words(self) -> str:
        """The end of what each worker logged."""
        return "\n\n".join(worker.log.read_text()[-4000:] for worker in self._workers)

    def stop(self) -> None:
        """End everything, whatever state a test has left it in."""
        running = self.processes
        for process in running:
            process.send(signal.SIGCONT)
            process.popen.terminate()
        for process in running:
            try:
                process.popen.wait(24)
            except subprocess.TimeoutExpired:
                process.kill()

    def _start(self, name: str, command: Sequence[str], fault: Fault | None = None) -> Process:
        self._started += 1
        if fault is not None:
            command = with_fault(command, *fault)
        return Process(f"{name}-{self._started}", command, self._environment(), self._folder)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(_ROOT),
            "POSTRIDER_DB_DSN": self.dsn,
            "POSTRIDER_REDIS_DSN": self.servers.valkey.dsn,
            "POSTRIDER_JWT_SECRET": _JWT_SECRET,
            "POSTRIDER_MAIN_SECRET": "the fault tests' main secret",
            "POSTRIDER_WHITELIST_SUBNETS": "127.0.0.0/8",
            "POSTRIDER_WORKER_MAX_TASKS": str(MOST_IN_FLIGHT),
            "POSTRIDER_RETRY_SCHEDULE": "1,1,1,1,1",
        }

    def _is_healthy(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=1, trust_env=False, verify=False).status_code == 200
        except httpx.TransportError:
            return False
