"""The report: the latest measurement of each promise, kept as JSON and shown as a table."""

import json
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tests.reliability import Measurement

ROOT: Final = Path(__file__).resolve().parents[2]
DATA: Final = ROOT / "docs" / "explanation" / "data" / "reliability.json"
DOCUMENT: Final = ROOT / "docs" / "explanation" / "reliability.md"

_HEAD: Final = """\
# Reliability: what is promised, and what was measured

Written by `make chaos`, which runs real processes, kills, suspends and starves them under load, and counts what
arrived. Each line is the latest measurement of one promise. `make chaos ARGS=-h` lists the options: `--seed` repeats
the random moments of a run, `-k` runs the tests of a name only, `--minutes` prolongs the run that kills for a time.
What is meant by lost: a message that was answered with 2xx and did not reach every endpoint. What is sent twice carries
the same `webhook-id`.

| # | promise | limit | measured | holds | date | commit |
|---|---|---|---|---|---|---|
"""
_TESTS: Final = """
## Where each is measured

`make chaos` runs them all; one of them: `.venv/bin/pytest -m chaos` and the name.

"""


@dataclass(frozen=True, slots=True)
class Line:
    """A measurement, with when and of what it was taken."""

    measurement: Measurement
    date: str
    commit: str
    seed: int


def read() -> list[Line]:
    """What was measured until now."""
    if not DATA.exists():
        return []
    lines = []
    for entry in json.loads(DATA.read_text()):
        date, commit, seed, holds = entry.pop("date"), entry.pop("commit"), entry.pop("seed"), entry.pop("pass")
        test = entry.pop("command").removeprefix(_COMMAND)
        lines.append(Line(Measurement(**entry, holds=holds, test=test), date, commit, seed))
    return lines


def merge(earlier: Sequence[Line], now: Sequence[Line], run: Set[str], failed: Set[str]) -> list[Line]:
    """The latest of each promise. What a test that was `run` measured before is replaced.

    What it did not measure this time, because it failed, does not hold.
    """
    kept = [line for line in earlier if line.measurement.test not in run]
    told = {_promise(line) for line in now}
    missing = [line for line in earlier if line.measurement.test in failed and _promise(line) not in told]
    broken = [replace(line, measurement=_failed(line.measurement)) for line in missing]
    return sorted([*kept, *now, *broken], key=lambda line: (line.measurement.row, line.measurement.promise))


def write(lines: Sequence[Line]) -> None:
    """Keep the measurements, and show them."""
    DATA.write_text(json.dumps([_entry(line) for line in lines], indent=1, ensure_ascii=False) + "\n")
    table = "".join(
        f"| {m.row} | {m.promise} | {m.limit} | {m.value} | {'yes' if m.holds else '**no**'} | {line.date} |"
        f" {line.commit} |\n"
        for line in lines
        for m in [line.measurement]
    )
    tests: dict[str, list[int]] = {}
    for line in lines:
        rows = tests.setdefault(line.measurement.test, [])
        rows += [line.measurement.row] if line.measurement.row not in rows else []
    places = "".join(f"- {', '.join(map(str, rows))}: `{test}`\n" for test, rows in tests.items())
    DOCUMENT.write_text(_HEAD + table + _TESTS + places)


_COMMAND: Final = ".venv/bin/pytest -m chaos "


def _promise(line: Line) -> tuple[int, str, str]:
    return line.measurement.row, line.measurement.promise, line.measurement.test


def _failed(measurement: Measurement) -> Measurement:
    return replace(measurement, value="the test failed before it was measured", holds=False)


def _entry(line: Line) -> dict[str, object]:
    m = line.measurement
    return {
        "row": m.row,
        "promise": m.promise,
        "limit": m.limit,
        "value": m.value,
        "pass": m.holds,
        "command": f"{_COMMAND}{m.test}",
        "date": line.date,
        "commit": line.commit,
        "seed": line.seed,
    }
