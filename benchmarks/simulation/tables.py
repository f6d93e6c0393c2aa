"""The model's answers as Markdown tables and charts, for docs/explanation/scaling.md."""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from benchmarks.simulation.ceiling import ceiling, on_one_machine
from benchmarks.simulation.model import simulate
from benchmarks.simulation.parameters import Parameters
from benchmarks.simulation.plan import SIZES, Size, apart, on_a_volume, plan, traffic_of
from benchmarks.simulation.validation import Comparison
from benchmarks.svg import Bar, Line, bar_chart, line_chart

FAN_OUT: Final = 5
# Cores, API processes, workers: where the next core goes.
_MACHINES: Final = ((2, 1, 1), (2, 1, 2), (2, 2, 1), (4, 1, 1), (4, 2, 1), (4, 2, 2), (8, 3, 2), (8, 4, 2), (8, 4, 3))
_COMMITS: Final = ((2, 0.0), (1, 0.0), (2, 0.002), (1, 0.005))
_COMMIT_RATE: Final = 20_000
_TOLD: Final = (
    *("api_request", "api_publish", "postgres_publish", "postgres_read", "postgres_payloads", "worker_delivery"),
    *("worker_record", "postgres_record", "api_ring", "worker_ring", "redis_ring", "flush_median"),
    *("publish_rows_1_lanes", "publish_rows_2_lanes", "publish_rows_4_lanes", "vacuum_rows_per_second"),
    *("wal_publish", "wal_record", "message_bytes", "delivery_bytes", "connections"),
)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column is left-aligned, the others are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def validation(found: Sequence[Comparison]) -> str:
    rows = (
        (
            f"{c.load}: {c.figure}",
            f"{_short(c.measured)} {c.unit}",
            f"{_short(c.simulated)} {c.unit}",
            f"{c.error:+.0%}",
        )
        for c in found
    )
    return table(("load, figure", "measured", "model", "difference"), rows)


def costs(text: str) -> str:
    """What the file of parameters says of some of them, with their numbers."""
    tables = tomllib.loads(text)
    rows = []
    for name in _TOLD:
        entry = tables[name]
        number = (
            _short(entry["value"]) if "value" in entry else f"{_short(entry['fixed'])} + {_short(entry['each'])} × rows"
        )
        rows.append((entry["what"], f"{number} {entry['unit']}"))
    return table(("what", "measured here"), rows)


def all_sizes(parameters: Parameters) -> list[Size]:
    """Each size with one endpoint a message, and the largest with FAN_OUT."""
    return [*(plan(size, parameters) for size in SIZES), plan(SIZES[-1], parameters, FAN_OUT)]


def sizes(found: Sequence[Size]) -> str:
    head = (
        *("deliveries/s", "Postgres servers × cores", "API processes", "workers", "connections, at most"),
        *("WAL", "history a day", "a week's partitions", "p50, p99"),
    )
    rows = (
        (
            _name(size),
            f"{size.servers} × {size.postgres_cores}",
            str(size.api),
            str(size.workers),
            f"{size.connections}, {size.most_connections}",
            f"{size.wal / 1e6:.0f} MB/s",
            _bytes(size.per_day),
            _bytes(size.per_partition),
            f"{size.result.p50 * 1e3:.0f}, {size.result.p99 * 1e3:.0f} ms",
        )
        for size in found
    )
    return table(head, rows)


def cores_chart(found: Sequence[Size]) -> str:
    bars = [
        Bar(
            _name(size).replace("**", ""),
            {
                "API": size.result.api * size.servers,
                "workers": size.result.workers * size.servers,
                "Postgres": size.result.postgres * size.servers,
            },
        )
        for size in found
    ]
    return bar_chart("Cores in use", "simulated, all machines together, by deliveries per second", bars)


def batch_chart(p: Parameters) -> str:
    """What the two statements cost Postgres for each row, by the size of their batch."""
    sizes = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
    lines = [
        Line(name, [(float(size), cost.of(size) / size * 1e6) for size in sizes])
        for name, cost in (("publish a message", p.postgres_publish), ("record an outcome", p.postgres_record))
    ]
    unit = "microseconds of Postgres' CPU for each row"
    return line_chart("A batch is cheaper than its rows", unit, "rows in a statement", lines, log_x=True)


def machines(parameters: Parameters) -> str:
    rows = []
    for cores, api, workers in _MACHINES:
        found = ceiling(on_one_machine(parameters, cores, api, workers), parameters)
        result = found.result
        used = ", ".join(f"{part:.1f}" for part in (result.api, result.workers, result.postgres))
        rows.append((f"{cores}", f"{api} + {workers}", f"{round(found.rate, -2):,.0f}/s", found.full, used))
    head = ("cores", "API + worker processes", "bears", "full then", "cores of API, workers, Postgres")
    return table(head, rows)


def commits(parameters: Parameters) -> str:
    """The group commit of an API process, otherwise set, at one of the sizes."""
    size, volume = plan(_COMMIT_RATE, parameters), on_a_volume(parameters)
    rows = []
    for lanes, gather in _COMMITS:
        layout = apart(parameters, size.api // size.servers, size.workers // size.servers, size.postgres_cores)
        result = simulate(
            replace(layout, lanes=lanes, gather=gather), traffic_of(_COMMIT_RATE / size.servers, 1), volume
        )
        setting, times = f"{lanes}, {gather * 1e3:.0f} ms", f"{result.p50 * 1e3:.0f}, {result.p99 * 1e3:.0f} ms"
        rows.append((setting, f"{result.publish_batch:.1f}", f"{result.postgres:.1f}", times))
    return table(("batches under way, wait for company", "messages a batch", "Postgres' cores", "p50, p99"), rows)


def _name(size: Size) -> str:
    return f"{size.deliveries:,}" + (f" (× {size.endpoints})" if size.endpoints > 1 else "")


def _bytes(size: float) -> str:
    for unit, scale in (("TB", 1e12), ("GB", 1e9)):
        if size >= scale:
            return f"{size / scale:,.1f} {unit}" if size < 10 * scale else f"{size / scale:,.0f} {unit}"
    return f"{size / 1e6:,.0f} MB"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
