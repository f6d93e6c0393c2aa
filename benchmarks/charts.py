"""The charts of the documents, drawn from what was measured and saved."""

from collections.abc import Callable, Mapping, Sequence

from benchmarks.backlog import Sample
from benchmarks.run import PERCENTILES, Figures
from benchmarks.saved import Saved
from benchmarks.svg import Bar, Line, bar_chart, line_chart

# Deliveries a second with one endpoint and with five, 64 connections: measured on another machine of two cores, with
# everything on it and fsync on. The prototype does the least that accepting and delivering take, in 150 lines.
ANCHORS = (
    ("Svix (Rust)", 900, 2_190),
    ("Outpost (Go)", 1_100, 1_480),
    ("a bare prototype", 4_370, 7_030),
)
_PROCESSES = {
    "api": ("api",),
    "worker": ("worker",),
    "postgres": ("postgres",),
    "redis": ("valkey",),
    "load program": ("load",),
    "rest": ("beat", "supervisor", "other"),
}
_CHARTED_LISTS = (
    "messages, first page",
    "attempts by endpoint, first page",
    "attempted messages, first page",
    "attempts by message",
    "endpoints",
)
_BUCKETS = 20


def draw(saved: Mapping[str, Saved]) -> dict[str, str]:
    """The charts that can be drawn of these scenarios: SVG by file name."""
    charts: dict[str, tuple[Callable[[Mapping[str, Saved]], str], Sequence[str]]] = {
        "throughput.svg": (_throughput, ("one", "five")),
        "latency.svg": (_latency, ("steady-300", "steady-600")),
        "cpu.svg": (_cpu, ("one", "five", "slow")),
        "memory.svg": (_memory, ("backlog",)),
        "growth-cost.svg": (_growth_cost, ("growth",)),
        "growth-lists.svg": (_growth_lists, ("growth",)),
    }
    return {name: chart(saved) for name, (chart, needed) in charts.items() if all(need in saved for need in needed)}


def cpu_by_process(run: Figures) -> dict[str, float]:
    """CPU microseconds for each delivery."""
    costs = run.cpu_us_per_message
    return {
        name: round(sum(costs.get(role, 0.0) for role in roles) / run.load.endpoints, 1)
        for name, roles in _PROCESSES.items()
    }


def _throughput(saved: Mapping[str, Saved]) -> str:
    one, five = saved["one"].outcome.runs[0], saved["five"].outcome.runs[0]
    bars = []
    for endpoints, index, run in (("1 endpoint", 1, one), ("5 endpoints", 2, five)):
        bars.append(Bar(f"Postrider, {endpoints}", {"": run.delivered_per_s}))
        bars += [Bar(f"{anchor[0]}, {endpoints}", {"": float(anchor[index])}, quiet=True) for anchor in ANCHORS]
    unit = "deliveries a second, 64 connections, 2 cores for everything; grey: measured earlier on another machine"
    return bar_chart("Accepted, committed, signed, delivered, recorded", unit, bars)


def _latency(saved: Mapping[str, Saved]) -> str:
    lines = [
        Line(run.load.name, list(zip(PERCENTILES, run.percentiles_ms, strict=True)))
        for run in (saved[name].outcome.runs[0] for name in ("steady-300", "steady-600"))
    ]
    across = "share of messages that arrived within that time, %"
    return line_chart("From POST to arrival at the receiver", "milliseconds", across, lines, log_y=True)


def _cpu(saved: Mapping[str, Saved]) -> str:
    runs = [saved[name].outcome.runs[0] for name in ("one", "five", "slow")]
    bars = [Bar(run.load.name, cpu_by_process(run)) for run in runs]
    unit = "CPU microseconds of each delivery, by process; the load program is sender and receiver"
    return bar_chart("Where each microsecond goes", unit, bars)


def _memory(saved: Mapping[str, Saved]) -> str:
    backlog = saved["backlog"].outcome.backlog
    assert backlog is not None
    width = backlog.rows / _BUCKETS
    buckets: dict[int, list[Sample]] = {}
    for sample in backlog.samples:
        buckets.setdefault(int(sample.rows / width), []).append(sample)

    def highest(value: Callable[[Sample], float]) -> list[tuple[float, float]]:
        return [(bucket * width, max(map(value, samples))) for bucket, samples in sorted(buckets.items())]

    lines = [
        Line("API and worker (PSS)", highest(lambda sample: sample.api_mib + sample.worker_mib)),
        Line("Redis (used_memory)", highest(lambda sample: sample.redis_mib)),
    ]
    return line_chart("Memory does not grow with the backlog", "MiB, the highest seen", "deliveries that wait", lines)


def _growth_cost(saved: Mapping[str, Saved]) -> str:
    sizes = saved["growth"].outcome.growth
    names = ("elapsed", "api", "worker", "postgres")
    lines = [Line(name, [(size.rows, size.cost_us[name]) for size in sizes]) for name in names]
    unit = "microseconds of each delivery: elapsed at full load, and CPU by process"
    across = "rows in each of messages, deliveries and attempts"
    return line_chart("The cost of a delivery as history grows", unit, across, lines, log_x=True)


def _growth_lists(saved: Mapping[str, Saved]) -> str:
    sizes = saved["growth"].outcome.growth
    lines = [
        Line(
            name.partition(",")[0],
            [(size.rows, one.p99_ms) for size in sizes for one in size.lists if one.name == name],
        )
        for name in _CHARTED_LISTS
    ]
    across = "rows in each of messages, deliveries and attempts"
    return line_chart("Lists over HTTP as history grows, p99", "milliseconds", across, lines, log_x=True)
