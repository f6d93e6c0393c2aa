"""The report keeps the latest measurement of each promise, and forgets no promise because a test failed."""

import dataclasses

from tests.chaos.report import Line, merge
from tests.reliability import Measurement


def line(row: int, test: str, value: str = "0 lost", *, promise: str = "nothing is lost", holds: bool = True) -> Line:
    return Line(Measurement(row, promise, "0 lost", value, holds, test), "2026-01-01", "abc", 1)


def test_what_a_test_measured_before_is_replaced_and_other_tests_keep_theirs() -> None:
    earlier, other = line(1, "a", "5 lost"), line(2, "b")
    now = line(1, "a")
    assert merge([earlier, other], [now], {"a"}, set()) == [now, other]


def test_a_promise_that_a_failed_test_did_not_come_to_measure_does_not_hold() -> None:
    first, second = line(1, "a", promise="one"), line(2, "a", promise="two")
    now = dataclasses.replace(first, commit="def")
    merged = merge([first, second], [now], {"a"}, {"a"})
    assert [kept.measurement.holds for kept in merged] == [True, False]
    assert merged[0] is now
    assert "failed" in merged[1].measurement.value


def test_lines_are_in_the_order_of_their_rows() -> None:
    assert [kept.measurement.row for kept in merge([], [line(9, "a"), line(2, "b")], {"a", "b"}, set())] == [2, 9]
