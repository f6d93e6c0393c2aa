"""What the benchmark counts."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.tally import Tally, percentile


def test_a_percentile_of_nothing_is_none() -> None:
    assert percentile([], 0.5) is None


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.0, 1.0), (0.5, 51.0), (0.99, 100.0), (1.0, 100.0)],
    ids=["least", "p50", "p99", "greatest"],
)
def test_percentiles_of_one_to_a_hundred_in_any_order(share: float, expected: float) -> None:
    values = [float(number) for number in range(1, 101)]
    random.Random(7).shuffle(values)
    assert percentile(values, share) == expected


@given(st.lists(st.floats(allow_nan=False), min_size=1), st.floats(0, 1))
def test_a_percentile_is_one_of_the_values_and_grows_with_the_share(values: list[float], share: float) -> None:
    found = percentile(values, share)
    least = percentile(values, 0.0)
    assert found is not None
    assert least is not None
    assert found in values
    assert found >= least


def _accepted(messages: int, endpoints: int) -> Tally:
    tally = Tally(messages, endpoints)
    tally.started = 10.0
    for seq in range(messages):
        tally.sent(seq, 10.0 + seq)
        tally.answered(seq, 10.25 + seq)
    return tally


def test_each_message_is_due_once_at_each_endpoint() -> None:
    tally = _accepted(3, 2)
    assert tally.missing() == 6
    tally.arrived(1, 0, 12.0)
    assert (tally.missing(), tally.delivered) == (5, 1)
    for seq in range(3):
        for endpoint in range(2):
            tally.arrived(seq, endpoint, 14.0)
    assert (tally.missing(), tally.delivered, tally.duplicates, tally.strays) == (0, 6, 1, 0)


def test_a_second_arrival_is_a_duplicate_and_changes_no_time() -> None:
    tally = _accepted(1, 1)
    tally.arrived(0, 0, 10.5)
    tally.arrived(0, 0, 99.0)
    assert (tally.duplicates, tally.delivered, tally.last_arrival) == (1, 1, 10.5)
    assert list(tally.latencies()) == [0.5]


def test_latency_runs_from_the_message_own_sending() -> None:
    tally = _accepted(3, 1)
    tally.arrived(2, 0, 12.125)
    assert list(tally.latencies()) == [0.125]
    assert list(tally.answer_times()) == [0.25, 0.25, 0.25]


@pytest.mark.parametrize(
    ("seq", "endpoint"), [(-1, 0), (3, 0), (0, -1), (0, 2), (2, 0)], ids=["no seq", "seq", "no path", "path", "unsent"]
)
def test_what_no_message_explains_is_a_stray_and_no_delivery(seq: int, endpoint: int) -> None:
    tally = Tally(3, 2)
    for sent in range(2):
        tally.sent(sent, 1.0)
    tally.arrived(seq, endpoint, 2.0)
    assert (tally.strays, tally.delivered) == (1, 0)


def test_a_message_that_was_not_accepted_is_an_error_and_not_missing() -> None:
    tally = Tally(2, 2)
    for seq in range(2):
        tally.sent(seq, 1.0)
    tally.failed("503 the database cannot be reached", 1.5)
    tally.failed("something later", 1.6)
    tally.answered(1, 1.5)
    assert (tally.errors, tally.first_error) == (2, "503 the database cannot be reached")
    assert tally.missing() == 2
    tally.arrived(1, 0, 2.0)
    tally.arrived(0, 1, 2.0)
    assert tally.missing() == 1
