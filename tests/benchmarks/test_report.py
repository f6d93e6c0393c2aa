"""What the benchmark says, and when it fails."""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.load import Load, standard_loads
from benchmarks.machine import Machine
from benchmarks.processes import Usage
from benchmarks.report import Report, shortcomings
from benchmarks.run import PERCENTILES, Figures
from benchmarks.saved import read_all
from benchmarks.scenarios import DEFAULT, Outcome

GOOD = Figures(
    load=Load("1 endpoint", 1000, 64),
    accepted=1000,
    delivered=1000,
    accepted_per_s=4321.0,
    delivered_per_s=4210.0,
    p50_ms=3.6,
    p90_ms=5.5,
    p99_ms=10.4,
    percentiles_ms=[1.0] * len(PERCENTILES),
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
    cpu_us_per_message={"api": 140.0, "postgres": 71.0, "load": 45.0},
    processes=[Usage("api", 1, 80.5, 0.9, 0.14), Usage("postgres", 12, 301.0, 0.5, 0.07)],
)
MACHINE = Machine(2, "Some CPU", 24.0, "Linux 6", "3.11.7", "ext4", "18.6", "on", "on")


def report_of(*runs: Figures, machine: Machine = MACHINE) -> Report:
    return Report(STARTED, "http://127.0.0.1:1", [Outcome("one", machine, runs)])


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
    report = report_of(GOOD, bad)
    out = io.StringIO()
    report.print(Console(file=out, width=200))
    assert not report.holds
    assert word in out.getvalue()


def test_the_tables_show_speed_honesty_memory_and_the_loads_own_share() -> None:
    out = io.StringIO()
    report_of(GOOD).print(Console(file=out, width=80))
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
        "140",
        "fsync on",
    ):
        assert figure in text


def test_no_figure_is_cut_off_on_a_narrow_terminal() -> None:
    slow = replace(GOOD, p99_ms=123_456.7, load=replace(GOOD.load, name="5 endpoints, 600/s, 200 ms, 20% fail"))
    out = io.StringIO()
    report_of(slow, slow, slow).print(Console(file=out, width=80))
    assert "…" not in out.getvalue()


def test_data_on_tmpfs_is_pointed_out() -> None:
    out = io.StringIO()
    report_of(GOOD, machine=replace(MACHINE, file_system="tmpfs")).print(Console(file=out, width=200))
    assert "fsync costs nothing" in out.getvalue()


def test_the_saved_file_holds_every_figure(tmp_path: Path) -> None:
    path = tmp_path / "results" / "run.json"
    report_of(GOOD).save(path)
    saved = json.loads(path.read_text())
    assert saved["holds"] is True
    scenario = saved["scenarios"][0]
    assert scenario["started_at"] == "2026-01-02T03:04:05+00:00"
    assert scenario["machine"]["fsync"] == "on"
    assert scenario["runs"][0]["delivered_per_s"] == 4210.0
    assert scenario["runs"][0]["load"]["connections"] == 64
    assert scenario["runs"][0]["cpu_us_per_message"]["postgres"] == 71.0
    assert scenario["runs"][0]["processes"][1]["peak_mib"] == 301.0


def test_each_scenario_is_saved_on_its_own_and_read_back_as_it_was(tmp_path: Path) -> None:
    outcomes = [Outcome("one", MACHINE, [GOOD]), Outcome("five", MACHINE, [replace(GOOD, duplicates=0)])]
    Report(STARTED, "throw-away", outcomes).save_each(tmp_path)
    saved = read_all(tmp_path)
    assert {name: one.outcome for name, one in saved.items()} == {one.scenario: one for one in outcomes}
    assert saved["one"].stamp.started_at == STARTED


def test_the_standard_loads_are_one_endpoint_five_steady_rates_and_a_slow_receiver() -> None:
    loads = standard_loads()
    one, five, slow = loads["one"], loads["five"], loads["slow"]
    assert (one.connections, one.endpoints, one.rate) == (64, 1, 0)
    assert (five.connections, five.endpoints, five.rate) == (64, 5, 0)
    assert [loads[name].rate for name in ("steady-600", "steady-300")] == [600, 300]
    assert (slow.connections, slow.delay) == (64, 0.2)


def test_what_make_bench_measures_by_default_exists() -> None:
    assert set(DEFAULT) == set(standard_loads())


def test_a_quick_run_is_small_and_verifies_every_signature() -> None:
    loads = standard_loads(quick=True)
    assert all(load.messages <= 800 and load.verify_every == 1 for load in loads.values())


def test_what_idempotency_keys_cost_is_the_ratio_of_the_medians() -> None:
    keyed = replace(GOOD, load=replace(GOOD.load, idempotent=True))
    runs = [replace(GOOD, delivered_per_s=rate) for rate in (1.0, 1_000.0, 1_000.0)]
    runs += [replace(keyed, delivered_per_s=rate) for rate in (900.0, 900.0, 9_000.0)]
    outcome = Outcome("keys", MACHINE, runs)
    assert outcome.ratio_with_keys == 0.9
    assert Outcome("one", MACHINE, runs[:3]).ratio_with_keys is None
    out = io.StringIO()
    Report(STARTED, "throw-away", [outcome]).print(Console(file=out, width=120))
    assert "90.0%" in out.getvalue()
    (scenario,) = json.loads(Report(STARTED, "throw-away", [outcome]).as_json())["scenarios"]
    assert scenario["ratio_with_keys"] == 0.9
