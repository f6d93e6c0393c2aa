"""What the embedded servers have in common: a folder, a lock on it, a log, a process, and a start with a wait."""

import os
import secrets
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from app.cli.process import FolderLock, Identity, stop


def silent(_line: str) -> None:
    """Progress that nobody watches."""


class EmbeddedServer(ABC):
    """One server, its folder, its lock and its process.

    `log` is where its output goes, by default a file in its folder. `durable=False` gives up safety against a crash of
    the machine, for tests. `progress` hears one line when a start takes long.
    """

    name: str
    # What ends it, and the seconds that each is given.
    _stop_signals: tuple[tuple[signal.Signals, float], ...]

    def __init__(
        self,
        folder: Path,
        *,
        log: Path | None = None,
        durable: bool = True,
        progress: Callable[[str], None] = silent,
    ) -> None:
        self.folder = folder.absolute()
        self.log = log.absolute() if log else self.folder / f"{self.name.lower()}.log"
        self._durable = durable
        self._progress = progress
        self._lock = FolderLock(self.folder)
        self._locked = False
        # Where in the log the current run's lines begin.
        self._log_start = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers; after an unexpected death, start it again at the same address.

        CannotRun, in one line, if it cannot be started here.
        """
        if not self._locked:
            self._lock.acquire()
            self._locked = True
        try:
            self._prepare()
            self._launch()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it cleanly and release its folder; no effect if it does not run."""
        if self._process is not None:
            stop(self._process, self._stop_signals)
            self._process = None
        self._lock.release()
        self._locked = False

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running server. RuntimeError before `start()`."""
        if self._process is None:
            raise RuntimeError(f"{self.name} is not running: call start() first")
        return self._process

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def _prepare(self) -> None:
        """Everything up to the start: files, and what an earlier run left behind."""

    @abstractmethod
    def _launch(self) -> None:
        """Start the process and wait for it."""

    def open_log(self) -> IO[bytes]:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        log = self.log.open("ab")
        self._log_start = log.tell()
        return log

    def wait_until(self, answers: Callable[[], bool], failed: Callable[[str], Exception]) -> None:
        """Wait for as long as the process lives: recovery after a crash takes what it takes."""
        begun = time.monotonic()
        told = begun
        pause = 0.01
        while not answers():
            if self.process.poll() is not None:
                raise failed(self.last_line())
            if time.monotonic() - told > 3.0:
                told = time.monotonic()
                self._progress(f"{self.name}: starting for {told - begun:.0f} s: {self.last_line()}")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.1)

    def last_line(self) -> str:
        try:
            lines = self.log.read_bytes()[self._log_start :][-4096:].decode(errors="replace").strip().splitlines()
        except OSError:
            return ""
        fatal = [line for line in lines if "FATAL" in line]
        return (fatal or lines or [""])[-1].strip()


def kept_password(path: Path) -> str:
    """The password in a file that only we can read; made at the first call."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        unfinished = path.with_suffix(".unfinished")
        unfinished.touch(mode=0o600)
        unfinished.write_text(secrets.token_urlsafe(24) + "\n")
        unfinished.rename(path)
        return path.read_text().strip()


def give(path: Path, identity: Identity) -> None:
    """Make an identity the owner of a path and of all that is under it."""
    if os.geteuid() != 0:
        return
    user = os.geteuid() if identity.user is None else identity.user
    group = os.getegid() if identity.group is None else identity.group
    if path.stat().st_uid == user:
        return
    for folder, _, files in os.walk(path):
        for name in files:
            os.chown(os.path.join(folder, name), user, group, follow_symlinks=False)
        os.chown(folder, user, group)
    if path.is_file():
        os.chown(path, user, group)
