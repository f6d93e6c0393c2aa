"""Whether the event loop has any time to spare: if not, more connections would only make each of them slower."""

import contextlib
import os
import time
from time import perf_counter_ns
from typing import Final

_WINDOW_NS: Final = 20_000_000
_FULL: Final = 0.85
"""The share of time from which on a thread that runs, or waits for a core, counts as never at rest."""
# The calling thread's: nanoseconds on a core, nanoseconds of waiting for one, switches (Linux,
# Documentation/scheduler/sched-stats.rst).
_SCHEDSTAT: Final = "/proc/thread-self/schedstat"


class Saturation:
    """Of the thread that it is made in, over the last moments. Looking costs a few microseconds, 50 times a second."""

    def __init__(self) -> None:
        self._file: int | None = None
        with contextlib.suppress(OSError):
            self._file = os.open(_SCHEDSTAT, os.O_RDONLY | os.O_CLOEXEC)
        self._looked_at = perf_counter_ns()
        self._demand = self._demand_ns()
        self._is_full = False

    def is_full(self) -> bool:
        now = perf_counter_ns()
        passed = now - self._looked_at
        if passed >= _WINDOW_NS:
            demand = self._demand_ns()
            self._is_full = demand - self._demand >= _FULL * passed
            self._looked_at, self._demand = now, demand
        return self._is_full

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _demand_ns(self) -> int:
        """How long the thread has run or wanted to; where the system does not tell, how long it has run."""
        if self._file is None:
            return time.thread_time_ns()
        running, waiting, _ = os.pread(self._file, 128, 0).split()
        return int(running) + int(waiting)
