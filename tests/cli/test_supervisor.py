import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.cli.console import Console
from app.cli.process import CannotRun
from app.cli.supervisor import Child, KeepsDying, Supervisor
from tests.cli.command import until


def child(folder: Path, code: str, out: io.StringIO, name: str = "api", grace: float = 24.0) -> Child:
    command = [sys.executable, "-c", code]
    return Child(name, command, dict(os.environ), folder, Console(out), grace=grace)


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_a_child_that_dies_is_started_again(folder: Path) -> None:
    out = io.StringIO()
    supervisor = Supervisor(Console(out), first_wait=0.05)
    unit = child(folder, "import time; time.sleep(60)", out)
    supervisor.start(unit)
    first = unit.process.pid
    unit.process.kill()
    unit.process.wait()

    def checked() -> bool:
        supervisor.check()
        return unit.process.pid != first

    until(checked, 5, "the child is started again")
    assert unit.process.poll() is None
    assert "api was ended by SIGKILL; it is started again" in out.getvalue()
    second = unit.process.pid
    supervisor.stop()
    assert not alive(second)


def test_a_child_that_keeps_dying_is_given_up(folder: Path) -> None:
    out = io.StringIO()
    supervisor = Supervisor(Console(out), first_wait=0.001)
    supervisor.start(child(folder, "import sys; sys.exit(3)", out))

    def check_for_ten_seconds() -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            supervisor.check()
            time.sleep(0.01)

    with pytest.raises(KeepsDying, match="api ended with code 3 again"):
        check_for_ten_seconds()
    assert out.getvalue().count("started again in") == 5
    supervisor.stop()


def test_both_streams_of_a_child_are_shown_with_its_name(folder: Path) -> None:
    out = io.StringIO()
    supervisor = Supervisor(Console(out))
    supervisor.start(child(folder, "import os; os.write(1, b'one\\n'); os.write(2, b'two\\n')", out, "worker"))
    until(lambda: "worker | one\nworker | two\n" in out.getvalue(), 5, "both lines are shown")
    supervisor.stop()


def test_a_child_that_ignores_sigterm_is_killed_in_the_end(folder: Path) -> None:
    out = io.StringIO()
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    unit = child(folder, code, out, grace=0.2)
    unit.start()
    pid = unit.process.pid
    until(lambda: "deaf" in out.getvalue(), 5, "the child is ready")
    unit.stop()
    assert not alive(pid)


def test_an_orphan_of_an_earlier_run_is_ended_and_nobody_else(folder: Path) -> None:
    out = io.StringIO()
    left = child(folder, "import time; time.sleep(60)", out)
    left.start()
    pid = left.process.pid
    following = child(folder, "import time; time.sleep(60)", out)
    following.end_orphan()
    until(lambda: not alive(pid), 5, "the orphan ends")
    left.process.wait()
    # The pid of this test's own process: no child of that command, so it must survive.
    (folder / "api.pid").write_text(f"{os.getpid()}\n")
    following.end_orphan()
    assert not (folder / "api.pid").exists()
    assert out.getvalue().count("Ending the api that an earlier run left …") == 1, "only what lived is ended"
    left.stop()


def test_a_line_of_a_child_has_its_name_once(folder: Path) -> None:
    out = io.StringIO()
    supervisor = Supervisor(Console(out))
    logged = "2026-01-02 03:04:05.678 INFO    worker the worker is ready"
    supervisor.start(child(folder, f"print({logged!r}); print(); print('worker: Warm shutdown')", out, "worker"))
    until(lambda: "Warm" in out.getvalue(), 5, "the lines are shown")
    supervisor.stop()
    assert out.getvalue().startswith(
        "worker | 2026-01-02 03:04:05.678 INFO    the worker is ready\nworker | worker: Warm shutdown\n"
    )


def test_where_children_log_json_everything_that_they_print_is_json(folder: Path) -> None:
    out = io.StringIO()
    console = Console(out)
    console.children_log_json = True
    console.child_line("worker", '{"message":"delivering"}')
    console.child_line("worker", "")
    console.child_line("worker", 'worker: "Warm" shutdown')
    first, second = (json.loads(line) for line in out.getvalue().splitlines())
    assert first == {"message": "delivering"}
    assert (second["process"], second["message"]) == ("worker", 'worker: "Warm" shutdown')


def test_on_a_terminal_the_current_step_is_redrawn_below_other_lines() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    console = Console(out)
    with console.step("Postgres"):
        console.line("hello")
    written = out.getvalue().replace("\x1b[32m", "").replace("\x1b[0m", "")
    assert written.startswith("\r\x1b[2K  · Postgres …\r\x1b[2Khello\n  · Postgres …\r\x1b[2K  ✓ Postgres (")


class FailingServer:
    """A server that died, and that can be started again only at the third try."""

    name = "Postgres"

    def __init__(self) -> None:
        self.tries = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def start(self) -> None:
        self.tries += 1
        if self.tries in {2, 3}:
            self._process = None
            raise CannotRun("No space left on device")
        self._process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def test_a_server_that_cannot_be_started_again_is_tried_until_it_can_and_children_wait_for_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.cli.supervisor._SERVER_WAIT", 0.1)
    out = io.StringIO()
    supervisor = Supervisor(Console(out), first_wait=0.01)
    server, unit = FailingServer(), child(folder, "import time; time.sleep(60)", out)
    supervisor.start(server)
    supervisor.start(unit)
    first = unit.process.pid
    for process in (server.process, unit.process):
        process.kill()
        process.wait()

    def tried_twice() -> bool:
        supervisor.check()
        assert unit.process.pid == first, "without its server a child can only die again"
        return server.tries == 3

    def both_run() -> bool:
        supervisor.check()
        return server.tries == 4 and unit.process.pid != first

    try:
        until(tried_twice, 5, "the server is tried again")
        until(both_run, 5, "the server and the child run again")
        assert "Postgres cannot be started again" in out.getvalue()
        assert "No space left on device" in out.getvalue()
    finally:
        supervisor.stop()
