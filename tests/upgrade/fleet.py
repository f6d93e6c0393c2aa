"""Processes of two revisions on one Postgres and one Valkey."""

import asyncio
import os
import signal
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Final

import httpx

from app.cli.process import free_port, spawn
from tests.upgrade.revision import Tree

_STARTING_SECONDS: Final = 60.0
# Longer than the 20 s for which an API process and a worker let what is under way end.
_ENDING_SECONDS: Final = 30.0


class Process(ABC):
    """One process of a tree's code, started with the words that this code itself would use. Its output is in a file."""

    # Python that puts the words of the command in `words`.
    code: str

    def __init__(self, name: str, tree: Tree, settings: dict[str, str], folder: Path) -> None:
        self.name = name
        self.health = folder / f"{name}.health"
        self._log = folder / f"{name}.log"
        environment = settings | {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(tree.folder),
            "POSTRIDER_HEALTH_FILE": str(self.health),
        }
        command = [sys.executable, "-P", "-c", f"{self.code}; import os; os.execv(words[0], words)"]
        with self._log.open("wb") as output:
            self.popen = spawn(command, environment=environment, cwd=folder, output=output)

    @abstractmethod
    async def until_ready(self) -> None:
        """Returns once it serves. TimeoutError or AssertionError if it does not."""

    async def end(self) -> None:
        """SIGTERM, and wait. AssertionError if it does not end by itself in time, or says that something failed."""
        self.popen.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(self.popen.wait, _ENDING_SECONDS)
        assert code in (0, -signal.SIGTERM), f"{self.name} ended with {code}:\n{self.last_words}"

    @property
    def last_words(self) -> str:
        return self._log.read_text(errors="replace")[-4000:]

    def alive(self) -> None:
        """AssertionError, with what it said last, if it has ended."""
        assert self.popen.poll() is None, f"{self.name} ended with {self.popen.returncode}:\n{self.last_words}"


class Api(Process):
    """An API process; `in_flight` is kept by those who call it."""

    def __init__(self, name: str, tree: Tree, settings: dict[str, str], folder: Path) -> None:
        port = free_port()
        self.code = f"from app.cli.commands import api_command; words = api_command('127.0.0.1', {port})"
        super().__init__(name, tree, settings, folder)
        self.url = f"http://127.0.0.1:{port}/api/v1"
        self.in_flight = 0

    async def until_ready(self) -> None:
        async with asyncio.timeout(_STARTING_SECONDS), httpx.AsyncClient(trust_env=False) as client:
            while True:
                self.alive()
                try:
                    if (await client.get(f"{self.url}/health", timeout=2)).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.1)

    async def until_idle(self) -> None:
        """What a load balancer waits for between taking a process out of rotation and ending it."""
        async with asyncio.timeout(_ENDING_SECONDS):
            while self.in_flight:
                await asyncio.sleep(0.02)


class Worker(Process):
    """A worker process."""

    code = "from app.cli.commands import worker_command; words = worker_command()"

    async def until_ready(self) -> None:
        async with asyncio.timeout(_STARTING_SECONDS):
            while not self.health.exists():
                self.alive()
                await asyncio.sleep(0.1)


class Beat(Process):
    """The process that starts chores."""

    code = "from pathlib import Path; from app.cli.commands import beat_command; words = beat_command(Path('schedule'))"

    async def until_ready(self) -> None:
        # It says nothing when it is.
        await asyncio.sleep(1.0)
        self.alive()
