"""A backlog: what waits for receivers that are slow or dead, how much memory it takes, and whether others notice."""

import asyncio
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import perf_counter
from typing import cast

import psutil
from redis import Redis

from benchmarks.filling import Filling
from benchmarks.listener import ACCEPTED, Headers, Listener
from benchmarks.load import Load
from benchmarks.processes import find, proportional_memory
from benchmarks.run import Figures, Target, measure, prepare

DEFAULT_ROWS = 1_000_000
_ENDPOINTS = 2
"""One answers after _SLOW seconds, the other never."""
_SLOW = 0.5
_STEADY = Load("others: steady 300/s", 3_000, 16, rate=300.0)
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Sample:
    """Memory at one moment, in MiB. PSS: what several processes share counts once."""

    seconds: float
    rows: int
    """That wait, in the backlog."""
    api_mib: float
    worker_mib: float
    redis_mib: float
    """`used_memory`, as the server counts it."""


@dataclass(frozen=True, slots=True)
class Backlog:
    rows: int
    samples: Sequence[Sample]
    delivered: int
    """Of the backlog, while it was watched."""
    idle: Figures
    """The load of another application, before there was a backlog."""
    meanwhile: Figures
    """The same load again, with the backlog."""

    @property
    def most_mib(self) -> float:
        """Of API and worker together."""
        return max(sample.api_mib + sample.worker_mib for sample in self.samples)

    @property
    def most_redis_mib(self) -> float:
        return max(sample.redis_mib for sample in self.samples)

    @property
    def holds(self) -> bool:
        return self.idle.holds and self.meanwhile.holds


class Sluggish(Listener):
    """The receiver of the backlog: `/0` is slow, everything else hangs."""

    def __init__(self) -> None:
        super().__init__(_SLOW)
        self.accepted = 0

    def answer(self, path: bytes, headers: Headers, body: bytes) -> bytes:
        if path != b"/0":
            return b""
        self.accepted += 1
        return ACCEPTED


class Scales:
    """Weighs API, worker and Redis each second."""

    def __init__(self, target: Target, redis_dsn: str, receiver: Sluggish) -> None:
        self.samples: list[Sample] = []
        self.written = 0
        self._receiver = receiver
        self._redis = Redis.from_url(redis_dsn)
        self._roles: dict[str, list[psutil.Process]] = {
            role: [process for pid in target.pids for process in find(pid, role)] for role in ("api", "worker")
        }
        self._begun = perf_counter()

    def weigh(self) -> None:
        memory = cast("dict[str, int]", self._redis.info("memory"))
        mib = {role: proportional_memory(processes) / _MIB for role, processes in self._roles.items()}
        self.samples.append(
            Sample(
                round(perf_counter() - self._begun, 1),
                self.written - self._receiver.accepted,
                round(mib["api"], 1),
                round(mib["worker"], 1),
                round(memory["used_memory"] / _MIB, 2),
            )
        )

    async def weigh_each_second(self) -> None:
        while True:
            self.weigh()
            await asyncio.sleep(1.0)

    @contextmanager
    def weighing(self) -> Iterator[None]:
        task = asyncio.get_running_loop().create_task(self.weigh_each_second())
        try:
            yield
        finally:
            task.cancel()
            self.weigh()
            self._redis.close()


async def measure_backlog(target: Target, redis_dsn: str, rows: int, progress: Callable[[str], None]) -> Backlog:
    """Lets `rows` deliveries be due, at endpoints that cannot take them. RunError if it cannot be set up."""
    assert target.dsn is not None
    progress("the load of others, without a backlog")
    idle = await measure(replace(_STEADY, name=f"{_STEADY.name}, no backlog"), target)
    receiver = Sluggish()
    address = await receiver.start()
    try:
        keys = [secrets.token_bytes(24) for _ in range(_ENDPOINTS)]
        load = Load("backlog", 1, 1, endpoints=_ENDPOINTS)
        filling = Filling(target.dsn)
        await filling.begin(await prepare(target, load, address, keys))
        scales = Scales(target, redis_dsn, receiver)

        def written(count: int) -> None:
            scales.written = count
            progress(f"filling the backlog: {count:,} of {rows:,}")

        with scales.weighing():
            await filling.add_backlog(rows, written)
            progress(f"the load of others, beside {rows:,} due deliveries")
            meanwhile = await measure(replace(_STEADY, name=f"{_STEADY.name}, {rows:,} due", messages=9_000), target)
        return Backlog(rows, scales.samples, receiver.accepted, idle, meanwhile)
    finally:
        await receiver.stop()
