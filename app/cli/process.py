"""Operating-system facts that running child processes needs: who dies with whom, who runs as whom, who holds what."""

import ctypes
import errno
import fcntl
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

_LINUX: Final = sys.platform.startswith("linux")
# Loaded before any fork: between fork and exec a child must not import or allocate more than it has to.
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG: Final = 1  # prctl(2)
_CLONE_NEWUSER: Final = 0x10000000  # unshare(2)


class CannotRun(Exception):
    """Something forbids to start, or to go on. The text says what, and what to do about it.

    `code` is the exit code: 78 (EX_CONFIG of sysexits(3)) if it is a setting or the machine, 75 if trying again later
    may help, 1 if a process of ours failed.
    """

    def __init__(self, text: str, *, code: int = 78) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose rights a child has: ours, or, because Postgres refuses root, another user's.

    `user` and `group` are numeric ids to switch to. `namespace` keeps our rights on files, but gives the child a user
    namespace in which its id is not 0 and in which it has no capabilities.
    """

    user: int | None = None
    group: int | None = None
    namespace: bool = False


OURSELVES: Final = Identity()


def unprivileged() -> Identity:
    """The identity for a server that refuses to run as root: `nobody` for root, ourselves for anyone else."""
    if os.geteuid() != 0:
        return OURSELVES
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        return Identity(65534, 65534)
    return Identity(nobody.pw_uid, nobody.pw_gid)


def namespaces_work() -> bool:
    """Whether a child can be given a user namespace here; containers often forbid it."""
    if not _LINUX:
        return False
    try:
        return spawn(["/bin/true"], identity=Identity(namespace=True), cwd=Path("/")).wait(timeout=5) == 0
    except (OSError, subprocess.SubprocessError):
        return False


def first_closed_folder(path: Path, identity: Identity) -> Path | None:
    """The outermost folder on the way to a path (itself included, if it is a folder) that the identity cannot enter."""
    if identity.user is None:
        return None
    real = path.resolve()
    for folder in [*reversed(real.parents), real]:
        if not folder.is_dir():
            break
        status = folder.stat()
        if status.st_uid == identity.user:
            allowed = status.st_mode & 0o100
        elif status.st_gid == identity.group:
            allowed = status.st_mode & 0o010
        else:
            allowed = status.st_mode & 0o001
        if not allowed:
            return folder
    return None


def spawn(
    command: Sequence[str | Path],
    *,
    stop_signal: signal.Signals = signal.SIGTERM,
    identity: Identity = OURSELVES,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    output: IO[bytes] | int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own that gets `stop_signal` when the thread that called this dies.

    `output` receives its stdout and stderr. OSError or subprocess.SubprocessError if it cannot be started.
    """
    return subprocess.Popen(  # noqa: S603 - no shell, and callers pass programs of ours
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        env=None if environment is None else dict(environment),
        cwd=cwd,
        # Ctrl-C on a terminal reaches us only; the order in which children end is ours to decide.
        start_new_session=True,
        user=identity.user,
        group=identity.group,
        extra_groups=None if identity.user is None else [],
        preexec_fn=_before_exec(stop_signal, identity, os.getpid()),
    )


def _before_exec(stop_signal: signal.Signals, identity: Identity, parent: int) -> Callable[[], None]:
    def prepare() -> None:
        # What `make &` or nohup ignore would be ignored by the child too, and it could not be stopped.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        if not _LINUX:
            return
        if identity.namespace:
            _enter_user_namespace()
        # A change of user clears this, so it comes last.
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(stop_signal), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return prepare


def _enter_user_namespace() -> None:
    user, group = os.geteuid(), os.getegid()
    if _LIBC.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"65534 {user} 1"), ("gid_map", f"65534 {group} 1")):
        descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY)
        os.write(descriptor, text.encode())
        os.close(descriptor)


def stop(process: subprocess.Popen[bytes], signals: Sequence[tuple[signal.Signals, float]]) -> int:
    """End a child: send each signal in turn, wait its seconds, and SIGKILL at last. Its return code."""
    for number, seconds in signals:
        if process.poll() is not None:
            break
        process.send_signal(number)
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
    if process.poll() is None:
        process.kill()
    return process.wait()


def command_line(pid: int) -> list[str]:
    """The arguments of a running process; empty if there is none of that pid, or if it is a zombie."""
    if _LINUX:
        try:
            raw = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return []
        return [part.decode(errors="replace") for part in raw.split(b"\0") if part]
    shown = subprocess.run(  # noqa: S603 - no shell, and the only variable is a number
        ["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout.split()


def end_orphan(pid: int, number: signal.Signals, is_ours: Callable[[list[str]], bool], seconds: float = 30.0) -> None:
    """End a process that an earlier run left behind, and wait for it; nothing if the pid is another's by now."""
    deadline = time.monotonic() + seconds
    asked = False
    while is_ours(command_line(pid)):
        if not asked:
            os.kill(pid, number)
            asked = True
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            deadline = time.monotonic() + seconds
        time.sleep(0.05)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class FolderLock:
    """An exclusive lock on a folder, held until `release()` or the death of this process; it names its holder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / ".lock"
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """CannotRun if another process holds it, or if the folder cannot be written."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o711)
            file = self._path.open("a+")
        except OSError as error:
            raise CannotRun(
                f"the folder {self._path.parent} cannot be written ({error.strerror}): "
                "make it writable, or set POSTRIDER_DATA_DIR to another one"
            ) from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            raise CannotRun(
                f"the folder {self._path.parent} is in use by process {holder}: "
                "stop that one, or set POSTRIDER_DATA_DIR to another folder"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file

    def release(self) -> None:
        if self._file is not None:
            self._file.truncate(0)
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
