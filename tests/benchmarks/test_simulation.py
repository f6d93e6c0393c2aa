"""The simulation: it agrees with what was measured where its parameters come from, and with queueing theory."""

import inspect
import random
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import orjson
import pytest

from app.db.group_commit import GroupCommit
from app.settings import Settings
from benchmarks.simulation import tables
from benchmarks.simulation.__main__ import DOCUMENT, filled
from benchmarks.simulation.fit import NAMES, fitted, observed_in, with_observed
from benchmarks.simulation.kernel import Clock, Disk, Machine, Thread
from benchmarks.simulation.measure import line
from benchmarks.simulation.model import Layout, Result, Traffic, simulate
from benchmarks.simulation.parameters import FILE, Observed, Parameters, ParametersError, read, rewritten
from benchmarks.simulation.plan import MOST_PER_SERVER, POSTGRES_USE, USE, plan
from benchmarks.simulation.processes import MOST_IN_FLIGHT, POOL
from benchmarks.simulation.servers import LANES, MOST, Group
from benchmarks.simulation.validation import Comparison, comparisons, replay


@pytest.fixture(scope="module")
def parameters() -> Parameters:
    return read()[0]


@pytest.fixture(scope="module")
def compared() -> list[Comparison]:
    return list(comparisons(*read()))


def test_the_model_agrees_with_what_was_measured(compared: list[Comparison]) -> None:
    """Within the margins that docs/explanation/scaling.md states: 20 % of rates, 25 % of CPU, 45 % of median times."""
    assert {c.load for c in compared} == set(NAMES)
    assert {c.margin for c in compared} == {0.20, 0.25, 0.45}
    wrong = [
        f"{c.load}, {c.figure}: {c.measured:.2f}, not {c.simulated:.2f} {c.unit}" for c in compared if not c.agrees
    ]
    assert wrong == []


def test_the_document_shows_this_comparison_and_these_costs(compared: list[Comparison]) -> None:
    text = DOCUMENT.read_text()
    found = {"validation": tables.validation(compared), "costs": tables.costs(FILE.read_text())}
    assert filled(text, found) == text, "run python -m benchmarks.simulation --write"


def test_a_document_without_a_place_for_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="no place for the table 'sizes'"):
        filled("<!-- figures: sizes -->", {"sizes": "| |"})


def test_the_model_repeats_the_defaults_of_the_code() -> None:
    defaults = inspect.signature(GroupCommit).parameters
    assert (defaults["lanes"].default, defaults["most"].default) == (LANES, MOST)
    fields = Settings.model_fields
    assert fields["worker_max_tasks"].default == MOST_IN_FLIGHT
    assert fields["db_pool_max_size"].default == 2 * POOL


def test_the_same_question_has_the_same_answer(parameters: Parameters) -> None:
    traffic = Traffic(rate=500, messages=200, seconds=10)
    assert simulate(Layout(), traffic, parameters) == simulate(Layout(), traffic, parameters)


@pytest.mark.parametrize("endpoints", [1, 5])
def test_everything_that_was_accepted_is_delivered_once(parameters: Parameters, endpoints: int) -> None:
    traffic = Traffic(connections=32, endpoints=endpoints, messages=1000, seconds=60)
    result = simulate(Layout(api=2, workers=3, shared_cores=4), traffic, parameters)
    assert result.backlog == 0
    assert result.accepted > 0
    # Each time until the last of them is known: what is missing would show in the ratio of both.
    accepted_in, delivered_in = 1000 / result.accepted, 1000 * endpoints / result.delivered
    assert accepted_in <= delivered_in < 60


def _hold(parameters: Parameters, rate: float, api: int, workers: int) -> Result:
    layout = Layout(api, workers, postgres_cores=8, receiver_median=0.01, receiver_p99=0.02)
    return simulate(layout, Traffic(rate=rate, seconds=0.7), parameters)


def test_what_is_full_leaves_a_backlog_and_another_process_removes_it(parameters: Parameters) -> None:
    slow = replace(parameters, worker_delivery=0.001)
    short = _hold(slow, 1300, api=1, workers=1)
    enough = _hold(slow, 1300, api=1, workers=3)
    assert short.backlog > 10 * max(1, enough.backlog)
    assert short.busiest_worker > 0.9
    assert enough.busiest_worker < 0.8


def test_fuller_batches_cost_postgres_less(parameters: Parameters) -> None:
    few = _hold(parameters, 4000, api=1, workers=2)
    many = _hold(parameters, 4000, api=8, workers=2)
    assert few.publish_batch > 1.5 * many.publish_batch
    assert few.postgres < many.postgres


