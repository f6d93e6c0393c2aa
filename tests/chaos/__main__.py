"""`python -m tests.chaos`: run the long fault tests, print what they measure, and write the report."""

import argparse
import os
import random
import subprocess
import sys
from time import monotonic

import pytest

from app import clock
from tests import reliability
from tests.chaos.report import DOCUMENT, ROOT, Line, merge, read, write


def main() -> int:
    """The exit code: 0 if every test passed and every promise held."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="repeat the random moments of an earlier run")
    parser.add_argument("--minutes", type=float, help="of the run that kills random processes for a time (3)")
    parser.add_argument("-k", dest="name", help="only the tests of that name (an expression of pytest)")
    parser.add_argument("paths", nargs="*", default=["tests"], help="where to look for tests")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    os.environ["CHAOS_SEED"] = str(seed)
    if options.minutes is not None:
        os.environ["CHAOS_MINUTES"] = str(options.minutes)
    print(f'seed {seed}: `make chaos ARGS="--seed {seed}"` repeats this run', flush=True)
    progress = Progress(seed)
    arguments = ["-m", "chaos or measured", "-q", "--no-header", "--tb=short", "-p", "no:cacheprovider", *options.paths]
    if options.name:
        arguments += ["-k", options.name]
    code = pytest.main(arguments, plugins=[progress])
    if progress.run:
        write(merge(read(), progress.lines, progress.run, progress.failed))
    print(f"seed {seed}; {len(progress.lines)} measurements, {len(progress.failed)} tests failed: {DOCUMENT}")
    return int(code) or int(any(not line.measurement.holds for line in progress.lines))


class Progress:
    """A plugin of pytest that listens to what is measured, and tells how far it is."""

    def __init__(self, seed: int) -> None:
        self.lines: list[Line] = []
        self.run: set[str] = set()
        self.failed: set[str] = set()
        self._seed = seed
        self._commit = _commit()
        self._began = monotonic()
        # While a test runs, pytest keeps what is written to the usual one.
        self._out = os.fdopen(os.dup(sys.__stdout__.fileno()), "w") if sys.__stdout__ else sys.stderr
        reliability.listeners.append(self._listen)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._tell(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.failed:
            self.run.add(report.nodeid)
        if report.failed:
            self.failed.add(report.nodeid)
            self._tell(f"FAILED {report.nodeid}")

    def _listen(self, measurement: reliability.Measurement) -> None:
        date = f"{clock.now():%Y-%m-%d}"
        self.lines.append(Line(measurement, date, self._commit, self._seed))
        verdict = "" if measurement.holds else "   DOES NOT HOLD"
        self._tell(f"  {measurement.row} {measurement.promise}: {measurement.value} ({measurement.limit}){verdict}")

    def _tell(self, text: str) -> None:
        print(f"\n{monotonic() - self._began:6.0f} s  {text}", end="", file=self._out, flush=True)


def _commit() -> str:
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    return told.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
