"""An endpoint that fails nearly always is as cheap as one that fails always."""

import random

import pytest

from app.delivery.breaker import HEALTHY, Breaker, BreakerPolicy, Change
from app.delivery.outcome import Delivered, Refused

OK = Delivered(200, b"", False, 5)
BROKEN = Refused(500, b"", False, 5, None)
NOW = 1_795_000_000.0


def breaker() -> Breaker:
    return Breaker(BreakerPolicy(), random.Random(7), NOW)


def said(of: Breaker, seconds: float, every: float, succeeds: int, begin: float = 0.0) -> list[tuple[float, Change]]:
    """What changes while each attempt but every so many-th fails, for so long."""
    changes = []
    for n in range(1, round(seconds / every)):
        at = begin + n * every
        change = of.record(BROKEN if n % succeeds else OK, NOW + at)
        if change is not None:
            changes.append((at, change))
    return changes


@pytest.mark.parametrize(
    ("every", "succeeds", "opens"),
    [
        (0.1, 10, True),
        (0.1, 5, True),  # 80 %
        (0.1, 4, False),
        (1.0, 6, True),
        (4.0, 6, False),  # fewer than twenty attempts a minute
    ],
)
def test_many_failures_among_few_successes_open_it(every: float, succeeds: int, opens: bool) -> None:
    changes = said(breaker(), 300, every, succeeds)
    assert (changes != []) is opens
    if opens:
        assert changes[0][1] == "opened"
        assert 30 <= changes[0][0] < 32


def test_what_was_sent_before_it_opened_does_not_close_it() -> None:
    one = breaker()
    ((opened_at, _),) = said(one, 30.25, 0.1, 10)
    assert one.record(Delivered(200, b"", False, 3000), NOW + opened_at + 2) is None
    assert one.state.opened_at == NOW + opened_at
    assert one.record(OK, NOW + opened_at + 2) == "closed"


def test_after_a_lucky_probe_twenty_attempts_open_it_again() -> None:
    one = breaker()
    ((opened_at, _),) = said(one, 30.25, 0.1, 10)
    one.record(OK, NOW + opened_at + 20)
    begin = opened_at + 20
    ((reopened_at, change),) = said(one, 2.25, 0.1, 10, begin)
    assert change == "opened"
    assert reopened_at - begin == pytest.approx(2.1)


def test_a_recovered_one_is_judged_as_ever_after_a_minute() -> None:
    one = breaker()
    ((opened_at, _),) = said(one, 30.25, 0.1, 10)
    begin = opened_at + 20
    one.record(OK, NOW + begin)
    for n in range(1, 700):
        assert one.record(OK, NOW + begin + n / 10) is None
    assert said(one, 5, 0.1, 10, begin + 70) == []


def test_what_failed_long_ago_is_forgotten() -> None:
    one = breaker()
    assert said(one, 25, 0.1, 10) == []
    one.record(OK, NOW + 30)
    assert said(one, 29, 0.1, 10, 100) == []
    assert one.state.opened_at is None


def test_a_change_of_the_endpoint_begins_a_new_count() -> None:
    one = breaker()
    said(one, 30.25, 0.1, 10)
    one.forget(NOW + 31)
    assert one.state == HEALTHY
    assert said(one, 25, 0.1, 10, 31) == []


def test_an_hour_of_ninety_percent_failures_costs_a_few_attempts_a_minute() -> None:
    """With a backlog, and sixteen requests at once that take 50 ms."""
    one, rng = breaker(), random.Random(3)
    attempts, now = 0, 0.0
    minute = [0] * 61
    while now < 3600:
        wait = one.may_send(NOW + now)
        if wait > 0:
            now += wait
            continue
        for _ in range(16 if one.state.opened_at is None else 1):
            if one.state.opened_at is not None:
                one.probe(NOW + now)
            attempts += 1
            minute[int(now // 60)] += 1
            one.record(OK if rng.random() < 0.1 else BROKEN, NOW + now + 0.05)
        now += 0.05
    assert minute[0] > 5_000, "at first nobody knows"
    assert attempts - minute[0] < 59 * 30