def test_a_plan_leaves_room_and_splits_what_is_too_much_for_a_server(parameters: Parameters) -> None:
    small = plan(1000, parameters)
    assert (small.servers, small.api, small.workers) == (1, 1, 1)
    split = plan(6000, parameters, endpoints=5, most=2000)
    assert split.servers == 3
    assert split.result.delivered == pytest.approx(2000, rel=0.1)
    for size in (small, split):
        assert size.result.api <= USE * size.api / size.servers
        assert size.result.workers <= USE * size.workers / size.servers
        assert size.result.postgres <= POSTGRES_USE * size.postgres_cores
    assert MOST_PER_SERVER == 25_000, "docs/explanation/scaling.md names it"


# The kernel


def _arrivals(clock: Clock, rate: float, count: int, arrive: Callable[[], None]) -> None:
    rng, at = random.Random(4), 0.0
    for _ in range(count):
        at += rng.expovariate(rate)
        clock.after(at, arrive)


@pytest.mark.parametrize("use", [0.3, 0.6, 0.8])
def test_a_thread_with_random_arrivals_makes_them_wait_as_long_as_theory_says(use: float) -> None:
    """Pollaczek and Khinchine: with constant service, the mean wait is use / (2 (1 - use)) of it."""
    service, waits = 0.001, list[float]()
    clock = Clock()
    thread = Thread(Machine(clock, 1))

    def arrive() -> None:
        came = clock.now
        thread.do(service, lambda: waits.append(clock.now - came - service))

    _arrivals(clock, use / service, 40_000, arrive)
    clock.run(1e9, lambda: False)
    assert len(waits) == 40_000
    assert sum(waits) / len(waits) == pytest.approx(service * use / (2 * (1 - use)), rel=0.1)
    assert thread.used == pytest.approx(40_000 * service)


@pytest.mark.parametrize(("cores", "seconds"), [(1, 3.0), (2, 1.5), (3, 1.0)])
def test_threads_share_cores_in_slices(cores: int, seconds: float) -> None:
    clock, ended = Clock(), list[float]()
    machine = Machine(clock, cores)
    threads = [Thread(machine) for _ in range(3)]
    for thread in threads:
        thread.do(1.0, lambda: ended.append(clock.now))
    clock.run(100.0, lambda: False)
    # All end late: none of them waits for another's end.
    assert ended == pytest.approx([seconds] * 3, abs=0.01)
    assert [thread.used for thread in threads] == pytest.approx([1.0] * 3)


def test_waking_costs_once_for_whatever_is_done_until_the_thread_is_idle_again() -> None:
    clock = Clock()
    thread = Thread(Machine(clock, 1), wake=0.5)
    thread.do(1.0, lambda: thread.do(1.0, lambda: None))
    clock.after(10.0, lambda: thread.do(1.0, lambda: None))
    clock.run(100.0, lambda: False)
    assert thread.used == pytest.approx(3.0 + 2 * 0.5)


def test_a_flush_takes_along_whoever_asked_before_it_began() -> None:
    clock, done = Clock(), list[tuple[str, float]]()
    disk = Disk(clock, lambda: 1.0, bytes_per_second=1000.0)
    disk.commit(0.0, lambda: done.append(("first", clock.now)))

    def join(name: str) -> None:
        disk.commit(250.0, lambda: done.append((name, clock.now)))

    for name in ("second", "third"):
        clock.after(0.5, partial(join, name))
    clock.run(100.0, lambda: False)
    assert done == [("first", 1.0), ("second", 2.5), ("third", 2.5)]
    assert (disk.flushes, disk.written, disk.busy_for) == (2, 500.0, 2.5)


def test_the_group_commit_gathers_while_its_lanes_are_busy() -> None:
    clock, batches = Clock(), list[tuple[float, int]]()

    def write(batch: list[int], ended: Callable[[], None]) -> None:
        batches.append((clock.now, len(batch)))
        clock.after(1.0, ended)

    group: Group[int] = Group(clock, Thread(Machine(clock, 1)), write)
    for at in (0.0, 0.1, 0.2, 0.3, 0.4):
        clock.after(at, lambda: group.put(1))
    clock.run(100.0, lambda: False)
    assert batches == [(0.0, 1), (0.1, 1), (1.0, 3)]


# The parameters


def test_each_parameter_says_what_it_is_and_how_it_was_found() -> None:
    text = FILE.read_text()
    assert read(text)
    without = text.replace('how = "assumed"\n', "", 1)
    with pytest.raises(ParametersError, match=r"\[receiver_median\] does not say its how"):
        read(without)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[api_wake]", "[api_woke]", "api_wake, api_woke"),
        ("[api_ring]\nvalue", "[api_ring]\neach = 1\nfixed", "need `value`, or `fixed` and `each`: api_ring"),
        ('unit = "µs"', 'unit = "ms"', "in 'ms': use one of µs"),
    ],
)
def test_a_file_that_the_model_cannot_use_is_refused(old: str, new: str, says: str) -> None:
    with pytest.raises(ParametersError, match=re.escape(says)):
        read(FILE.read_text().replace(old, new, 1))


