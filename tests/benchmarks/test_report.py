"""What the benchmark says, and when it fails."""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.load import Load, standard_loads
from benchmarks.processes import Usage
from benchmarks.report import Report, shortcomings
from benchmarks.run import Figures

GOOD = Figures(
    load=Load("1 endpoint", 1000, 64),
    accepted=1000,
    delivered=1000,
    accepted_per_s=4321.0,
    delivered_per_s=4210.0,
    p50_ms=3.6,
    p99_ms=10.4,
    answer_p50_ms=2.0,
    answer_p99_ms=5.0,
    missing=0,
    duplicates=2,
    strays=0,
    verified=62,
    bad_signatures=0,
    errors=0,
    first_error=None,
    load_cpu_cores=0.2,
    load_cpu_us_per_message=45.0,
    processes=[Usage("api", 1, 80.5, 0.9), Usage("postgres", 12, 301.0, 0.5)],
)
STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_run_with_duplicates_only_holds() -> None:
    assert GOOD.holds
    assert shortcomings(GOOD) == []


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        (replace(GOOD, missing=3), "3 deliveries"),
        (replace(GOOD, errors=2, first_error="503 later"), "503 later"),
        (replace(GOOD, bad_signatures=1), "1 of 62 verified"),
        (replace(GOOD, strays=4), "4 requests"),
    ],
    ids=["missing", "errors", "signatures", "strays"],
)
def test_anything_missing_wrong_or_unexplained_fails_the_report_and_is_said(bad: Figures, word: str) -> None:
    report = Report(STARTED, "http://127.0.0.1:1", "ext4", [GOOD, bad])
    out = io.StringIO()
    report.print(Console(file=out, width=200))
    assert not report.holds
    assert word in out.getvalue()


def test_the_tables_show_speed_honesty_memory_and_the_loads_own_share() -> None:
    out = io.StringIO()
    Report(STARTED, "http://127.0.0.1:1", "ext4", [GOOD]).print(Console(file=out, width=80))
    text = out.getvalue()
    for figure in (
        "4,321",
        "4,210",
        "3.6",
        "10.4",
        "0 of 62",
        "80 MiB",
        "postgres (12 processes)",
        "301 MiB",
        "20% (1 endpoint)",
    ):
        assert figure in text


def test_no_figure_is_cut_off_on_a_narrow_terminal() -> None:
    slow = replace(GOOD, p99_ms=123_456.7, load=replace(GOOD.load, name="5 endpoints, 600/s, 200 ms, 20% fail"))
    out = io.StringIO()
    Report(STARTED, "http://127.0.0.1:1", "ext4", [slow] * 3).print(Console(file=out, width=80))
    assert "…" not in out.getvalue()


def test_data_on_tmpfs_is_pointed_out() -> None:
    out = io.StringIO()
    Report(STARTED, "http://127.0.0.1:1", "tmpfs", [GOOD]).print(Console(file=out, width=200))
    assert "fsync costs nothing" in out.getvalue()


def test_the_saved_file_holds_every_figure(tmp_path: Path) -> None:
    path = tmp_path / "results" / "run.json"
    Report(STARTED, "http://127.0.0.1:1", "ext4", [GOOD]).save(path)
    saved = json.loads(path.read_text())
    assert saved["holds"] is True
    assert saved["started_at"] == "2026-01-02T03:04:05+00:00"
    assert saved["runs"][0]["delivered_per_s"] == 4210.0
    assert saved["runs"][0]["load"]["connections"] == 64
    assert saved["runs"][0]["processes"][1] == {
        "role": "postgres",
        "processes": 12,
        "peak_mib": 301.0,
        "cpu_cores": 0.5,
    }


def test_the_standard_loads_are_one_endpoint_five_endpoints_and_a_steady_rate() -> None:
    one, five, steady = standard_loads()
    assert (one.connections, one.endpoints, one.rate) == (64, 1, 0)
    assert (five.connections, five.endpoints, five.rate) == (64, 5, 0)
    assert (steady.connections, steady.endpoints, steady.rate) == (16, 1, 600)


def test_a_quick_run_is_small_and_verifies_every_signature() -> None:
    assert all(load.messages <= 400 and load.verify_every == 1 for load in standard_loads(quick=True))
