"""What was measured, as tables for people and as JSON for machines."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import orjson
from rich.console import Console

from benchmarks import tables
from benchmarks.run import Figures
from benchmarks.scenarios import Outcome

MEMORY_IS = "peak of RSS, sampled each second; several processes: their private parts plus the largest shared part once"


@dataclass(frozen=True, slots=True)
class Report:
    """All scenarios of one invocation."""

    started_at: datetime
    server: str
    """The server's URL; "throw-away" for one of our own."""
    outcomes: Sequence[Outcome]

    @property
    def runs(self) -> list[Figures]:
        return [run for outcome in self.outcomes for run in outcome.all_runs]

    @property
    def holds(self) -> bool:
        return all(outcome.holds for outcome in self.outcomes)

    def as_json(self) -> bytes:
        """One JSON object. Rates are per second, times milliseconds, memory MiB, CPU cores or microseconds."""
        scenarios = [self._scenario(outcome) for outcome in self.outcomes]
        return _json({"server": self.server, "memory_is": MEMORY_IS, "holds": self.holds, "scenarios": scenarios})

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.as_json())

    def save_each(self, folder: Path) -> None:
        """Each scenario in a file of its own, in the place of what was measured before."""
        folder.mkdir(parents=True, exist_ok=True)
        for outcome in self.outcomes:
            (folder / f"{outcome.scenario}.json").write_bytes(_json(self._scenario(outcome)))

    def _scenario(self, outcome: Outcome) -> dict[str, object]:
        parts: dict[str, object] = {
            "runs": [asdict(run) for run in outcome.runs],
            "backlog": outcome.backlog and asdict(outcome.backlog),
            "neighbours": outcome.neighbours and asdict(outcome.neighbours),
            "growth": [asdict(size) | {"cost_us": size.cost_us} for size in outcome.growth],
            "floor": [asdict(price) for price in outcome.floor],
            "ratio_with_keys": outcome.ratio_with_keys,
            "statements": [asdict(statement) for statement in outcome.statements],
        }
        return {
            "scenario": outcome.scenario,
            "command": f'make bench ARGS="--scenario {outcome.scenario}"',
            "started_at": self.started_at,
            "machine": asdict(outcome.machine) | {"line": str(outcome.machine)},
            "holds": outcome.holds,
            **{name: part for name, part in parts.items() if part},
        }

    def print(self, console: Console) -> None:
        runs = self.runs
        console.print(tables.speed(runs))
        console.print(tables.honesty(runs))
        console.print(tables.cpu(runs))
        shown = [run for outcome in self.outcomes for run in outcome.runs]
        if any(run.processes for run in shown):
            console.print(tables.usage(shown))
            console.print(f"Memory: {MEMORY_IS}.", style="dim")
        for outcome in self.outcomes:
            for table in tables.of(outcome):
                console.print(table)
        self._remarks(console)

    def _remarks(self, console: Console) -> None:
        if not any(run.processes for run in self.runs):
            console.print("Memory: unknown, because the server's processes are not visible here.", style="dim")
        for line in dict.fromkeys(str(outcome.machine) for outcome in self.outcomes):
            console.print(f"Everything on one machine, generator and receiver too: {line}.", style="dim")
        if any(outcome.machine.file_system == "tmpfs" for outcome in self.outcomes):
            console.print("The data lies on tmpfs, where fsync costs nothing: set TMPDIR to a disk.", style="yellow")
        for run in self.runs:
            for reason in shortcomings(run):
                console.print(f"{run.load.name}: {reason}", style="bold red", soft_wrap=True, markup=False)


def _json(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


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
