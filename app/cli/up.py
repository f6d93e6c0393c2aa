"""`postrider up`: everything on one machine, from one command."""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Final

from pydantic import SecretStr
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from app import environment, logs, tokens
from app.cli.commands import api_command, beat_command, worker_command
from app.cli.console import Console
from app.cli.database import require_ready
from app.cli.embedded import EmbeddedPostgres, EmbeddedValkey
from app.cli.examples import curl_example, python_example
from app.cli.migrations import migrate
from app.cli.ports import require_free
from app.cli.process import CannotRun, FolderLock
from app.cli.running import DATABASE
from app.cli.secret_file import Secrets, kept_secrets
from app.cli.supervisor import Child, Supervisor, describe_exit
from app.sealing import Sealer
from app.settings import Settings

DEFAULT_ADDRESS: Final = "127.0.0.1:8071"
_PROGRAM: Final = "postrider"
_LARGEST_LOG: Final = 10 * 1024 * 1024
_LONGEST_START: Final = 120.0  # seconds, for the API and the worker


class Stopping(BaseException):
    """A signal asked this process to end."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number.name)
        self.number = number


class NotHealthy(CannotRun):
    """A process did not come up."""


class Signals:
    """SIGTERM, SIGINT and SIGHUP raise Stopping in the main thread; later ones, while it ends, call `hurry`.

    SIGINT counts even where a shell that started this in the background said to ignore it; with SIGHUP, nohup does so.
    """

    def __init__(self, hurry: Callable[[], None]) -> None:
        self._hurry = hurry
        self._first = 0.0
        self._raised: Stopping | None = None
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._receive)

    def ending(self) -> None:
        """From now on this process ends anyway."""
        self._first = self._first or time.monotonic()

    def check(self) -> None:
        """Raise again what was raised and got lost: where Python was finalizing an object, say, it only prints it."""
        if self._raised is not None:
            raise self._raised

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if not self._first:
            self._first = time.monotonic()
            self._raised = Stopping(signal.Signals(number))
            raise self._raised
        # `make` passes on the SIGTERM that its whole process group got: within a second, it is the same request.
        if time.monotonic() - self._first > 1.0:
            self._hurry()


class Up:
    """One run of `postrider up`."""

    def __init__(self, settings: Settings, console: Console) -> None:
        self._console = console
        self._settings = settings
        self._data = settings.data_dir.absolute()
        self._run_folder = self._data / "run"
        self._health = self._run_folder / "worker.health"
        self._logs = {name: self._data / "logs" / f"{name}.log" for name in ("postgres", "valkey")}
        address = settings.listen_address if "listen_address" in settings.model_fields_set else DEFAULT_ADDRESS
        self._address = settings.model_copy(update={"listen_address": address})
        self._supervisor = Supervisor(console)

    def run(self) -> int:
        """Start everything, keep it running until a signal, and end it. The exit code; CannotRun if it fails."""
        self._signals = signals = Signals(self._supervisor.kill_children)
        lock = FolderLock(self._data)
        try:
            with lock:
                try:
                    self._start()
                    while True:
                        self._watch()
                finally:
                    signals.ending()
                    self._supervisor.stop()
        except Stopping as stopping:
            self._console.line(f"Postrider has ended; its data stays in {self._data}")
            return 130 if stopping.number == signal.SIGINT else 0

    def _start(self) -> None:
        begun = time.monotonic()
        self._console.title(f"Postrider is starting, with its data in {self._data}")
        environment.report(self._settings, self._console.warn)
        secrets = self._prepare_folder()
        variables = self._environment(secrets)
        host, port = self._address.host, self._address.port
        command = api_command(host, port, self._settings.trusted_proxies or ())
        children = [
            Child("api", command, variables, self._run_folder, self._console),
            Child("worker", worker_command(), variables, self._run_folder, self._console),
            Child("beat", beat_command(self._run_folder / "beat"), variables, self._run_folder, self._console),
        ]
        for child in children:
            child.end_orphan()
        require_free(host, port)
        self._start_servers(variables)
        with self._console.step("Database schema"):
            dsn = variables["POSTRIDER_DB_DSN"]
            migrate(dsn, lambda line: self._console.line(f"    {line}"))
            main_secrets = self._settings.model_copy(update={"main_secret": SecretStr(secrets.main)}).main_secrets
            require_ready(dsn, Sealer(main_secrets))
        self._health.unlink(missing_ok=True)
        with self._console.step("API, worker and beat"):
            for child in children:
                self._supervisor.start(child)
            self._await_health(children)
        self._greet(secrets, time.monotonic() - begun)

    def _prepare_folder(self) -> Secrets:
        kept = kept_secrets(self._data)
        try:
            for folder in (self._run_folder, self._data / "logs"):
                folder.mkdir(exist_ok=True, mode=0o711)
            for log in self._logs.values():
                if log.exists():
                    log.rename(log.with_suffix(".log.1"))
        except OSError as error:
            raise CannotRun(
                f"the folder {self._data} cannot be written ({error.strerror}): "
                "make it writable, or set POSTRIDER_DATA_DIR to another one"
            ) from None
        jwt, main = self._settings.jwt_secret, self._settings.main_secret
        return Secrets(
            jwt.get_secret_value() if jwt else kept.jwt,
            main.get_secret_value() if main else kept.main,
        )

    def _environment(self, secrets: Secrets) -> dict[str, str]:
        """What the children get; the servers' addresses follow when they are known."""
        environment = dict(os.environ) | {
            "POSTRIDER_EMBEDDED": "true",
            "POSTRIDER_JWT_SECRET": secrets.jwt,
            "POSTRIDER_MAIN_SECRET": secrets.main,
            "POSTRIDER_LISTEN_ADDRESS": self._address.listen_address,
            "POSTRIDER_DATA_DIR": str(self._data),
            "POSTRIDER_HEALTH_FILE": str(self._health),
            "PYTHONUNBUFFERED": "1",
        }
        log_format = self._settings.log_format
        if log_format == "auto":
            # Their stderr is a pipe to us: whether a person reads it is known here only.
            log_format = "default" if self._console.is_terminal else "json"
        self._console.children_log_json = log_format == "json"
        return environment | {"POSTRIDER_LOG_FORMAT": log_format}

    def _start_servers(self, variables: dict[str, str]) -> None:
        dsn = self._settings.db_dsn
        if not dsn:
            postgres = EmbeddedPostgres(
                self._data / "postgres", log=self._logs["postgres"], progress=self._console.doing
            )
            with self._console.step("Postgres"):
                self._supervisor.start(postgres)
            dsn = postgres.dsn(DATABASE)
        broker = self._settings.redis_dsn
        if not broker:
            valkey = EmbeddedValkey(self._data / "valkey", log=self._logs["valkey"], progress=self._console.doing)
            with self._console.step("Valkey"):
                self._supervisor.start(valkey)
            broker = valkey.dsn
        elif not redis_answers(broker):
            self._console.warn(
                f"Redis does not answer at {logs.redact(broker)} (POSTRIDER_REDIS_DSN): "
                "until it does, deliveries begin up to a second later and chores wait"
            )
        variables |= {"POSTRIDER_DB_DSN": dsn, "POSTRIDER_REDIS_DSN": broker}

    def _await_health(self, children: list[Child]) -> None:
        begun = time.monotonic()
        while True:
            self._signals.check()
            for child in children:
                code = child.process.poll()
                if code is not None:
                    raise NotHealthy(
                        f"{child.name} {describe_exit(code)} before it was ready: see its lines above", code=1
                    )
            if self._health.exists() and answers(self._address.host, self._address.port):
                return
            if time.monotonic() - begun > _LONGEST_START:
                slow = "the API" if self._health.exists() else "the worker"
                raise NotHealthy(f"{slow} was not ready within {_LONGEST_START:.0f} s: see its lines above", code=1)
            time.sleep(0.1)

    def _greet(self, secrets: Secrets, seconds: float) -> None:
        url = base_url(self._address.host, self._address.port)
        token = tokens.issue(secrets.jwt, self._settings.jwt_algorithm)
        say = self._console.line
        say()
        self._console.title(f"Postrider is ready after {seconds:.1f} s. Ctrl-C ends it; its data stays.")
        say(f"  URL        {url}")
        say(f"  Dashboard  {url}/dashboard: `{called()} dashboard` prints a link that signs in, or take the token")
        say(f"  Docs       {url}/docs")
        say(f"  Token      {token}")
        say("  Webhooks of providers (Stripe, GitHub, …) arrive at sources: docs/how-to/receive-webhooks.md")
        say("  Beside it, give other commands the same POSTRIDER_LISTEN_ADDRESS and POSTRIDER_DATA_DIR, if set.")
        say()
        self._console.title("An application and a first message, with curl:")
        say(curl_example(url, token))
        say()
        self._console.title("A message on its way to a receiver and back, with Python:")
        say(python_example(url, token))
        say()

    def _watch(self) -> None:
        """A minute of it."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            time.sleep(0.2)
            self._signals.check()
            self._supervisor.check()
        _bound_logs(self._logs)


def called() -> str:
    """The program as this process was started, which need not be where the shell looks for it."""
    return sys.argv[0] if Path(sys.argv[0]).name == _PROGRAM else _PROGRAM


def answers(host: str, port: int) -> bool:
    """Whether the API answers a ping."""
    request = f"GET /api/v1/health/ping HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    try:
        with socket.create_connection((_reachable(host), port), timeout=2.0) as connection:
            connection.sendall(request)
            return connection.recv(12).startswith((b"HTTP/1.1 200", b"HTTP/1.1 204"))
    except OSError:
        return False


def redis_answers(dsn: str) -> bool:
    """Whether a Redis server answers there now."""
    client = Redis.from_url(dsn, socket_timeout=2.0, socket_connect_timeout=2.0, retry=Retry(NoBackoff(), 0))
    try:
        with client:
            return client.ping() is True
    except (RedisError, OSError):
        return False


def base_url(host: str, port: int) -> str:
    """The address for a person on this machine."""
    reachable = _reachable(host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - to connect to, not to bind


def _bound_logs(logs: Mapping[str, Path]) -> None:
    """The servers append, so a log can be cut to nothing under them; the part before stays beside it."""
    for log in logs.values():
        if log.exists() and log.stat().st_size > _LARGEST_LOG:
            log.with_suffix(".log.1").write_bytes(log.read_bytes())
            os.truncate(log, 0)
