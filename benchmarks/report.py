"""What was measured, as a table for people and as JSON for machines."""

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import orjson
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.processes import ROLES, Usage
from benchmarks.run import Figures

MEMORY_IS = "peak of RSS, sampled each second; several processes: their private parts plus the largest shared part once"


@dataclass(frozen=True, slots=True)
class Report:
    """All runs of one invocation."""

    started_at: datetime
    server: str
    """The server's URL, and the kind of file system that its data lies on, if known."""
    file_system: str | None
    runs: Sequence[Figures]

    @property
    def holds(self) -> bool:
        return all(run.holds for run in self.runs)

    def as_json(self) -> bytes:
        """One JSON object. Rates are per second, times milliseconds, memory MiB, CPU cores."""
        return orjson.dumps(
            {
                "started_at": self.started_at,
                "server": self.server,
                "machine": {
                    "cores": os.cpu_count(),
                    "system": platform.platform(),
                    "python": platform.python_version(),
                    "file_system": self.file_system,
                },
                "memory_is": MEMORY_IS,
                "holds": self.holds,
                "runs": [asdict(run) for run in self.runs],
            },
            option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE,
        )

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.as_json())

    def print(self, console: Console) -> None:
        console.print(_speed(self.runs))
        console.print(_honesty(self.runs))
        console.print(
            f"Generator and receiver ran beside the server on the same {os.cpu_count()} cores and used, of one core: "
            + ", ".join(f"{run.load_cpu_cores:.0%} ({run.load.name})" for run in self.runs)
            + ".",
            style="dim",
        )
        if any(run.processes for run in self.runs):
            console.print(_usage(self.runs))
            console.print(f"Memory: {MEMORY_IS}.", style="dim")
        else:
            console.print("Memory: unknown, because the server's processes are not visible here.", style="dim")
        if self.file_system == "tmpfs":
            console.print("The data lies on tmpfs, where fsync costs nothing: set TMPDIR to a disk.", style="yellow")
        for run in self.runs:
            for reason in shortcomings(run):
                console.print(f"{run.load.name}: {reason}", style="bold red", soft_wrap=True, markup=False)


def shortcomings(run: Figures) -> list[str]:
    """Why a run does not hold, one text for each reason; empty if it does."""
    reasons = []
    if run.missing:
        reasons.append(f"{run.missing} deliveries of accepted messages never arrived")
    if run.errors:
        reasons.append(f"{run.errors} messages were not accepted, the first because: {run.first_error}")
    if run.bad_signatures:
        reasons.append(f"{run.bad_signatures} of {run.verified} verified signatures were wrong")
    if run.strays:
        reasons.append(f"{run.strays} requests arrived that belong to no message of the run")
    return reasons


def _speed(runs: Sequence[Figures]) -> Table:
    table = _table("Speed", "load", "accepted/s", "delivered/s", "p50 ms", "p99 ms")
    for run in runs:
        table.add_row(
            run.load.name,
            f"{run.load.messages:,} × {run.load.connections}",
            f"{run.accepted_per_s:,.0f}",
            f"{run.delivered_per_s:,.0f}",
            _time(run.p50_ms),
            _time(run.p99_ms),
        )
    return table


def _honesty(runs: Sequence[Figures]) -> Table:
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


def _usage(runs: Sequence[Figures]) -> Table:
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
