"""Neighbours: whether one application's backlog, and endpoints of it that hang, are felt by the others."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter

import asyncpg

from benchmarks.filling import Filling
from benchmarks.listener import ACCEPTED, Headers, Listener
from benchmarks.load import Load
from benchmarks.run import Figures, RunError, Target, measure, prepare

DEFAULT_ROWS = 100_000
HANGING = 10
_ANSWERING = 2
_OTHERS = Load("others: steady 200/s", 3_000, 16, rate=200.0)
_PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The same load of another application: alone, and beside a noisy one."""

    rows: int
    """Due deliveries of the noisy application, at first."""
    alone: Figures
    taken: Figures
    """While two of its endpoints take their part of the backlog, as fast as they get it, and the others hang."""
    hanging: Figures
    """While all that is left of it hangs."""
    taken_per_s: float
    """Deliveries of the backlog, while it was taken."""

    @property
    def ratio_taken(self) -> float:
        """Of the 99th percentiles, end to end."""
        return _ratio(self.taken, self.alone)

    @property
    def ratio_hanging(self) -> float:
        return _ratio(self.hanging, self.alone)

    @property
    def holds(self) -> bool:
        return self.alone.holds and self.taken.holds and self.hanging.holds


class Noisy(Listener):
    """The receiver of the noisy application: `/0` and `/1` answer at once, everything else hangs."""

    def __init__(self) -> None:
        super().__init__()
        self.accepted = 0

    def answer(self, path: bytes, headers: Headers, body: bytes) -> bytes:
        if path not in {b"/%d" % number for number in range(_ANSWERING)}:
            return b""
        self.accepted += 1
        return ACCEPTED


async def measure_neighbours(target: Target, rows: int, progress: Callable[[str], None]) -> Neighbours:
    """Lets `rows` deliveries be due at endpoints of one application. RunError if it cannot be set up."""
    if target.dsn is None:
        raise RunError("neighbours can only be measured on a throw-away server: leave --url out")
    progress("others alone")
    alone = await measure(replace(_OTHERS, name=f"{_OTHERS.name}, alone"), target)
    receiver = Noisy()
    address = await receiver.start()
    try:
        keys = [secrets.token_bytes(24) for _ in range(_ANSWERING + HANGING)]
        noisy = Load("noisy", 1, 1, endpoints=len(keys))
        filling = Filling(target.dsn)
        await filling.begin(await prepare(target, noisy, address, keys))
        await filling.add_backlog(rows, lambda count: progress(f"filling the backlog: {count:,} of {rows:,}"))
        await _settle(target.dsn)
        progress("others beside a backlog that is taken")
        before = receiver.accepted
        taken = await measure(replace(_OTHERS, name=f"{_OTHERS.name}, a backlog is taken"), target)
        rate = (receiver.accepted - before) / (_OTHERS.messages / _OTHERS.rate)
        progress("waiting for the rest of what is taken")
        await _until_taken(receiver, rows)
        progress("others beside endpoints that hang")
        hanging = await measure(replace(_OTHERS, name=f"{_OTHERS.name}, {HANGING} endpoints hang"), target)
        return Neighbours(rows, alone, taken, hanging, round(rate, 1))
    finally:
        await receiver.stop()


async def _settle(dsn: str) -> None:
    """Writing a backlog leaves much to be flushed, which is not what is measured."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("CHECKPOINT", timeout=600)
    finally:
        await connection.close()


async def _until_taken(receiver: Noisy, rows: int) -> None:
    wanted = rows * _ANSWERING // (_ANSWERING + HANGING)
    deadline = perf_counter() + _PATIENCE
    while receiver.accepted < wanted:
        if perf_counter() > deadline:
            raise RunError(f"only {receiver.accepted} of {wanted} were delivered to endpoints that answer: see its log")
        await asyncio.sleep(0.1)


def _ratio(noisy: Figures, alone: Figures) -> float:
    if not noisy.p99_ms or not alone.p99_ms:
        raise RunError("nothing arrived: see the server's log")
    return round(noisy.p99_ms / alone.p99_ms, 2)
