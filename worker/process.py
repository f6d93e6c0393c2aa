"""The name of this worker process, and whether the process behind a name is certainly dead.

A name says where a process runs and when it began, so that another process with its number, in another container, on
another machine or later, is never taken for it. Where the system does not tell enough (not Linux), nobody is certainly
dead, and leases run out.
"""

import os
import socket
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_FIELDS: Final = 5
# Fields of /proc/<pid>/stat after the command, which ends with the last parenthesis (proc_pid_stat(5)).
_STATE, _THREADS, _STARTED = 0, 17, 19
_ENDED: Final = frozenset("ZXx")


def own_name() -> str:
    """A name that no other process has, or ever had: host, number, random, start, and the world that these mean."""
    started = _started(os.getpid()) or ""
    return ":".join([socket.gethostname(), str(os.getpid()), os.urandom(4).hex(), started, _world()])


def is_certainly_dead(name: str) -> bool:
    """Whether the process of that name ran on this machine, where this one can see it, and does not any more.

    A process that is stopped (SIGSTOP) is alive.
    """
    parts = name.split(":")
    world = _world()
    if len(parts) != _FIELDS or not parts[1].isdigit() or not parts[3] or not world or parts[4] != world:
        return False
    pid, started = int(parts[1]), parts[3]
    try:
        # Says so even where /proc hides the processes of others.
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass
    now = _started(pid)
    return now == "" or (now is not None and now != started)


def _started(pid: int) -> str | None:
    """When a process began, in ticks since the machine did; empty if it has ended; None if that cannot be told."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    # One that was not waited for yet; its last threads may still be ending.
    if fields[_STATE] in _ENDED and int(fields[_THREADS]) <= 1:
        return ""
    return fields[_STARTED]


def _world() -> str:
    """This start of this machine, and the namespaces that a process's number and start are told in; empty if unknown.

    The number of a namespace is given out again only after all that was in it has ended.
    """
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        pids = (_PROC / "self/ns/pid").stat().st_ino
    except OSError:
        return ""
    times = _PROC / "self/ns/time"  # Since Linux 5.6.
    return f"{boot}/{pids}/{times.stat().st_ino if times.exists() else 0}"
