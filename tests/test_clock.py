"""The clock: its own, or another one that it follows."""

import time

import pytest

from app import clock


@pytest.fixture(autouse=True)
def _own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_zero", None)


def test_by_itself_it_shows_the_time_of_this_machine() -> None:
    assert abs(clock.unix() - time.time()) < 1
    assert abs(clock.now().timestamp() - time.time()) < 1


def follow(at: float, took: float = 0.0) -> float:
    answered = time.monotonic()
    return clock.follow(at, answered - took, answered)


def test_a_clock_that_follows_another_shows_its_time_and_goes_on_with_it() -> None:
    ahead = follow(1_000_000.0)
    assert ahead == pytest.approx(time.time() - 1_000_000, abs=1)
    assert clock.unix() == pytest.approx(1_000_000, abs=1)
    before = clock.unix()
    time.sleep(0.01)
    assert 0.01 <= clock.unix() - before < 1


def test_a_clock_that_follows_another_does_not_jump_with_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    follow(1_000_000.0)
    monkeypatch.setattr(time, "time", lambda: 5.0)
    assert clock.unix() == pytest.approx(1_000_000, abs=1)


def test_an_answer_that_took_long_does_not_set_a_clock_that_may_be_right() -> None:
    follow(1_000_000.0)
    before = clock.unix()
    follow(1_000_000.0 - 0.2, took=0.4)
    assert clock.unix() >= before
    follow(1_000_000.0 - 5, took=0.4)
    assert clock.unix() < before


def test_a_clock_that_is_right_is_not_set_at_all() -> None:
    zero = time.time() - time.monotonic()
    answered = time.monotonic()
    clock.follow(zero + answered - 0.1, answered - 0.3, answered)
    assert clock.unix() == pytest.approx(time.time(), abs=0.05)
