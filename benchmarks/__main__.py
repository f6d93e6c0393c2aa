"""`python -m benchmarks`: the load on loopback, against a throw-away Postrider or a running one."""

import signal
import sys
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn
from urllib.parse import urlsplit

import typer
import uvloop
from rich.console import Console
from rich.status import Status

from app.cli.process import CannotRun
from app.clock import now
from benchmarks.load import DEFAULT_MESSAGES, QUICK_MESSAGES, Load, standard_loads
from benchmarks.processes import supervisor_of
from benchmarks.report import Report
from benchmarks.run import Figures, RunError, Target, measure
from benchmarks.servers import ThrowAway
from benchmarks.tally import Tally

_RESULTS = Path(__file__).resolve().parent / "results"
_WARM_UP = Load("warm-up", 200, 16)


def bench(
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
    url: Annotated[str | None, typer.Option(help="A running server, instead of a throw-away one.")] = None,
    token: Annotated[str | None, typer.Option(help="A token of the server at --url.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Measure Postrider: one endpoint, five endpoints, a steady 600 messages/s; or one run of your own with -c, -e,
    --rate, --delay or --fail. Exit code 1 if anything is missing, refused, or wrongly signed."""
    if (url is None) != (token is None):
        raise typer.BadParameter("--url and --token go together")
    if url is not None and urlsplit(url).scheme != "http":
        raise typer.BadParameter("--url must begin with http://")
    loads = standard_loads(n, quick=quick, idempotent=idem)
    if any(option is not None for option in (c, e, rate, delay, fail)):
        count = n or (QUICK_MESSAGES if quick else DEFAULT_MESSAGES)
        loads = (_own_load(count, c or 64, e or 1, rate or 0.0, (delay or 0.0) / 1000, fail or 0.0, idem, quick),)
    signal.signal(signal.SIGTERM, _terminated)
    started = now()
    path = _RESULTS / f"{started:%Y%m%dT%H%M%S.%f}Z.json"
    try:
        target = Target(url, token, _local_pid(url)) if url and token else None
        report = _measure_all(started, loads, target, path.with_suffix(".log"))
    except (RunError, CannotRun) as error:
        print(f"bench: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    report.save(path)
    if json:
        sys.stdout.buffer.write(report.as_json())
    else:
        console = Console() if sys.stdout.isatty() else Console(width=120)
        report.print(console)
        console.print(f"Figures: {path}", style="dim", soft_wrap=True)
        if target is None:
            console.print(f"The server's log: {path.with_suffix('.log')}", style="dim", soft_wrap=True)
    raise typer.Exit(0 if report.holds else 1)


def _own_load(
    messages: int, connections: int, endpoints: int, rate: float, delay: float, fail: float, idem: bool, quick: bool
) -> Load:
    parts = [f"{endpoints} endpoint{'s' if endpoints > 1 else ''}"]
    parts += [f"{rate:g}/s"] if rate else []
    parts += [f"{delay * 1000:g} ms"] if delay else []
    parts += [f"{fail:.0%} fail"] if fail else []
    every = 1 if quick else 16
    return Load(", ".join(parts), messages, connections, endpoints, rate, delay, fail, idem, every)


def _measure_all(started: datetime, loads: tuple[Load, ...], target: Target | None, log: Path) -> Report:
    """RunError or CannotRun if a server or a run cannot be started."""
    system = None
    with ExitStack() as stack:
        status = stack.enter_context(Console(stderr=True).status("starting a throw-away Postrider"))
        if target is None:
            server = stack.enter_context(ThrowAway(log, retries=any(load.fail for load in loads)))
            target, system = server.target, server.file_system
        status.update("warming up")
        warm_up = uvloop.run(measure(_WARM_UP, target))
        if not warm_up.holds:
            return Report(started, target.url, system, [warm_up])
        runs: list[Figures] = [_measure_one(load, target, status) for load in loads]
        return Report(started, target.url, system, runs)


def _measure_one(load: Load, target: Target, status: Status) -> Figures:
    def progress(tally: Tally) -> None:
        status.update(
            f"{load.name}: {tally.accepted:,} of {tally.messages:,} accepted, "
            f"{tally.delivered:,} of {tally.pairs:,} delivered"
        )

    status.update(load.name)
    return uvloop.run(measure(load, target, progress))


def _local_pid(url: str) -> int | None:
    parts = urlsplit(url)
    if parts.hostname not in {"127.0.0.1", "localhost", "::1"}:
        return None
    return supervisor_of(parts.port or 80)


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    """SIGTERM ends the run like Ctrl-C does: the throw-away server is stopped and removed."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    typer.run(bench)
