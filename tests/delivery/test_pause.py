"""A receiver that asks for time is left alone, by everything that would go to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.delivery.outcome import Blocked, Delivered, Outcome, Refused, Unreachable
from app.delivery.pause import Pause

DAY = 86_400.0


def refused(status: int, retry_after: float | None) -> Refused:
    return Refused(status, b"", False, 3, retry_after)


@pytest.mark.parametrize(
    ("outcome", "wait"),
    [
        (refused(429, 7.5), 7.5),
        (refused(503, 120.0), 120.0),
        (refused(503, DAY), DAY),
        (refused(429, 1e9), DAY),
        (refused(429, 0.0), 0.0),
        (refused(429, None), 0.0),
        (refused(500, 30.0), 0.0),
        (refused(301, 30.0), 0.0),
        (refused(502, 30.0), 0.0),
        (Delivered(200, b"", False, 3), 0.0),
        (Unreachable("timeout", "", 30_000), 0.0),
        (Blocked("address", "", 0), 0.0),
    ],
)
def test_only_429_and_503_pause_an_endpoint_and_for_as_long_as_they_ask(outcome: Outcome, wait: float) -> None:
    pause = Pause()
    assert pause.record(outcome, 1000.0) is (wait > 0)
    assert pause.wait(1000.0) == wait
    assert pause.wait(1000.0 + wait / 2) == wait / 2
    assert pause.wait(1000.0 + wait) == 0.0


def test_a_pause_is_prolonged_and_never_shortened() -> None:
    pause = Pause()
    assert pause.record(refused(429, 60.0), 0.0)
    assert not pause.record(refused(429, 5.0), 1.0)
    assert not pause.record(Delivered(200, b"", False, 3), 2.0)
    assert pause.wait(2.0) == 58.0
    assert pause.record(refused(503, 60.0), 10.0)
    assert pause.wait(10.0) == 60.0


def test_a_pause_that_was_stored_goes_on() -> None:
    first = Pause()
    first.record(refused(503, 60.0), 100.0)
    assert Pause(first.until).wait(130.0) == 30.0


@given(
    until=st.floats(0, 4e9),
    now=st.floats(0, 4e9),
    asked=st.none() | st.floats(0, 1e12),
    status=st.sampled_from([429, 503, 500]),
)
def test_no_pause_is_longer_than_a_day_whatever_the_clock_does(
    until: float, now: float, asked: float | None, status: int
) -> None:
    pause = Pause(until)
    pause.record(refused(status, asked), now)
    assert 0.0 <= pause.wait(now) <= DAY
    assert pause.until >= until
