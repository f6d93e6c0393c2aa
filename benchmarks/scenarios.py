"""What can be measured, by name, and how: the loads on one throw-away server, everything else on one of its own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import uvloop

from benchmarks import statements
from benchmarks.backlog import Backlog, measure_backlog
from benchmarks.floor import Price, measure_floor
from benchmarks.growth import Size, measure_growth
from benchmarks.load import Load
from benchmarks.machine import Machine, describe
from benchmarks.neighbours import DEFAULT_ROWS as NEIGHBOUR_ROWS
from benchmarks.neighbours import Neighbours, measure_neighbours
from benchmarks.run import Figures, RunError, Target, measure
from benchmarks.servers import ThrowAway
from benchmarks.statements import Statement
from benchmarks.tally import Tally

WARM_UP = Load("warm-up", 200, 16)
DEFAULT = ("one", "five", "steady-600", "steady-300", "slow", "inbound", "inbound-600")
QUICK_ENOUGH = (*DEFAULT, "two-workers", "keys", "floor", "backlog", "neighbours")
"""`all`: what ends within ten minutes. Growth takes longer, and so is only measured when it is named."""
ALL = (*QUICK_ENOUGH, "growth")
# Many endpoints, because an endpoint belongs to one worker.
_SPREAD = Load("", 10_000, 64, endpoints=2, applications=20)

# The same load without and with idempotency keys, in turns: how fast the machine is differs from minute to minute.
_TURNS = 4

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one scenario came to; which parts are there depends on the scenario."""

    scenario: str
    machine: Machine
    runs: Sequence[Figures] = ()
    backlog: Backlog | None = None
    neighbours: Neighbours | None = None
    growth: Sequence[Size] = ()
    floor: Sequence[Price] = ()
    statements: Sequence[Statement] = ()

    @property
    def all_runs(self) -> list[Figures]:
        """Every load that was run for it."""
        beside = [self.backlog.idle, self.backlog.meanwhile] if self.backlog else []
        if self.neighbours:
            beside += [self.neighbours.alone, self.neighbours.taken, self.neighbours.hanging]
        return [*self.runs, *beside, *(load for size in self.growth for load in size.loads)]

    @property
    def ratio_with_keys(self) -> float | None:
        """Of the median rates of delivery, with idempotency keys and without; None if not both were measured."""
        rates = {keyed: [run.delivered_per_s for run in self.runs if run.load.idempotent == keyed] for keyed in (0, 1)}
        return round(median(rates[1]) / median(rates[0]), 3) if rates[0] and rates[1] else None

    @property
    def holds(self) -> bool:
        """Nothing is missing, wrong, refused or unexplained in any load."""
        return all(run.holds for run in self.all_runs)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured. `target` is a running server to use for the loads, instead of a throw-away one."""

    names: Sequence[str]
    loads: Mapping[str, Load]
    log: Path
    backlog_rows: int
    sizes: Sequence[int]
    target: Target | None = None


def measure_all(plan: Plan, progress: Progress) -> Iterator[Outcome]:
    """Each scenario in turn. RunError or CannotRun if a server or a run cannot be started."""
    loads = [name for name in plan.names if name in plan.loads]
    if loads:
        yield from _measure_loads(plan, loads, progress)
    others: dict[str, Callable[[ThrowAway, Machine], Outcome]] = {
        "two-workers": lambda server, machine: _two_workers(server, machine, progress),
        "keys": lambda server, machine: _keys(server, machine, plan.loads["one"], progress),
        "floor": lambda server, machine: _floor(server, machine, plan.loads["one"], progress),
        "backlog": lambda server, machine: Outcome(
            "backlog",
            machine,
            backlog=uvloop.run(measure_backlog(server.target, server.redis_dsn, plan.backlog_rows, progress)),
        ),
        "neighbours": lambda server, machine: Outcome(
            "neighbours",
            machine,
            neighbours=uvloop.run(measure_neighbours(server.target, NEIGHBOUR_ROWS, progress)),
        ),
        "growth": lambda server, machine: Outcome(
            "growth", machine, growth=measure_growth(server.target, plan.sizes, progress)
        ),
    }
    for name in plan.names:
        if name in others:
            progress(f"{name}: starting a throw-away Postrider")
            with ThrowAway(plan.log) as server:
                machine = uvloop.run(describe(server.target.dsn, server.folder))
                uvloop.run(measure(WARM_UP, server.target))
                yield others[name](server, machine)


def _measure_loads(plan: Plan, names: Sequence[str], progress: Progress) -> Iterator[Outcome]:
    with ExitStack() as stack:
        target = plan.target
        if target is None:
            progress("starting a throw-away Postrider")
            retries = any(plan.loads[name].fail for name in names)
            server = stack.enter_context(ThrowAway(plan.log, retries=retries))
            target, machine = server.target, uvloop.run(describe(server.target.dsn, server.folder))
        else:
            machine = uvloop.run(describe())
        progress("warming up")
        warm_up = uvloop.run(measure(WARM_UP, target))
        if not warm_up.holds:
            yield Outcome("warm-up", machine, [warm_up])
            return
        for name in names:
            yield Outcome(name, machine, [_run(plan.loads[name], target, progress)])


def _run(load: Load, target: Target, progress: Progress) -> Figures:
    def show(tally: Tally) -> None:
        progress(
            f"{load.name}: {tally.accepted:,} of {tally.messages:,} accepted, "
            f"{tally.delivered:,} of {tally.pairs:,} delivered"
        )

    progress(load.name)
    return uvloop.run(measure(load, target, show))


def _two_workers(server: ThrowAway, machine: Machine, progress: Progress) -> Outcome:
    """The same load with one worker process and with two."""
    one = _run(replace(_SPREAD, name="1 worker"), server.target, progress)
    server.add_worker()
    uvloop.run(measure(replace(_SPREAD, messages=2_000), server.target))
    return Outcome("two-workers", machine, [one, _run(replace(_SPREAD, name="2 workers"), server.target, progress)])


def _keys(server: ThrowAway, machine: Machine, load: Load, progress: Progress) -> Outcome:
    """The same load without idempotency keys and with one for each message, in turns."""
    plain = replace(load, name="without keys", idempotent=False)
    keyed = replace(load, name="with keys", idempotent=True)
    return Outcome("keys", machine, [_run(each, server.target, progress) for each in (plain, keyed) * _TURNS])


def _floor(server: ThrowAway, machine: Machine, load: Load, progress: Progress) -> Outcome:
    """The machine's prices, and what Postgres does for each message of a load."""
    if server.target.dsn is None:
        raise RunError("the floor can only be measured on a throw-away server: leave --url out")
    progress("floor: the machine's prices")
    prices = measure_floor(server.target.dsn, server.folder)
    server.preload(statements.LIBRARY)
    uvloop.run(measure(WARM_UP, server.target))
    uvloop.run(statements.reset(server.target.dsn))
    figures = _run(replace(load, name="1 endpoint, statements counted"), server.target, progress)
    counted = uvloop.run(statements.counted(server.target.dsn, load.messages))
    return Outcome("floor", machine, [figures], floor=prices, statements=counted)
