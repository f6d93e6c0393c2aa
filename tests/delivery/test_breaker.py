"""An endpoint that fails steadily costs a few probes a minute, resumes by itself, and is given up in the end."""

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.delivery.breaker import HEALTHY, Breaker, BreakerPolicy, BreakerState, Change
from app.delivery.outcome import Blocked, Delivered, Outcome, Refused, Unreachable

OK = Delivered(200, b"", False, 5)
BROKEN = Refused(500, b"", False, 0, None)
REFUSED = Unreachable("connect", "", 0)
NOW = 1_795_000_000.0
FAILING = BreakerState(opened_at=NOW, first_failure_at=NOW - 60, consecutive_failures=12)


def timeout(seconds: float) -> Unreachable:
    return Unreachable("timeout", "", round(seconds * 1000))


def breaker(state: BreakerState = HEALTHY, disable_after: float | None = None, now: float = NOW) -> Breaker:
    return Breaker(BreakerPolicy(disable_after=disable_after), random.Random(7), now, state)


def changes(of: Breaker, outcomes: list[tuple[float, Outcome]]) -> list[Change | None]:
    return [of.record(outcome, NOW + at) for at, outcome in outcomes]


@pytest.mark.parametrize(
    ("outcomes", "opened"),
    [
        ([(3.5 * n, BROKEN) for n in range(10)], True),
        ([(3.5 * n, REFUSED) for n in range(10)], True),
        ([(3.5 * n, Blocked("address", "", 0)) for n in range(10)], True),
        ([(3.5 * n, Unreachable("sender", "", 0)) for n in range(30)], False),
        ([(3.5 * n, BROKEN) for n in range(9)], False),  # too few
        ([(0.1 * n, BROKEN) for n in range(200)], False),  # too short a time
        ([(0.1 * n, BROKEN) for n in range(301)], True),
        ([(30 + 0.01 * n, timeout(30)) for n in range(10)], True),  # ten that hung for half a minute
        ([(30 + 0.01 * n, timeout(30)) for n in range(9)], False),
        ([(29.9, OK)] + [(30 + 0.01 * n, timeout(30)) for n in range(10)], False),  # others went through meanwhile
        ([(3.5 * n, OK if n == 5 else BROKEN) for n in range(15)], False),
        ([(3.5 * n, OK if n == 5 else BROKEN) for n in range(16)], True),
        ([(3.5 * n, BROKEN if n % 9 else OK) for n in range(200)], False),
    ],
)
def test_only_steady_failure_opens_it(outcomes: list[tuple[float, Outcome]], opened: bool) -> None:
    one = breaker()
    said = changes(one, outcomes)
    last = NOW + outcomes[-1][0]
    assert (said.count("opened"), said.count(None)) == (opened, len(said) - opened)
    assert (one.state.opened_at == last) is opened
    assert (one.may_send(last) > 0) is opened


def test_an_open_one_lets_a_few_probes_a_minute_through() -> None:
    one, probes = breaker(FAILING), list[float]()
    for tick in range(6000):
        now = NOW + tick / 10
        if one.may_send(now) == 0.0:
            one.probe(now)
            one.record(BROKEN, now)
            probes.append(now)
    assert 26 <= len(probes) <= 38  # in ten minutes
    gaps = [later - earlier for earlier, later in pairwise(probes)]
    assert 15.9 <= min(gaps) < max(gaps) <= 24.2
    assert one.state.opened_at == NOW


def test_a_probe_that_hangs_does_not_hold_back_the_next() -> None:
    one = breaker(FAILING)
    now = NOW + one.may_send(NOW)
    one.probe(now)
    assert 16 <= one.may_send(now) <= 24
    assert one.may_send(now + 24) == 0.0


def test_the_first_success_closes_it_and_forgets_every_failure() -> None:
    one = breaker(FAILING)
    assert one.record(OK, NOW + 90) == "closed"
    assert one.may_send(NOW + 90) == 0.0
    assert one.state == HEALTHY
    assert one.record(OK, NOW + 91) is None
    assert one.record(BROKEN, NOW + 92) is None
    assert one.state == BreakerState(None, NOW + 92, 1)


def test_the_first_probe_comes_within_an_interval_of_opening_and_of_a_restart() -> None:
    one = breaker()
    changes(one, [(3.5 * n, BROKEN) for n in range(10)])
    assert 16 <= one.may_send(NOW + 31.5) <= 24
    waits = [Breaker(BreakerPolicy(), random.Random(n), NOW, FAILING).may_send(NOW) for n in range(200)]
    assert 0 <= min(waits) < 2
    assert 18 < max(waits) <= 20


def test_a_clock_that_is_set_back_delays_a_probe_by_one_interval() -> None:
    assert breaker(FAILING).may_send(NOW - 3600) == 24.0


@pytest.mark.parametrize(
    ("outcomes", "disabled_at"),
    [
        ([(0, BROKEN), (999, BROKEN)], None),
        ([(0, BROKEN), (1000, BROKEN)], 1000),
        ([(30, timeout(30)), (999.5, timeout(1)), (1000, timeout(30))], 1000),
        ([(0, BROKEN), (500, OK), (1000, BROKEN), (1999, BROKEN)], None),
        ([(0, BROKEN), (500, OK), (1000, BROKEN), (2000, BROKEN)], 2000),
        ([(0, BROKEN), (2000, Unreachable("sender", "", 0))], None),
        ([(0, BROKEN), (2000, OK)], None),
    ],
)
def test_steady_failure_for_the_configured_time_disables(
    outcomes: list[tuple[float, Outcome]], disabled_at: float | None
) -> None:
    said = changes(breaker(disable_after=1000), outcomes)
    assert [at for (at, _), change in zip(outcomes, said, strict=True) if change == "disable"] == (
        [] if disabled_at is None else [disabled_at]
    )


def test_without_a_configured_time_it_never_disables() -> None:
    assert "disable" not in changes(breaker(), [(86_400.0 * n, BROKEN) for n in range(100)])


def test_disabling_is_said_again_until_it_is_done() -> None:
    assert changes(breaker(FAILING, disable_after=60), [(0, BROKEN), (1, BROKEN)]) == ["disable", "disable"]


@settings(deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.floats(0, 40), st.sampled_from([OK, BROKEN, BROKEN, BROKEN, REFUSED, timeout(30)])), max_size=80
    ),
    restart=st.integers(0, 80),
)
def test_a_restart_forgets_nothing_and_open_means_that_nothing_succeeded(
    steps: list[tuple[float, Outcome]], restart: int
) -> None:
    one, now, failed = breaker(disable_after=200), NOW, 0
    for number, (gap, outcome) in enumerate(steps):
        now += gap
        if number == restart:
            one = breaker(one.state, disable_after=200, now=now)
        change = one.record(outcome, now)
        failed = 0 if outcome is OK else failed + 1
        state = one.state
        assert state.consecutive_failures == failed
        assert (state.first_failure_at is None) is (failed == 0)
        if state.first_failure_at is not None:
            assert state.first_failure_at <= now
            assert (change == "disable") is (now - state.first_failure_at >= 200)
            assert (state.opened_at is not None) is (failed >= 10 and now - state.first_failure_at >= 30)
        assert 0.0 <= one.may_send(now) <= 24.0
