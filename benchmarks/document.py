"""`python -m benchmarks.document`: the figures and charts of docs/explanation/performance.md, from what is saved."""

import re
from collections.abc import Callable, Mapping, Sequence

from benchmarks.charts import cpu_by_process, draw
from benchmarks.run import Figures
from benchmarks.saved import DATA, PROJECT, Saved, read_all

__all__ = ["DATA", "DOCUMENT", "IMAGES", "write_document"]
IMAGES = PROJECT / "docs" / "explanation" / "img"
DOCUMENT = PROJECT / "docs" / "explanation" / "performance.md"
_MARKED = re.compile(r"(<!-- figures: ([\w-]+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)
_Rows = list[list[str]]


def write_document() -> None:
    """Draws the charts, and puts the tables between their marks in the document."""
    saved = read_all()
    IMAGES.mkdir(parents=True, exist_ok=True)
    for name, svg in draw(saved).items():
        (IMAGES / name).write_text(svg)
    DOCUMENT.write_text(with_figures(DOCUMENT.read_text(), saved))


def with_figures(text: str, saved: Mapping[str, Saved]) -> str:
    """The text with new tables. ValueError for a mark that is unknown; what was not measured stays as it is."""

    def renew(match: re.Match[str]) -> str:
        if match[2] not in _TABLES:
            raise ValueError(f"no table is called {match[2]}: use one of {', '.join(_TABLES)}")
        needed, table = _TABLES[match[2]]
        if not all(name in saved for name in needed):
            return match[0]
        return f"{match[1]}{table(saved)}{_source([saved[name] for name in needed])}{match[3]}"

    return _MARKED.sub(renew, text)


def _table(head: Sequence[str], rows: _Rows) -> str:
    lines = [head, ["---", *("--:" for _ in head[1:])], *rows]
    return "\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def _source(saved: Sequence[Saved]) -> str:
    """When, with what and on what it was measured."""
    dates = sorted({f"{one.stamp.started_at:%d %B %Y}" for one in saved})
    names = " ".join(f"--scenario {one.outcome.scenario}" for one in saved)
    machines = dict.fromkeys(str(one.outcome.machine) for one in saved)
    return f'`make bench ARGS="{names}"`, {", ".join(dates)}; {"; ".join(machines)}.\n'


_SPEED = ["load", "accepted/s", "delivered/s", "p50 ms", "p90 ms", "p99 ms", "missing", "twice", "wrongly signed"]


def _speed(saved: Mapping[str, Saved]) -> str:
    return _table(_SPEED, [_speed_row(saved[name].outcome.runs[0]) for name in _TABLES["speed"][0]])


def _speed_row(run: Figures) -> list[str]:
    rates = [f"{run.accepted_per_s:,.0f}", f"{run.delivered_per_s:,.0f}"]
    times = _times(run.p50_ms, run.p90_ms, run.p99_ms)
    honesty = [str(run.missing), str(run.duplicates), f"{run.bad_signatures} of {run.verified:,}"]
    return [f"{run.load.name}, {run.load.connections} connections", *rates, *times, *honesty]


def _times(*values: float | None) -> list[str]:
    return [f"{value:,.1f}" if value is not None else "–" for value in values]


def _inbound(saved: Mapping[str, Saved]) -> str:
    runs = [saved[name].outcome.runs[0] for name in _TABLES["inbound"][0]]
    rows = [[*_speed_row(run), *_times(run.answer_p50_ms, run.answer_p99_ms)] for run in runs]
    return _table([*_SPEED, "answer p50 ms", "answer p99 ms"], rows) + _cpu_table(runs)


def _cpu(saved: Mapping[str, Saved]) -> str:
    return _cpu_table([saved[name].outcome.runs[0] for name in _TABLES["cpu"][0]])


def _cpu_table(runs: Sequence[Figures]) -> str:
    names = list(cpu_by_process(runs[0]))
    rows = [
        [run.load.name, *(f"{value:,.0f}" for value in costs.values()), f"{sum(costs.values()):,.0f}"]
        for run, costs in ((run, cpu_by_process(run)) for run in runs)
    ]
    return _table(["CPU of each delivery, µs", *names, "all"], rows)


def _workers(saved: Mapping[str, Saved]) -> str:
    rows = []
    for run in saved["two-workers"].outcome.runs:
        costs = cpu_by_process(run)
        cpu = [f"{costs[name]:,.0f}" for name in ("api", "worker", "postgres", "load program")]
        rows.append([run.load.name, f"{run.delivered_per_s:,.0f}", *cpu])
    head = ["20 applications with 2 endpoints", "delivered/s", "api µs", "worker µs", "postgres µs", "load program µs"]
    return _table(head, rows)


def _floor(saved: Mapping[str, Saved]) -> str:
    prices = saved["floor"].outcome.floor
    rows = [
        [price.name, price.hops, f"{price.elapsed_us:,.1f}", f"{price.cpu_us:,.1f}", f"{price.postgres_us:,.1f}"]
        for price in prices
    ]
    return _table(["one of these", "in hop", "elapsed µs", "CPU µs", "Postgres' CPU µs"], rows)


def _statements(saved: Mapping[str, Saved]) -> str:
    rows = [
        [one.name, f"{one.calls:.3f}", f"{one.microseconds:.1f}", f"{one.wal_bytes:,.0f}", f"{one.pages:.1f}"]
        for one in saved["floor"].outcome.statements
    ]
    return _table(["statement", "calls", "µs in Postgres", "WAL bytes", "pages"], rows)


def _backlog(saved: Mapping[str, Saved]) -> str:
    backlog = saved["backlog"].outcome.backlog
    assert backlog is not None
    rows = [
        ["API and worker together, highest", f"{backlog.most_mib:,.0f} MiB"],
        ["Redis' `used_memory`, highest", f"{backlog.most_redis_mib:,.1f} MiB"],
        ["delivered of the backlog meanwhile", f"{backlog.delivered:,}"],
        *(
            [f"{run.load.name}: p50 / p99", f"{run.p50_ms} / {run.p99_ms} ms"]
            for run in (backlog.idle, backlog.meanwhile)
        ),
    ]
    return _table([f"{backlog.rows:,} deliveries are due", ""], rows)


def _neighbours(saved: Mapping[str, Saved]) -> str:
    found = saved["neighbours"].outcome.neighbours
    assert found is not None
    rows = [
        [run.load.name, f"{run.p50_ms}", f"{run.p99_ms}", f"{ratio:.1f}"]
        for run, ratio in ((found.alone, 1.0), (found.taken, found.ratio_taken), (found.hanging, found.ratio_hanging))
    ]
    return _table([f"beside {found.rows:,} deliveries", "p50 ms", "p99 ms", "p99, ratio"], rows)


def _growth(saved: Mapping[str, Saved]) -> str:
    sizes = saved["growth"].outcome.growth
    first = sizes[0].cost_us
    rows = []
    for size in sizes:
        costs = [f"{size.cost_us[name]:,.0f}" for name in ("elapsed", "api", "worker", "postgres")]
        ratio = f"{size.cost_us['elapsed'] / first['elapsed']:.2f}"
        rows.append([f"{size.rows:,}", f"{size.bytes / 1e9:,.2f}", *costs, ratio])
    return _table(["rows in each table", "GB", "elapsed µs", "api µs", "worker µs", "postgres µs", "ratio"], rows)


def _lists(saved: Mapping[str, Saved]) -> str:
    sizes = saved["growth"].outcome.growth
    rows = [
        [first.name, *(f"{size.lists[index].p50_ms:.1f} / {size.lists[index].p99_ms:.1f}" for size in sizes)]
        for index, first in enumerate(sizes[0].lists)
    ]
    return _table(["p50 / p99, ms", *(f"{size.rows:,} rows" for size in sizes)], rows)


_TABLES: dict[str, tuple[Sequence[str], Callable[[Mapping[str, Saved]], str]]] = {
    "speed": (("one", "five", "steady-600", "steady-300", "slow"), _speed),
    "cpu": (("one", "five", "steady-600", "steady-300", "slow"), _cpu),
    "inbound": (("inbound", "inbound-600"), _inbound),
    "two-workers": (("two-workers",), _workers),
    "floor": (("floor",), _floor),
    "statements": (("floor",), _statements),
    "backlog": (("backlog",), _backlog),
    "neighbours": (("neighbours",), _neighbours),
    "growth": (("growth",), _growth),
    "lists": (("growth",), _lists),
}


if __name__ == "__main__":
    write_document()
