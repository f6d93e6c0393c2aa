"""`postrider up` with the real API, worker and beat."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from app import ids
from app.cli.process import free_port
from app.cli.up import Signals, Stopping, called
from tests.cli.command import one_line, postrider, processes_naming, start, until
from tests.servers import Servers


@dataclass
class Instance:
    """A started `postrider up`."""

    folder: Path
    port: int
    process: subprocess.Popen[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text()

    def until_ready(self) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, self.output
            return "Postrider is ready" in self.output

        until(ready, 60, f"it is ready\n{self.output}")

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def instance_of(folder: Path) -> Iterator[Callable[..., Instance]]:
    """Starts one with settings (named without POSTRIDER_)."""
    started: list[Instance] = []

    def launch(**settings: str) -> Instance:
        port = free_port()
        started.append(Instance(folder, port, start(folder, "up", LISTEN_ADDRESS=f"127.0.0.1:{port}", **settings)))
        return started[-1]

    yield launch
    for instance in started:
        if instance.process.poll() is None:
            instance.end()
    until(lambda: not processes_naming(folder), 30, "every process of it ends")


@pytest.fixture
def instance(instance_of: Callable[..., Instance]) -> Instance:
    return instance_of()


@pytest.fixture
def received() -> Iterator[tuple[str, list[bytes]]]:
    """A receiver's URL, and the bodies that arrive there."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing on the tests' stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", bodies
        server.shutdown()
        thread.join()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells children of their parent's death")
def test_what_it_prints_works_when_pasted_and_neither_sigkill_nor_the_end_loses_anything(
    instance: Instance, received: tuple[str, list[bytes]]
) -> None:
    instance.until_ready()
    token = what_it_prints_works(instance)
    url, bodies = received
    headers = {"authorization": f"Bearer {token}"}

    def publish(text: str) -> bool:
        body = {"eventType": "invoice.paid", "payload": {"after": text}}
        try:
            return httpx.post(f"{instance.url}/api/v1/app/first/msg", headers=headers, json=body).status_code == 202
        except httpx.TransportError:
            return False

    def arrives(text: str) -> None:
        until(lambda: publish(text), 15, "messages are accepted")
        until(lambda: any(text.encode() in body for body in bodies), 30, "messages are delivered")

    answer = httpx.post(f"{instance.url}/api/v1/app/first/endpoint", headers=headers, json={"url": url})
    answer.raise_for_status()
    for program in ("valkey-server", "postgres -D", "worker.main worker", "app.main:create_app"):
        victim = next(line for line in processes_naming(instance.folder) if program in line)
        (instance.folder / "output").write_text("")
        os.kill(int(victim.split()[0]), signal.SIGKILL)
        until(lambda: "started again\n" in instance.output, 15, f"{program} is started again")
        arrives(program)
        assert "DeprecationWarning" not in instance.output

    for line in processes_naming(instance.folder):
        os.kill(int(line.split()[0]), signal.SIGKILL)
    instance.process.wait()
    instance.process = start(instance.folder, "up", LISTEN_ADDRESS=f"127.0.0.1:{instance.port}")
    (instance.folder / "output").write_text("")
    instance.until_ready()
    assert "an earlier run left" not in instance.output
    arrives("everything")

    assert instance.end() == 0
    assert instance.output.endswith(f"Postrider has ended; its data stays in {instance.folder / 'data'}\n")
    assert not processes_naming(instance.folder)

    (instance.folder / "data" / "secrets.env").unlink()
    refused = postrider(instance.folder, "up", LISTEN_ADDRESS=f"127.0.0.1:{instance.port}")
    assert refused.returncode == 78
    assert "POSTRIDER_MAIN_SECRET is not the one" in one_line(refused.stderr)


@pytest.mark.parametrize(
    ("started", "shown"), [(".venv/bin/postrider", ".venv/bin/postrider"), ("/srv/app/cli/main.py", "postrider")]
)
def test_a_program_that_the_shell_does_not_find_is_shown_with_its_path(
    monkeypatch: pytest.MonkeyPatch, started: str, shown: str
) -> None:
    monkeypatch.setattr(sys, "argv", [started, "up"])
    assert called() == shown


def what_it_prints_works(instance: Instance) -> str:
    """Paste its examples; the token that they use."""
    # The last of them comes some lines after it has said that it is ready.
    until(lambda: "\nEOF\n" in instance.output, 10, "both examples are printed")
    printed = instance.output
    assert instance.url in printed
    assert httpx.get(f"{instance.url}/docs").status_code == 200
    assert "/dashboard: `postrider dashboard` prints" in printed
    token = one_line(postrider(instance.folder, "token").stdout)
    assert postrider(instance.folder, "up").returncode == 78

    example = re.search(r"^(curl .*?)\n\n", printed, re.DOTALL | re.MULTILINE)
    assert example is not None
    pasted = subprocess.run(["sh", "-ec", example[1]], capture_output=True, text=True, timeout=30, check=False)
    assert '"uid":"first"' in pasted.stdout, pasted
    assert '"eventType":"invoice.paid"' in pasted.stdout
    listed = httpx.get(f"{instance.url}/api/v1/app", headers={"authorization": f"Bearer {token}"}).json()
    assert [app["uid"] for app in listed["data"]] == ["first"]

    example = re.search(r"^\S+ - <<'EOF'\n.*?^EOF$", printed, re.DOTALL | re.MULTILINE)
    assert example is not None
    pasted = subprocess.run(["sh", "-ec", example[0]], capture_output=True, text=True, timeout=30, check=False)
    assert pasted.stdout == 'received and verified: {"invoice":1}\n', pasted
    return token


def test_a_signal_is_not_lost_where_its_exception_is() -> None:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    signals = Signals(lambda: None)
    try:
        signals.check()
        # As where an object is finalized: whatever is raised there is printed, and the program goes on.
        with suppress(Stopping):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(Stopping) as raised:
            signals.check()
        assert raised.value.number == signal.SIGINT
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def test_ctrl_c_ends_it_while_it_starts_too_and_leaves_nothing(instance: Instance) -> None:
    until(lambda: any("postgres -D" in line for line in processes_naming(instance.folder)), 15, "a server has begun")
    assert instance.end(signal.SIGINT) == 130, "as a shell says of what Ctrl-C has ended"
    assert not processes_naming(instance.folder)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells children of their parent's death")
async def test_servers_that_are_named_are_used_even_while_redis_is_away_and_a_killed_supervisor_leaves_nobody(
    instance_of: Callable[..., Instance], servers: Servers, closed_port: int
) -> None:
    name = f"up_{ids.new_id('qtask')}"
    redis = f"redis://:hunter2@127.0.0.1:{closed_port}/0"
    instance = instance_of(DB_DSN=servers.postgres.dsn(name), REDIS_DSN=redis, RETRY_SHEDULE="5", JWT_SECRET="x")
    instance.until_ready()
    running = " ".join(processes_naming(instance.folder))
    assert "worker.main worker" in running
    assert "valkey-server" not in running
    assert "postgres" not in [path.name for path in (instance.folder / "data").iterdir()]
    warnings = [line for line in instance.output.splitlines() if line.startswith("  ! ")]
    assert [line.split()[1] for line in warnings] == ["POSTRIDER_RETRY_SHEDULE", "POSTRIDER_JWT_SECRET", "Redis"]
    assert "hunter2" not in instance.output
    assert instance.output.count("RETRY_SHEDULE") == 1
    assert "InsecureKeyLength" not in instance.output

    instance.process.kill()
    instance.process.wait()
    until(lambda: not processes_naming(instance.folder), 30, "the children of a killed supervisor end")
    await servers.drop(name)
