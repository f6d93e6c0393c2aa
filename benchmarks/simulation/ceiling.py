"""The most that an installation bears, and what of it is full then."""

from dataclasses import dataclass, replace
from typing import Final

from benchmarks.simulation.model import Layout, Result, simulate
from benchmarks.simulation.parameters import Parameters
from benchmarks.simulation.plan import traffic_of

# It bears a rate if nothing is left behind, and nobody waits for long.
_LONGEST_P99: Final = 0.1
_LEAST_DELIVERED: Final = 0.95
_STEPS: Final = 6


@dataclass(frozen=True, slots=True)
class Ceiling:
    """`rate`: messages per second with one endpoint each."""

    layout: Layout
    rate: float
    full: str
    result: Result


def ceiling(layout: Layout, parameters: Parameters) -> Ceiling:
    """The highest rate that the layout bears, to a few percent, by halving what is not known."""
    low, high = 0.0, _bound(layout, parameters)
    best = simulate(layout, traffic_of(high / 2**_STEPS, 1), parameters)
    for _ in range(_STEPS):
        rate = (low + high) / 2
        result = simulate(layout, traffic_of(rate, 1), parameters)
        if result.p99 < _LONGEST_P99 and result.delivered > _LEAST_DELIVERED * rate:
            low, best = rate, result
        else:
            high = rate
    return Ceiling(layout, low, _fullest(layout, best), best)


def _bound(layout: Layout, parameters: Parameters) -> float:
    """More than it can bear: what its processes could do if they did nothing else."""
    return min(layout.api / parameters.api_request, layout.workers / parameters.worker_delivery)


def _fullest(layout: Layout, result: Result) -> str:
    cores = layout.shared_cores or layout.postgres_cores
    used = result.api + result.workers + result.postgres if layout.shared_cores else result.postgres
    shares = {
        "the API process" if layout.api == 1 else "an API process": result.busiest_api,
        "the worker" if layout.workers == 1 else "a worker": result.busiest_worker,
        "all cores" if layout.shared_cores else "Postgres' cores": used / cores,
    }
    return max(shares, key=lambda name: shares[name])


def on_one_machine(parameters: Parameters, cores: int, api: int, workers: int) -> Layout:
    """Everything but the load and the receivers on one machine."""
    return replace(
        Layout(api, workers, shared_cores=cores),
        receiver_median=parameters.receiver_median,
        receiver_p99=parameters.receiver_p99,
    )
