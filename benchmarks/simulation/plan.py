"""How large an installation must be for a rate: found by simulating it, and adding what is short until it holds."""

from dataclasses import dataclass, replace
from math import ceil
from typing import Final

from benchmarks.simulation.model import Layout, Result, Traffic, simulate
from benchmarks.simulation.parameters import Parameters

# Deliveries per second, of messages with one endpoint each: the dearest kind.
SIZES: Final = (1_000, 5_000, 20_000, 50_000, 100_000)
# What a process or server is planned to use of what it has, so that one may fail and a peak may come.
USE: Final = 0.65
POSTGRES_USE: Final = 0.5
# A planning rule and no measurement: from here on it is easier to have two servers than a larger one.
MOST_PER_SERVER: Final = 25_000
_MOST_MESSAGES: Final = 12_000
_ROUNDS: Final = 12
_DAY: Final = 86_400
_WEEK: Final = 7 * _DAY


@dataclass(frozen=True, slots=True)
class Size:
    """An installation that bears a rate. Counts are of the whole, `result` is of one Postgres server's share."""

    deliveries: int
    endpoints: int
    servers: int
    api: int
    workers: int
    postgres_cores: int
    """Of each server."""
    connections: int
    """Of each server, under load; and the most that the settings allow."""
    most_connections: int
    rings: float
    """Per second, at most."""
    wal: float
    """Bytes a second, of each server."""
    per_day: float
    """Bytes of history a day, of all servers."""
    per_partition: float
    """Bytes of a week's partitions of one server."""
    vacuum: float
    """The share of its time that the one vacuum of a server's queue is busy."""
    result: Result


def plan(deliveries: int, parameters: Parameters, endpoints: int = 1, most: int = MOST_PER_SERVER) -> Size:
    """The smallest installation that bears so many deliveries per second within USE and POSTGRES_USE."""
    servers = ceil(deliveries / most)
    share = deliveries / servers
    layout, result = _bearing(share, parameters, endpoints)
    connected = layout.api + layout.workers
    kept = parameters.message_bytes / endpoints + parameters.delivery_bytes
    return Size(
        deliveries=deliveries,
        endpoints=endpoints,
        servers=servers,
        api=layout.api * servers,
        workers=layout.workers * servers,
        postgres_cores=layout.postgres_cores,
        connections=ceil(connected * parameters.connections),
        most_connections=connected * 20,
        rings=10.0 * layout.api * servers,
        wal=result.wal,
        per_day=deliveries * kept * _DAY,
        per_partition=share * kept * _WEEK,
        vacuum=share / parameters.vacuum_rows_per_second,
        result=result,
    )


def on_a_volume(parameters: Parameters) -> Parameters:
    """With the disk of a cloud in the place of the one that was measured."""
    return replace(parameters, flush_median=parameters.volume_flush_median, flush_p99=parameters.volume_flush_p99)


def traffic_of(deliveries: float, endpoints: int) -> Traffic:
    """So many deliveries a second, for as long as a simulation needs to settle."""
    rate = deliveries / endpoints
    return Traffic(rate=rate, endpoints=endpoints, seconds=min(4.0, max(0.5, _MOST_MESSAGES / rate)))


def apart(parameters: Parameters, api: int, workers: int, postgres_cores: int) -> Layout:
    """Everything on machines of its own, receivers on the internet."""
    return Layout(
        api,
        workers,
        postgres_cores,
        network=parameters.network,
        receiver_median=parameters.receiver_median,
        receiver_p99=parameters.receiver_p99,
    )


def _bearing(share: float, parameters: Parameters, endpoints: int) -> tuple[Layout, Result]:
    parameters, layout = on_a_volume(parameters), apart(parameters, 1, 1, 2)
    # From what a message costs at best, to begin with; then by what the simulation used.
    layout = replace(
        layout,
        api=ceil(share / endpoints * parameters.api_request / USE),
        workers=ceil(share * parameters.worker_delivery / USE),
        postgres_cores=max(
            2, ceil(share * (parameters.postgres_publish.each + parameters.postgres_record.each) / POSTGRES_USE)
        ),
    )
    for _ in range(_ROUNDS):
        result = simulate(layout, traffic_of(share, endpoints), parameters)
        needed = replace(
            layout,
            api=max(layout.api, ceil(result.api / USE)),
            workers=max(layout.workers, ceil(result.workers / USE)),
            postgres_cores=max(layout.postgres_cores, ceil(result.postgres / POSTGRES_USE)),
        )
        if needed == layout:
            break
        layout = needed
    return layout, result
