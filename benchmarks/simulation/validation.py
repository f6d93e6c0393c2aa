"""Whether the model agrees with what was measured on the machine that its parameters come from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.simulation.model import Layout, Result, Traffic, simulate
from benchmarks.simulation.parameters import Observed, Parameters

# Of the measured figure. A median time has more in it than the model knows: the scheduler, timers of whole
# milliseconds, the garbage collector. Of p99 nothing is claimed.
RATE_MARGIN: Final = 0.20
CPU_MARGIN: Final = 0.25
TIME_MARGIN: Final = 0.45
CORES: Final = 2
_LONGEST_SECONDS: Final = 120.0
# At a steady rate below what is full, more of the same says nothing new.
_MOST_STEADY: Final = 2000


def replay(observed: Observed, parameters: Parameters, cores: int) -> Result:
    """The load as the model sees it: everything on one machine with so many cores."""
    traffic = Traffic(
        rate=observed.rate,
        connections=observed.connections,
        endpoints=observed.endpoints,
        one_shard=True,
        even=True,
        messages=min(observed.messages, _MOST_STEADY) if observed.rate else observed.messages,
        seconds=_LONGEST_SECONDS,
    )
    return simulate(Layout(shared_cores=cores), traffic, parameters)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure of one load, measured and simulated."""

    load: str
    figure: str
    unit: str
    measured: float
    simulated: float
    margin: float

    @property
    def error(self) -> float:
        """How much more the model says, as a share of what was measured."""
        return self.simulated / self.measured - 1

    @property
    def agrees(self) -> bool:
        return abs(self.error) <= self.margin


def comparisons(parameters: Parameters, observed: Sequence[Observed]) -> Iterator[Comparison]:
    """Everything that the model claims, of each load."""
    for load in observed:
        result = replay(load, parameters, CORES)
        messages = result.delivered / load.endpoints
        yield Comparison(load.name, "accepted", "/s", load.accepted_per_s, result.accepted, RATE_MARGIN)
        yield Comparison(load.name, "delivered", "/s", load.delivered_per_s, result.delivered, RATE_MARGIN)
        for figure, measured, cores in (
            ("API", load.api_us, result.api),
            ("worker", load.worker_us, result.workers),
            ("Postgres", load.postgres_us, result.postgres),
        ):
            yield Comparison(load.name, f"{figure}, CPU a message", "µs", measured, cores / messages * 1e6, CPU_MARGIN)
        if load.rate:
            # Without a rate the time is that of the queue in front of whatever is full, and is no property of hops.
            yield Comparison(load.name, "end to end, p50", "ms", load.p50_ms, result.p50 * 1e3, TIME_MARGIN)
