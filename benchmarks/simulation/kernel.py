"""The kernel of the simulation: a clock with events, machines with cores, and the threads that share them."""

import heapq
from collections import deque
from collections.abc import Callable
from typing import Final

Then = Callable[[], None]

# What Linux lets a thread run while another one waits for its core (EEVDF's base slice on small machines).
_SLICE_SECONDS: Final = 0.003


class Clock:
    """Time, in seconds from 0, goes from event to event."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Then]] = []
        self._number = 0

    def after(self, seconds: float, then: Then) -> None:
        """Call `then` so many seconds from now; events of one moment happen in the order they were asked for."""
        self._number += 1
        heapq.heappush(self._events, (self.now + seconds, self._number, then))

    def run(self, until: float, ended: Callable[[], bool]) -> None:
        """Let time pass until that second, until `ended()`, or until nothing is left to happen."""
        while self._events and not ended():
            at, _, then = heapq.heappop(self._events)
            if at > until:
                self.now = until
                return
            self.now = at
            then()


class Machine:
    """So many cores; whoever is ready and has none waits in line."""

    def __init__(self, clock: Clock, cores: int) -> None:
        self.clock = clock
        self.cores = cores
        self._free = cores
        self._ready: deque[Thread] = deque()

    def ready(self, thread: "Thread") -> None:
        """The thread wants to run."""
        if self._free:
            self._free -= 1
            self._run(thread, 0.0)
        else:
            self._ready.append(thread)

    def _run(self, thread: "Thread", had: float) -> None:
        """The thread has a core, for `had` seconds already."""
        seconds = min(thread.left(), _SLICE_SECONDS)
        self.clock.after(seconds, lambda: self._ran(thread, seconds, had + seconds))

    def _ran(self, thread: "Thread", seconds: float, had: float) -> None:
        thread.used += seconds
        thread.advance(seconds)
        if not thread.is_idle and (not self._ready or had < _SLICE_SECONDS):
            self._run(thread, had if self._ready else 0.0)
            return
        if not thread.is_idle:
            self._ready.append(thread)
        if self._ready:
            self._run(self._ready.popleft(), 0.0)
        else:
            self._free += 1


class Thread:
    """What does one thing after another: an event loop, or a Postgres backend."""

    def __init__(self, machine: Machine, wake: float = 0.0) -> None:
        """`wake`: seconds of CPU that it costs to begin again after there was nothing to do."""
        self.machine = machine
        self.used = 0.0
        """Seconds of CPU, in all."""
        self._wake = wake
        self._work: deque[tuple[float, Then]] = deque()
        self._left = 0.0

    @property
    def is_idle(self) -> bool:
        return not self._work

    def do(self, seconds: float, then: Then) -> None:
        """Work for so many seconds of CPU once what was asked for before is done; then call `then`."""
        self._work.append((seconds, then))
        if len(self._work) == 1:
            self._left = seconds + self._wake
            self.machine.ready(self)

    def left(self) -> float:
        """Seconds of CPU that what it does now still takes."""
        return self._left

    def advance(self, seconds: float) -> None:
        """So many seconds have been worked."""
        self._left -= seconds
        if self._left > 1e-12:
            return
        _, then = self._work[0]
        # Called before it is taken away: a thread that gives itself more to do was not idle in between.
        then()
        self._work.popleft()
        if self._work:
            self._left = self._work[0][0]


class Disk:
    """A write-ahead log: one flush at a time, which takes along whoever asked before it began."""

    def __init__(self, clock: Clock, flush: Callable[[], float], bytes_per_second: float) -> None:
        self._clock = clock
        self._flush = flush
        self._bytes_per_second = bytes_per_second
        self._waiting: list[tuple[float, Then]] = []
        self._busy = False
        self.flushes = 0
        self.written = 0.0
        self.busy_for = 0.0

    def commit(self, size: float, then: Then) -> None:
        """Call `then` once `size` more bytes are on the disk."""
        self._waiting.append((size, then))
        if not self._busy:
            self._begin()

    def _begin(self) -> None:
        self._busy = True
        taken, self._waiting = self._waiting, []
        size = sum(part for part, _ in taken)
        seconds = self._flush() + size / self._bytes_per_second
        self.flushes += 1
        self.written += size
        self.busy_for += seconds
        self._clock.after(seconds, lambda: self._end(taken))

    def _end(self, taken: list[tuple[float, Then]]) -> None:
        self._busy = False
        if self._waiting:
            self._begin()
        for _, then in taken:
            then()
