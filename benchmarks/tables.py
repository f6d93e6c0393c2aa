"""Figures as tables for people."""

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmarks.backlog import Backlog
from benchmarks.growth import Size
from benchmarks.processes import ROLES, Usage
from benchmarks.run import Figures
from benchmarks.scenarios import Outcome

LOAD = "load"
"""What `Figures.cpu_us_per_message` calls generator and receiver."""


def speed(runs: Sequence[Figures]) -> Table:
    table = _table("Speed", "load", "accepted/s", "delivered/s", "p50 ms", "p90 ms", "p99 ms", "answer p50, p99 ms")
    for run in runs:
        table.add_row(
            run.load.name,
            f"{run.load.messages:,} × {run.load.connections}",
            f"{run.accepted_per_s:,.0f}",
            f"{run.delivered_per_s:,.0f}",
            _time(run.p50_ms),
            _time(run.p90_ms),
            _time(run.p99_ms),
            f"{_time(run.answer_p50_ms)}  {_time(run.answer_p99_ms)}",
        )
    return table


def honesty(runs: Sequence[Figures]) -> Table:
    table = _table("Deliveries", "arrived", "missing", "duplicates", "bad signatures", "refused")
    for run in runs:
        table.add_row(
            run.load.name,
            f"{run.delivered:,}",
            _bad(run.missing),
            f"{run.duplicates:,}",
            f"{_bad(run.bad_signatures)} of {run.verified:,}",
            _bad(run.errors),
        )
    return table


def _table(title: str, *columns: str, first: str = "run") -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column(first, overflow="fold")
    for name in columns:
        # Folded on a narrow terminal: a figure that is cut off is a wrong figure.
        table.add_column(name, justify="right", overflow="fold")
    return table


def usage(runs: Sequence[Figures]) -> Table:
    table = _table("Peak memory, and cores used", *(run.load.name for run in runs), first="process")
    by_role: list[dict[str, Usage]] = [{usage.role: usage for usage in run.processes} for run in runs]
    for role in (*ROLES, "other"):
        if any(role in usages for usages in by_role):
            most = max(usages[role].processes for usages in by_role if role in usages)
            name = f"{role} ({most} processes)" if most > 1 else role
            table.add_row(name, *(_used(usages.get(role)) for usages in by_role))
    return table


def _used(usage: Usage | None) -> str:
    if usage is None:
        return "–"
    return f"{usage.peak_mib:,.0f} MiB  {usage.cpu_cores:.2f}"


def _time(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"


def _bad(count: int) -> str:
    return f"[bold red]{count:,}[/]" if count else "0"


def cpu(runs: Sequence[Figures]) -> Table:
    """CPU microseconds for each message, by process; `load` is generator and receiver."""
    names = [role for role in (*ROLES, "other", LOAD) if any(run.cpu_us_per_message.get(role) for run in runs)]
    table = _table("CPU of each message, µs", *names, "all")
    for run in runs:
        costs = run.cpu_us_per_message
        table.add_row(run.load.name, *(f"{costs.get(name, 0.0):,.0f}" for name in names), f"{sum(costs.values()):,.0f}")
    return table


def of(outcome: Outcome) -> Iterator[Table]:
    """What a scenario has besides its loads."""
    if outcome.backlog:
        yield _backlog(outcome.backlog)
    if outcome.growth:
        yield _costs(outcome.growth)
        yield _lists(outcome.growth)
    if outcome.ratio_with_keys is not None:
        table = _table("Idempotency keys", "of the speed without", first="median of delivered/s")
        table.add_row("with keys", f"{outcome.ratio_with_keys:.1%}")
        yield table
    if outcome.floor:
        table = _table("The machine's prices, µs each", "hops", "elapsed", "CPU", "Postgres", first="for")
        for price in outcome.floor:
            table.add_row(
                price.name, price.hops, *(f"{v:,.1f}" for v in (price.elapsed_us, price.cpu_us, price.postgres_us))
            )
        yield table
    if outcome.statements:
        table = _table("Postgres, for each message", "calls", "µs", "WAL bytes", "pages", first="statement")
        for one in outcome.statements:
            values = (f"{one.calls:.3f}", f"{one.microseconds:.1f}", f"{one.wal_bytes:,.0f}", f"{one.pages:.1f}")
            table.add_row(one.name, *values)
        yield table


def _backlog(backlog: Backlog) -> Table:
    table = _table("Memory beside a backlog, MiB", "waiting", "API", "worker", "Redis used_memory", first="second")
    step = max(1, len(backlog.samples) // 12)
    for sample in (*backlog.samples[::step], backlog.samples[-1]):
        values = (sample.api_mib, sample.worker_mib, sample.redis_mib)
        table.add_row(f"{sample.seconds:.0f}", f"{sample.rows:,}", *(f"{value:,.1f}" for value in values))
    return table


def _costs(sizes: Sequence[Size]) -> Table:
    names = list(sizes[0].cost_us)
    table = _table("Cost of each delivery, µs", *names, "elapsed, ratio", first="rows")
    for size in sizes:
        ratio = size.cost_us["elapsed"] / sizes[0].cost_us["elapsed"]
        table.add_row(f"{size.rows:,}", *(f"{size.cost_us[name]:,.0f}" for name in names), f"{ratio:.2f}")
    return table


def _lists(sizes: Sequence[Size]) -> Table:
    table = _table("Lists: p50 and p99, ms", *(f"{size.rows:,} rows" for size in sizes), first="list")
    for number, first in enumerate(sizes[0].lists):
        times = [size.lists[number] for size in sizes]
        table.add_row(first.name, *(f"{time.p50_ms:.1f}  {time.p99_ms:.1f}" for time in times))
    return table
