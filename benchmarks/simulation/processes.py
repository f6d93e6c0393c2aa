"""An API process and a worker process, simulated: what each hop costs whom, and who waits for what."""

import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from app.doorbell import INTERVAL_SECONDS
from benchmarks.simulation.kernel import Clock, Then, Thread
from benchmarks.simulation.parameters import Parameters
from benchmarks.simulation.servers import Group, Pool, Statement

# Of an API request's CPU, what comes before the commit (read, authenticate, validate); the answer is the rest.
_BEFORE_COMMIT: Final = 0.75
# Of a delivery's CPU, what comes before the request is written (claim, sign, write); the outcome is the rest.
_BEFORE_SEND: Final = 0.6
# Of a statement's CPU in the process that asks for it, what comes before it is sent (encoding its columns).
_BEFORE_STATEMENT: Final = 0.5
# worker/drain.py, worker/sender.py; defaults of app/settings.py.
_OVERLAP_SECONDS: Final = 0.03
_SHORTEST_PAUSE: Final = 0.002
_LONGEST_PAUSE: Final = 0.02
_GATHER_SECONDS: Final = 0.004
MOST_IN_FLIGHT: Final = 2000
# Half of POSTRIDER_DB_POOL_MAX_SIZE: the half of the hot path.
POOL: Final = 10


class Message:
    """One message: when it was posted, which endpoints want it (each belongs to a worker), what hears of its 202."""

    __slots__ = ("accepted", "posted_at", "targets")

    def __init__(self, posted_at: float, targets: Sequence["Worker"], accepted: Then) -> None:
        self.posted_at = posted_at
        self.targets = targets
        self.accepted = accepted


# Takes a message when it was sent, and what to call with the receiver's answer.
Receiver = Callable[[Message, Then], None]


class Api:
    """One API process: hops 1 to 3."""

    def __init__(
        self,
        clock: Clock,
        thread: Thread,
        pool: Pool,
        parameters: Parameters,
        ring: Callable[[], None],
        lanes: int,
        gather: float,
    ) -> None:
        self._clock = clock
        self.thread = thread
        self._pool = pool
        self._p = parameters
        self._ring = ring
        self._ringing = False
        self._rung = False
        self.group: Group[Message] = Group(clock, thread, self._write, gather, lanes)

    def post(self, message: Message) -> None:
        """A request has arrived."""
        self.thread.do(self._p.api_request * _BEFORE_COMMIT, lambda: self.group.put(message))

    def _write(self, batch: list[Message], ended: Then) -> None:
        p, size = self._p, len(batch)
        rows = sum(len(message.targets) for message in batch)
        more = rows - size
        statement = Statement(
            p.postgres_publish.of(size) + p.postgres_fan_out * more, p.wal_publish.of(size) + p.wal_fan_out * more
        )
        caller = p.api_publish.of(size)

        def committed() -> None:
            # Due from here on, while the answers are still being written.
            for message in batch:
                for worker in message.targets:
                    worker.due.append(message)
            self.thread.do(caller * (1 - _BEFORE_STATEMENT), answer)

        def answer() -> None:
            ended()
            for message in batch:
                self.thread.do(p.api_request * (1 - _BEFORE_COMMIT), message.accepted)
            self._rung = True
            if not self._ringing:
                self._send_ring()

        self.thread.do(caller * _BEFORE_STATEMENT, lambda: self._pool.execute(statement, committed))

    def _send_ring(self) -> None:
        self._ringing, self._rung = True, False
        self.thread.do(self._p.api_ring, self._ring)
        self._clock.after(INTERVAL_SECONDS, self._interval_over)

    def _interval_over(self) -> None:
        self._ringing = False
        if self._rung:
            self._send_ring()


class Worker:
    """One worker process: hops 4 to 6. It owns its shards all the time."""

    def __init__(
        self, clock: Clock, thread: Thread, pool: Pool, parameters: Parameters, shards: int, receiver: Receiver
    ) -> None:
        self._clock = clock
        self.thread = thread
        self._pool = pool
        self._p = parameters
        self._shards = shards
        self._receiver = receiver
        self.due: deque[Message] = deque()
        self.in_flight = 0
        self.readings = 0
        # When rows were claimed of which the next readings see those again that are not recorded yet.
        self._claimed: deque[tuple[float, int]] = deque()
        self._busy_at = 0.0
        self.group: Group[Message] = Group(clock, thread, self._write, _GATHER_SECONDS)
        self.read()

    def ring(self) -> None:
        """A task of the doorbell has come; the shards are ours already."""
        self.thread.do(self._p.worker_ring, _nothing)

    def read(self) -> None:
        """Hop 5: one turn of the drain."""
        self.readings += 1
        started_at = self._clock.now
        count = min(len(self.due), MOST_IN_FLIGHT - self.in_flight)
        taken = [self.due.popleft() for _ in range(count)]
        rows = count + self._seen_again()
        cpu = self._p.postgres_read.of(rows) + self._p.postgres_read_shard * self._shards
        caller = self._p.worker_read.of(rows)
        self._ask(caller, Statement(cpu), lambda: self._fetch(taken, started_at))

    def _seen_again(self) -> int:
        while self._claimed and self._claimed[0][0] < self._clock.now - _OVERLAP_SECONDS:
            self._claimed.popleft()
        return min(self.in_flight, sum(count for _, count in self._claimed))

    def _fetch(self, taken: list[Message], started_at: float) -> None:
        if not taken:
            idle_for = self._clock.now - self._busy_at
            self._clock.after(min(max(idle_for / 8, _SHORTEST_PAUSE), _LONGEST_PAUSE), self.read)
            return
        self._claimed.append((self._clock.now, len(taken)))
        self.in_flight += len(taken)

        def start() -> None:
            for message in taken:
                self._send(message)
            took = self._clock.now - started_at
            self._clock.after(max(_SHORTEST_PAUSE, min(2 * took, _LONGEST_PAUSE)), self.read)

        size = len(taken)
        self._ask(self._p.worker_payloads.of(size), Statement(self._p.postgres_payloads.of(size)), start)

    def _ask(self, caller: float, statement: Statement, then: Then) -> None:
        after = caller * (1 - _BEFORE_STATEMENT)
        self.thread.do(
            caller * _BEFORE_STATEMENT,
            lambda: self._pool.execute(statement, lambda: self.thread.do(after, then)),
        )

    def _send(self, message: Message) -> None:
        cpu = self._p.worker_delivery

        def answered() -> None:
            self.thread.do(cpu * (1 - _BEFORE_SEND), lambda: self.group.put(message))

        self.thread.do(cpu * _BEFORE_SEND, lambda: self._receiver(message, answered))

    def _write(self, batch: list[Message], ended: Then) -> None:
        size = len(batch)
        statement = Statement(self._p.postgres_record.of(size), self._p.wal_record.of(size))

        def recorded() -> None:
            self.in_flight -= size
            self._busy_at = self._clock.now
            ended()

        self._ask(self._p.worker_record.of(size), statement, recorded)


def one_of(workers: Sequence[Worker], rng: random.Random) -> Callable[[], None]:
    """Celery gives a ring to whoever fetches it first."""
    return lambda: rng.choice(workers).ring()


def _nothing() -> None:
    """The work itself was what mattered."""