def test_measured_figures_replace_numbers_and_leave_words() -> None:
    text = FILE.read_text()
    changed = rewritten(text, {"api_wake": {"value": 12.5}, "wal_record": {"fixed": 1234.4, "each": 0.0}})
    parameters, _ = read(changed)
    assert parameters.api_wake == pytest.approx(12.5e-6)
    assert (parameters.wal_record.fixed, parameters.wal_record.each) == (1234.0, 0.0)
    assert re.sub(r"[\d.]+", "", changed) == re.sub(r"[\d.]+", "", text)
    with pytest.raises(ParametersError, match=r"\[api_wake\] has no fixed"):
        rewritten(text, {"api_wake": {"fixed": 1.0}})


def test_observations_are_written_as_they_are_read() -> None:
    _, observed = read()
    changed = [replace(observed[0], p50_ms=1.25), *observed[1:]]
    assert read(with_observed(FILE.read_text(), changed))[1] == changed
    assert with_observed(FILE.read_text(), observed) == FILE.read_text()


def test_a_fitted_model_uses_the_cpu_that_was_observed(parameters: Parameters) -> None:
    _, observed = read()
    short = [replace(load, messages=600) for load in observed]
    truth = replace(parameters, api_request=2e-4, worker_delivery=1.2e-4, postgres_background=0.3, load_delivery=4e-5)
    wanted = [_as_observed(load, truth) for load in short]
    found = [_as_observed(load, fitted(parameters, wanted, cores=2)) for load in short[:2]]
    for load, target in zip(found, wanted, strict=False):
        measured = (load.api_us, load.worker_us, load.postgres_us, load.load_us)
        assert measured == pytest.approx(
            (target.api_us, target.worker_us, target.postgres_us, target.load_us), rel=0.15
        )


def _as_observed(load: Observed, truth: Parameters) -> Observed:
    """What `make bench` would report if the model with these costs were the truth."""
    result = replay(load, truth, 2)
    messages = result.delivered / load.endpoints
    api, worker, postgres, own = (
        cores / messages * 1e6 for cores in (result.api, result.workers, result.postgres, result.load)
    )
    return replace(load, api_us=api, worker_us=worker, postgres_us=postgres, load_us=own)


def _results(path: Path, *names: str, missing: int = 0) -> Path:
    """A result of `make bench`, as far as it is read."""
    load = {"messages": 100, "connections": 8, "endpoints": 2, "rate": 0.0}
    usage = [
        {"role": role, "cpu_cores": cores, "processes": processes}
        for role, cores, processes in (("api", 0.5, 1), ("worker", 0.25, 1), ("postgres", 0.2, 16))
    ]
    run = {"missing": missing, "errors": 0, "accepted_per_s": 1000.0, "delivered_per_s": 2000.0}
    run |= {"p50_ms": 3.0, "p99_ms": 9.0, "load_cpu_cores": 0.1}
    runs = [{"load": load | {"name": name}, "processes": usage, **run} for name in names]
    scenarios = [{"machine": {"cores": 2}, "runs": [run]} for run in runs] + [{"machine": {"cores": 2}}]
    path.write_bytes(orjson.dumps({"scenarios": scenarios}))
    return path


def test_results_of_the_benchmark_become_costs_of_a_message(tmp_path: Path) -> None:
    first = _results(tmp_path / "first.json", *NAMES[:2], "200 ms receiver")
    observed, cores, connections = observed_in([first, _results(tmp_path / "second.json", *NAMES[2:])])
    assert [load.name for load in observed] == list(NAMES)
    assert (observed[0].api_us, observed[0].worker_us, observed[0].postgres_us) == (500.0, 250.0, 200.0)
    assert (cores, connections) == (2, 7)
    with pytest.raises(ValueError, match="no result of steady 600/s, steady 300/s"):
        observed_in([first])
    with pytest.raises(ValueError, match="did not hold"):
        observed_in([_results(tmp_path / "lost.json", *NAMES, missing=1)])


def test_a_line_through_points_of_a_line_is_that_line() -> None:
    assert line((rows, 200 + 7 * rows) for rows in (1, 4, 64, 256)) == pytest.approx((200, 7))
    assert line([(1, 10), (2, 10), (4, 9)])[1] == 0.0
