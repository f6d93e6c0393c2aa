"""`python -m benchmarks`: the load on loopback, against a throw-away Postrider or a running one."""

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn
from urllib.parse import urlsplit

import typer
from rich.console import Console

from app.cli.process import CannotRun
from app.clock import now
from benchmarks.backlog import DEFAULT_ROWS
from benchmarks.document import DATA, DOCUMENT, write_document
from benchmarks.flame import record_flames
from benchmarks.growth import SIZES
from benchmarks.load import DEFAULT_MESSAGES, QUICK_MESSAGES, Load, standard_loads
from benchmarks.processes import supervisor_of
from benchmarks.report import Report
from benchmarks.run import RunError, Target
from benchmarks.scenarios import ALL, DEFAULT, QUICK_ENOUGH, Outcome, Plan, measure_all

_RESULTS = Path(__file__).resolve().parent / "results"


def bench(
    scenario: Annotated[
        list[str] | None,
        typer.Option("-s", "--scenario", help=f"{', '.join(ALL)}, or all (without growth); may be repeated."),
    ] = None,
    n: Annotated[
        int | None, typer.Option("-n", min=1, help=f"Messages; else {DEFAULT_MESSAGES}. Half with five endpoints.")
    ] = None,
    c: Annotated[int | None, typer.Option("-c", min=1, max=10_000, help="Connections; else 64.")] = None,
    e: Annotated[int | None, typer.Option("-e", min=1, max=1000, help="Endpoints; else 1.")] = None,
    rate: Annotated[float | None, typer.Option(min=0.1, help="Messages per second; else as many as it takes.")] = None,
    delay: Annotated[float | None, typer.Option(min=0, help="Milliseconds that the receiver takes.")] = None,
    fail: Annotated[float | None, typer.Option(min=0, max=0.9, help="Share of the receiver's answers: 500.")] = None,
    idem: Annotated[bool, typer.Option("--idem", help="Send an idempotency key with each message.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help=f"{QUICK_MESSAGES} messages, all verified.")] = False,
    rows: Annotated[
        int | None, typer.Option(min=1000, help=f"The backlog, else {DEFAULT_ROWS:,}; the largest size of growth.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="A running server, instead of a throw-away one.")] = None,
    token: Annotated[str | None, typer.Option(help="A token of the server at --url.")] = None,
    charts: Annotated[bool, typer.Option("--charts", help=f"Write {DOCUMENT.name}, its figures and charts.")] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Write flame graphs of API and worker.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Measure Postrider: one endpoint, five, a steady rate, a slow receiver; other scenarios by name; or one run of
    your own with -c, -e, --rate, --delay or --fail. Exit code 1 if anything is missing, refused, or wrongly signed."""
    target, names = _target(url, token), _names(scenario)
    loads = standard_loads(n, quick=quick, idempotent=idem)
    is_own = any(option is not None for option in (c, e, rate, delay, fail))
    if charts and (is_own or n or quick or idem or target):
        raise typer.BadParameter("--charts shows the scenarios as they are: leave the options that change them out")
    if is_own:
        count = n or (QUICK_MESSAGES if quick else DEFAULT_MESSAGES)
        own = _own_load(count, c or 64, e or 1, rate or 0.0, (delay or 0.0) / 1000, fail or 0.0, idem, quick)
        loads, names = {"own": own}, ("own",)
    signal.signal(signal.SIGTERM, _terminated)
    started = now()
    path = _RESULTS / f"{started:%Y%m%dT%H%M%S.%f}Z.json"
    sizes = [size for size in SIZES if size < rows] + [rows] if rows else SIZES
    plan = Plan(names, loads, path.with_suffix(".log"), rows or DEFAULT_ROWS, sizes, target)
    outcomes, failed = _measure(plan, profile)
    report = Report(started, url or "throw-away", outcomes)
    if outcomes:
        _keep(report, path, charts, json)
    raise typer.Exit(0 if report.holds and not failed else 1)


def _measure(plan: Plan, profile: bool) -> tuple[list[Outcome], bool]:
    """What was measured before anything failed, and whether something did."""
    outcomes: list[Outcome] = []
    try:
        with Console(stderr=True).status("starting") as status:
            if profile:
                print(*record_flames(plan.log, status.update), sep="\n")
            else:
                outcomes.extend(measure_all(plan, status.update))
    except (RunError, CannotRun) as error:
        print(f"bench: {error}", file=sys.stderr)
        return outcomes, True
    return outcomes, False


def _keep(report: Report, path: Path, charts: bool, json: bool) -> None:
    """Saves what was measured, even if what came after it failed, and shows it."""
    report.save(path)
    if charts and report.holds:
        report.save_each(DATA)
        write_document()
    _show(report, path, json)


def _target(url: str | None, token: str | None) -> Target | None:
    """The running server that is to be measured, if one is named. BadParameter if it is named in part."""
    if (url is None) != (token is None):
        raise typer.BadParameter("--url and --token go together")
    if url is None or token is None:
        return None
    if urlsplit(url).scheme != "http":
        raise typer.BadParameter("--url must begin with http://")
    return Target(url, token, _local_pids(url))


def _names(scenario: list[str] | None) -> Sequence[str]:
    """BadParameter for a name that is none."""
    if not scenario:
        return DEFAULT
    if scenario == ["all"]:
        return QUICK_ENOUGH
    for name in scenario:
        if name not in ALL:
            raise typer.BadParameter(f"there is no scenario {name}: choose of {', '.join(ALL)}, or all")
    return scenario


def _show(report: Report, path: Path, json: bool) -> None:
    if json:
        sys.stdout.buffer.write(report.as_json())
        return
    console = Console() if sys.stdout.isatty() else Console(width=120)
    report.print(console)
    console.print(f"Figures: {path}", style="dim", soft_wrap=True)
    if path.with_suffix(".log").exists():
        console.print(f"The server's log: {path.with_suffix('.log')}", style="dim", soft_wrap=True)


def _own_load(
    messages: int, connections: int, endpoints: int, rate: float, delay: float, fail: float, idem: bool, quick: bool
) -> Load:
    parts = [f"{endpoints} endpoint{'s' if endpoints > 1 else ''}"]
    parts += [f"{rate:g}/s"] if rate else []
    parts += [f"{delay * 1000:g} ms"] if delay else []
    parts += [f"{fail:.0%} fail"] if fail else []
    every = 1 if quick else 16
    return Load(", ".join(parts), messages, connections, endpoints, rate, delay, fail, idem, every)


def _local_pids(url: str) -> tuple[int, ...]:
    parts = urlsplit(url)
    if parts.hostname not in {"127.0.0.1", "localhost", "::1"}:
        return ()
    supervisor = supervisor_of(parts.port or 80)
    return () if supervisor is None else (supervisor,)


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    """SIGTERM ends the run like Ctrl-C does: the throw-away server is stopped and removed."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    typer.run(bench)
