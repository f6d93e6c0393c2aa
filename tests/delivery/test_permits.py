"""Permits of one process: never more than it was given, each in its time, and soon as many as it can use."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.delivery.permits import AHEAD_SECONDS, Permits


def test_without_permits_nothing_is_sent_and_one_is_asked_for() -> None:
    permits = Permits("app_1", 10)
    assert (permits.room(100.0), permits.wait(100.0), permits.wanted(100.0)) == (0, 0.0, 1)
    assert not permits.take(100.0)


def test_a_permit_is_used_once_from_its_moment_on() -> None:
    permits = Permits("app_1", 10)
    permits.give(100.0, 0.1, 2, 0.0)
    assert (permits.room(100.09), permits.take(100.09)) == (0, False)
    assert permits.room(100.11) == 1
    assert permits.take(100.11)
    assert (permits.room(100.11), permits.take(100.11)) == (0, False)
    assert permits.take(100.21)


def test_a_permit_that_is_not_used_in_its_time_is_lost_and_less_is_asked_for() -> None:
    permits = Permits("app_1", 1000)
    for _ in range(5):
        permits.give(100.0, 0.0, permits.wanted(100.0) or 1, 0.0)
    assert permits.room(100.2) > 1
    assert permits.room(101.0) == 0
    assert permits.wanted(101.0) == 1


def test_who_uses_what_it_gets_is_soon_given_a_tenth_of_a_second_at_once() -> None:
    permits, now, asked = Permits("app_1", 1000), 100.0, []
    for _ in range(12):
        wanted = permits.wanted(now)
        asked.append(wanted)
        permits.give(now, 0.0, wanted, 0.0)
        now += 0.11
        while permits.take(now):
            pass
    assert asked == [1, 2, 4, 8, 16, 32, 64, 100, 100, 100, 100, 100]


def test_it_does_not_ask_before_there_can_be_more_nor_while_it_has_enough() -> None:
    permits = Permits("app_1", 10)
    permits.give(100.0, 0.0, 0, 0.3)
    assert (permits.wanted(100.2), round(permits.wait(100.2), 3)) == (0, 0.1)
    assert permits.wanted(100.31) == 1
    permits.give_nothing(100.31)
    assert permits.wanted(101.0) == 0
    assert permits.wanted(101.32) == 1
    permits.give(101.32, 0.5, 1, 0.0)
    assert (permits.wanted(101.4), round(permits.wait(101.4), 3)) == (0, 0.42)


def test_a_rate_that_changes_changes_the_distance_of_permits() -> None:
    permits = Permits("app_1", 10)
    before = permits.interval
    permits.per_second = 20
    assert permits.interval == before / 2


@given(
    rate=st.sampled_from([1, 3, 20, 500, 65_535]),
    processes=st.integers(1, 4),
    gaps=st.lists(st.floats(0.0005, 0.4), min_size=10, max_size=150),
)
# Its bounds are of time: while others compute, they would say something of those.
@pytest.mark.alone
def test_however_many_processes_ask_whenever_ten_seconds_never_see_more_than_the_rate(
    rate: int, processes: int, gaps: list[float]
) -> None:
    all_permits = [Permits("app_1", rate) for _ in range(processes)]
    due, now, sent = 1000.0, 1000.0, list[float]()
    for number, gap in enumerate(gaps):
        now += gap
        permits = all_permits[number % processes]
        if wanted := permits.wanted(now):
            # As the database gives them out.
            first = min(max(due, now - 0.1), now + AHEAD_SECONDS + permits.interval)
            count = max(min(wanted, int((now + AHEAD_SECONDS - first) // permits.interval) + 1), 0)
            due = first + count * permits.interval if count else due
            permits.give(now, first - now, count, first - now + count * permits.interval - AHEAD_SECONDS)
        while len(sent) < 5000 and permits.take(now):
            sent.append(now)
    for begin in sent[:: max(1, len(sent) // 50)]:
        assert sum(begin <= at < begin + 10 for at in sent) <= 10 * rate + 1
        assert sum(begin <= at < begin + 1 for at in sent) <= 1.3 * rate + 1
        assert sum(at == begin for at in sent) <= rate
