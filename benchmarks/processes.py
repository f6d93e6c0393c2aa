"""What the server's processes use while a run lasts: memory and CPU, by what they do."""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePath
from typing import NamedTuple

import psutil

ROLES = ("api", "worker", "beat", "postgres", "valkey", "supervisor")


def role(command: Sequence[str]) -> str:
    """What a process of `postrider up` does, by its command line; "other" for what is not one of ROLES.

    Postgres and Valkey may rewrite their command line to one text, for example `postgres: checkpointer `.
    """
    if not command or not command[0]:
        return "other"
    program = PurePath(command[0].split()[0]).name.rstrip(":")
    servers = {"postgres": "postgres", "valkey-server": "valkey", "redis-server": "valkey"}
    if program in servers:
        return servers[program]
    names = {PurePath(part).name for part in command}
    if "uvicorn" in names:
        return "api"
    if "celery" in names:
        return next((part for part in command if part in {"worker", "beat"}), "other")
    if "up" in command and names & {"postrider", "app.cli.main"}:
        return "supervisor"
    return "other"


class Memory(NamedTuple):
    """Bytes resident in one process, and the part of them that lies in shared mappings."""

    resident: int
    shared: int


def total_memory(parts: Iterable[Memory]) -> int:
    """Bytes of several processes of one role: each one's private part, and the largest shared part once.

    Summing RSS would count Postgres' shared buffers once for each connection.
    """
    sizes = list(parts)
    return sum(size.resident - size.shared for size in sizes) + max((size.shared for size in sizes), default=0)


@dataclass(frozen=True, slots=True)
class Usage:
    """One role during one run."""

    role: str
    processes: int
    peak_mib: float
    cpu_cores: float
    """CPU time over wall time; 1.0 is one core that was never idle."""
    cpu_seconds: float


class Watch:
    """Follows processes and all that descend from them. Linux tells RSS and its shared part from /proc at little cost.

    The CPU time of a process that ends between two samples is lost from the last one on.
    """

    def __init__(self, *pids: int) -> None:
        self._roots = [psutil.Process(pid) for pid in pids]
        self._peaks: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        self._known: dict[int, tuple[psutil.Process, str]] = {}
        self._before: dict[int, float] = {}
        self._cpu: dict[int, float] = {}

    def begin(self) -> None:
        """Starts a run: forgets peaks, notes the CPU time used until now."""
        self._peaks, self._counts, self._before, self._cpu = {}, {}, {}, {}
        self.sample()
        self._before = dict(self._cpu)

    def sample(self) -> None:
        """Looks at each process once; about 50 microseconds for each."""
        sizes: dict[str, list[Memory]] = {}
        for process in self._members():
            try:
                memory, times = process.memory_info(), process.cpu_times()
            except psutil.Error:
                continue
            name = self._known[process.pid][1]
            sizes.setdefault(name, []).append(Memory(memory.rss, getattr(memory, "shared", 0)))
            self._cpu[process.pid] = times.user + times.system
        for name, parts in sizes.items():
            self._peaks[name] = max(self._peaks.get(name, 0), total_memory(parts))
            self._counts[name] = max(self._counts.get(name, 0), len(parts))

    def end(self, seconds: float) -> list[Usage]:
        """What each role used during the run, which lasted `seconds`."""
        self.sample()
        cpu: dict[str, float] = {}
        for pid, used in self._cpu.items():
            name = self._known[pid][1]
            cpu[name] = cpu.get(name, 0.0) + used - self._before.get(pid, 0.0)
        order = {name: number for number, name in enumerate(ROLES)}
        return [
            Usage(
                name,
                self._counts[name],
                round(peak / 2**20, 1),
                round(cpu.get(name, 0.0) / seconds, 3),
                round(cpu.get(name, 0.0), 3),
            )
            for name, peak in sorted(self._peaks.items(), key=lambda item: order.get(item[0], len(order)))
        ]

    def _members(self) -> list[psutil.Process]:
        found = []
        for root in self._roots:
            with suppress(psutil.Error):
                found += [root, *root.children(recursive=True)]
        for process in found:
            if process.pid not in self._known:
                try:
                    self._known[process.pid] = (process, role(process.cmdline()))
                except psutil.Error:
                    continue
        return [self._known[process.pid][0] for process in found if process.pid in self._known]


def find(pid: int, wanted: str) -> list[psutil.Process]:
    """The processes of one role among those that descend from `pid`."""
    found = []
    for process in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.Error):
            if role(process.cmdline()) == wanted:
                found.append(process)
    return found


def proportional_memory(processes: Iterable[psutil.Process]) -> int:
    """Bytes of several processes together, each shared page counted once (PSS; Linux only). Costs milliseconds."""
    total = 0
    for process in processes:
        with suppress(psutil.Error):
            total += process.memory_full_info().pss
    return total


def supervisor_of(port: int) -> int | None:
    """The pid whose descendants serve `port` on this machine: the listener's parent; None if it cannot be known."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.Error:
        return None
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
            if not connection.pid:
                return None
            parent = psutil.Process(connection.pid).parent()
            is_supervisor = parent is not None and role(parent.cmdline()) == "supervisor"
            return parent.pid if parent is not None and is_supervisor else connection.pid
    return None


def file_system(folder: str) -> str:
    """The kind of file system that holds `folder`, for example ext4; "tmpfs" means that fsync costs nothing."""
    here = os.path.realpath(folder)
    mounts = [part for part in psutil.disk_partitions(all=True) if _holds(part.mountpoint, here)]
    return max(mounts, key=lambda part: len(part.mountpoint)).fstype if mounts else "unknown"


def _holds(mount: str, path: str) -> bool:
    return mount == "/" or path == mount or path.startswith(f"{mount}/")
