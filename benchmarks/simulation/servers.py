"""What the processes share, simulated: a Postgres server, and the group commit."""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log
from typing import Final, Generic, TypeVar

from benchmarks.simulation.kernel import Clock, Disk, Machine, Then, Thread
from benchmarks.simulation.parameters import Parameters

ItemT = TypeVar("ItemT")

# Of the standard normal distribution: 99 % lie below.
_Z99: Final = 2.326
# app/db/group_commit.py.
MOST: Final = 500
LANES: Final = 2


def log_normal(rng: random.Random, median: float, p99: float) -> Callable[[], float]:
    """Draws times of which half are below `median` and 99 % below `p99`."""
    mean, spread = log(median), log(p99 / median) / _Z99
    return lambda: exp(rng.gauss(mean, spread))


@dataclass(frozen=True, slots=True)
class Statement:
    """What one costs Postgres: seconds of CPU, and bytes of WAL that must be on the disk before it is committed."""

    cpu: float
    wal: float = 0.0


class Server:
    """Postgres: backends on a machine's cores, and one write-ahead log."""

    def __init__(self, clock: Clock, machine: Machine, parameters: Parameters, rng: random.Random) -> None:
        self.machine = machine
        self.log = Disk(
            clock,
            log_normal(rng, parameters.flush_median, parameters.flush_p99),
            parameters.disk_bytes_per_second,
        )
        self.backends: list[Thread] = []
        self.statements = 0
        # Checkpointer, autovacuum and writers: a share of what the statements cost, on a core of its own.
        self._background = Thread(machine)
        self._share = parameters.postgres_background

    @property
    def used(self) -> float:
        """Seconds of CPU of all of its processes."""
        return self._background.used + sum(backend.used for backend in self.backends)

    def run(self, backend: Thread, statement: Statement, then: Then) -> None:
        """Run a statement on a connection's backend, which is free; call `then` once it is committed."""
        self.statements += 1
        if statement.wal:
            self._background.do(statement.cpu * self._share, _nothing)
            backend.do(statement.cpu, lambda: self.log.commit(statement.wal, then))
        else:
            backend.do(statement.cpu, then)


class Pool:
    """The connections of one process, and the way to the server."""

    def __init__(self, clock: Clock, server: Server, size: int, network: float) -> None:
        """`network`: seconds one way."""
        self._clock = clock
        self._server = server
        self._network = network
        self._free = [Thread(server.machine) for _ in range(size)]
        self._waiting: deque[tuple[Statement, Then]] = deque()
        server.backends += self._free

    def execute(self, statement: Statement, then: Then) -> None:
        """Call `then` when the answer is back. Waits for a free connection."""
        if not self._free:
            self._waiting.append((statement, then))
            return
        backend = self._free.pop()
        self._clock.after(
            self._network,
            lambda: self._server.run(
                backend, statement, lambda: self._clock.after(self._network, lambda: self._done(backend, then))
            ),
        )

    def _done(self, backend: Thread, then: Then) -> None:
        self._free.append(backend)
        if self._waiting:
            self.execute(*self._waiting.popleft())
        then()


class Group(Generic[ItemT]):
    """app/db/group_commit.py: what arrives while a batch is on its way makes up the next one."""

    def __init__(
        self,
        clock: Clock,
        thread: Thread,
        write: Callable[[list[ItemT], Then], None],
        gather: float = 0.0,
        lanes: int = LANES,
    ) -> None:
        self._clock = clock
        self._thread = thread
        self._write = write
        self._gather = gather
        self._lanes = lanes
        self._items: list[ItemT] = []
        self._scheduled = False
        self.batches = 0

    def put(self, item: ItemT) -> None:
        self._items.append(item)
        if not self._scheduled and self._lanes:
            self._scheduled = True
            if self._gather:
                self._clock.after(self._gather, self._start)
            else:
                # At the end of this turn of the loop: behind what it has to do already.
                self._thread.do(0.0, self._start)

    def _start(self) -> None:
        self._scheduled = False
        if not self._items or not self._lanes:
            return
        batch, self._items = self._items[:MOST], self._items[MOST:]
        self._lanes -= 1
        self.batches += 1
        self._write(batch, self._ended)

    def _ended(self) -> None:
        self._lanes += 1
        self._start()


def _nothing() -> None:
    """The work itself was what mattered."""
