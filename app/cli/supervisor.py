"""Keeps a set of processes running: starts them in order, restarts what dies, ends them in the reverse order."""

import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final, Protocol

from app.cli.console import Console
from app.cli.process import CannotRun, command_line, end_orphan, spawn, stop

_RESTARTS: Final = 5
_WITHIN: Final = 60.0  # seconds
_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 8.0
# Between two tries to start a server that could not be started.
_SERVER_WAIT: Final = 3.0
# The API drains for up to 20 s, and so does the worker.
_GRACE: Final = 24.0
_LONGEST_LINE: Final = 65_536


class Supervised(Protocol):
    """A server or a child; all of them are started by the main thread, with whose death they die."""

    name: str

    @property
    def process(self) -> subprocess.Popen[bytes]: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...


class KeepsDying(CannotRun):
    """A process died too often to be restarted again."""


class Child:
    """One of Postrider's own processes; its output goes to the console line by line.

    `grace` is how many seconds it has to end by itself when it is stopped.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        run_folder: Path,
        console: Console,
        *,
        grace: float = _GRACE,
    ) -> None:
        self.name = name
        self._grace = grace
        self._command = list(command)
        self._environment = environment
        self._pidfile = run_folder / f"{name}.pid"
        self._console = console
        self._process: subprocess.Popen[bytes] | None = None
        self._pump: threading.Thread | None = None
        self._asked = False

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """RuntimeError before `start()`."""
        if self._process is None:
            raise RuntimeError(f"{self.name} is not running: call start() first")
        return self._process

    def end_orphan(self) -> None:
        """End what an earlier `postrider up` left behind when it was killed."""
        if self._pidfile.exists():
            text = self._pidfile.read_text().strip()
            if text.isdigit() and command_line(int(text)) == self._command:
                with self._console.step(f"Ending the {self.name} that an earlier run left"):
                    end_orphan(int(text), signal.SIGTERM, lambda words: words == self._command)
            self._pidfile.unlink()

    def start(self) -> None:
        self._process = spawn(self._command, environment=self._environment, output=subprocess.PIPE)
        self._pidfile.write_text(f"{self._process.pid}\n")
        assert self._process.stdout is not None
        self._pump = threading.Thread(target=self._copy, args=(self._process.stdout,), daemon=True)
        self._pump.start()

    def ask_to_stop(self) -> None:
        """SIGTERM, once: for Celery a second one means to drop what is in flight."""
        if self._process is not None and not self._asked:
            self._asked = True
            self._process.terminate()

    def stop(self) -> None:
        """End it, within `grace` seconds; no effect if it does not run."""
        if self._process is None:
            return
        self.ask_to_stop()
        try:
            self._process.wait(self._grace)
        except subprocess.TimeoutExpired:
            stop(self._process, ())
        if self._pump is not None:
            self._pump.join(1.0)
        self._pidfile.unlink(missing_ok=True)
        self._process = None

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()

    def _copy(self, output: IO[bytes]) -> None:
        with output:
            while raw := output.readline(_LONGEST_LINE):
                self._console.child_line(self.name, raw.decode(errors="replace").rstrip())


class Supervisor:
    """Holds what runs, in the order in which it was started.

    `first_wait` is how many seconds pass before the first restart of what died; each further one waits twice as long.
    """

    def __init__(self, console: Console, *, first_wait: float = _FIRST_WAIT) -> None:
        self._console = console
        self._first_wait = first_wait
        self._running: list[Supervised] = []
        self._deaths: dict[str, deque[float]] = {}
        self._restart_at: dict[str, float] = {}

    def start(self, unit: Supervised) -> None:
        """Start it, and be responsible for its end from now on, even if the start fails half-way."""
        self._running.append(unit)
        unit.start()

    def check(self) -> None:
        """Restart what died. KeepsDying after five deaths of one of our own processes within 60 s.

        A server is tried again for as long as it takes, because what ails it (a full disk) may pass, and no process of
        ours can be started without it.
        """
        for unit in self._running:
            if not self._see_to(unit) and not isinstance(unit, Child):
                return

    def _see_to(self, unit: Supervised) -> bool:
        """Whether it runs, after what can be done about it now."""
        if unit.name not in self._restart_at:
            code = unit.process.poll()
            if code is None:
                return True
            now = time.monotonic()
            self._restart_at[unit.name] = now + self._count_death(unit, code, now)
        if time.monotonic() < self._restart_at[unit.name]:
            return False
        try:
            unit.start()
        except CannotRun as error:
            if isinstance(unit, Child):
                raise
            self._restart_at[unit.name] = time.monotonic() + _SERVER_WAIT
            self._console.warn(f"{unit.name} cannot be started again, and is tried every {_SERVER_WAIT:.0f} s: {error}")
            return False
        del self._restart_at[unit.name]
        self._console.warn(f"{unit.name}: started again")
        return True

    def _count_death(self, unit: Supervised, code: int, now: float) -> float:
        """Seconds until it may be started again."""
        name = unit.name
        deaths = self._deaths.setdefault(name, deque(maxlen=_RESTARTS))
        how = describe_exit(code)
        if isinstance(unit, Child) and len(deaths) == _RESTARTS and now - deaths[0] < _WITHIN:
            raise KeepsDying(f"{name} {how} again, for the sixth time within a minute: see its lines above", code=1)
        deaths.append(now)
        recent = sum(now - death < _WITHIN for death in deaths)
        longest = _LONGEST_WAIT if isinstance(unit, Child) else _SERVER_WAIT
        wait = min(longest, self._first_wait * 2.0 ** (recent - 1))
        self._console.warn(f"{name} {how}; it is started again in {wait:.1f} s")
        return wait

    def stop(self) -> None:
        """End everything: our own processes together, then the servers, the last started first."""
        children = [unit for unit in self._running if isinstance(unit, Child)]
        for child in children:
            child.ask_to_stop()
        for unit in reversed(self._running):
            with self._console.step(f"Stopping {unit.name}"):
                unit.stop()
        self._running.clear()

    def kill_children(self) -> None:
        """End our own processes at once; what was in flight is sent again after the next start."""
        for unit in self._running:
            if isinstance(unit, Child):
                unit.kill()


def describe_exit(code: int) -> str:
    """How a process ended, in words: `ended with code 1`, `was ended by SIGKILL`."""
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
