"""The retry policy is a table: what an attempt ended with, how many there were, and what happens next."""

import math
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.delivery.outcome import Blocked, Delivered, Outcome, Refused, Unreachable
from app.delivery.retry import Done, GiveUp, RetryIn, decide, next_delay, parse_retry_after

SCHEDULE = (5, 300, 1800, 7200, 18000, 36000, 36000)
DELIVERED = Delivered(200, b"", False, 1)
BLOCKED = Blocked("address", "not public", 1)
TIMEOUT = Unreachable("timeout", "late", 1)
RESET = Unreachable("reset", "gone", 1)
NOW = 1_700_000_000.0


def refused(status: int = 500, retry_after: float | None = None) -> Refused:
    return Refused(status, b"", False, 1, retry_after)


@pytest.mark.parametrize("tries_made", range(1, 8))
def test_each_wait_is_the_schedules_give_or_take_a_fifth(tries_made: int) -> None:
    base = SCHEDULE[tries_made - 1]
    for seed in range(50):
        delay = next_delay(tries_made, SCHEDULE, RESET, random.Random(seed))
        assert delay is not None
        assert base * 0.8 <= delay <= base * 1.2


def test_waits_are_spread_over_the_whole_of_the_jitter() -> None:
    rng = random.Random(1)
    delays = [next_delay(2, SCHEDULE, RESET, rng) or 0.0 for _ in range(1000)]
    assert min(delays) < 300 * 0.82
    assert max(delays) > 300 * 1.18


@pytest.mark.parametrize(
    ("tries_made", "schedule"), [(8, SCHEDULE), (9, SCHEDULE), (10**9, SCHEDULE), (1, ()), (0, (5,))]
)
def test_a_used_up_schedule_has_no_next_attempt(tries_made: int, schedule: tuple[int, ...]) -> None:
    assert next_delay(tries_made, schedule, RESET, random.Random(1)) is None
    decision = decide(RESET, tries_made=tries_made, schedule=schedule, rng=random.Random(1))
    assert decision == GiveUp("the retry schedule is used up", disable_endpoint=False)


@pytest.mark.parametrize(
    ("outcome", "lowest", "highest"),
    [
        (TIMEOUT, 60, 60),
        (RESET, 4, 6),
        (BLOCKED, 4, 6),
        (refused(500), 4, 6),
        (refused(301), 4, 6),
        (refused(503, 0.0), 4, 6),
        (refused(503, 3.0), 4, 6),
        (refused(503, math.nan), 4, 6),
        (refused(503, -5.0), 4, 6),
        (refused(500, 100.0), 100, 110),
        (refused(429, 100.0), 100, 110),
        (refused(502, 100.0), 100, 110),
        (refused(503, 100.0), 100, 110),
        (refused(504, 100.0), 100, 110),
        (refused(429, 86_400.0), 86_400, 86_400),
        (refused(429, 80_000.0), 80_000, 86_400),
        (refused(429, math.inf), 86_400, 86_400),
    ],
)
def test_after_the_first_attempt_the_wait_is(outcome: Outcome, lowest: float, highest: float) -> None:
    for seed in range(50):
        decision = decide(outcome, tries_made=1, schedule=SCHEDULE, rng=random.Random(seed))
        assert isinstance(decision, RetryIn)
        assert lowest <= decision.seconds <= highest


def test_a_timeout_does_not_shorten_a_longer_wait() -> None:
    delay = next_delay(2, SCHEDULE, TIMEOUT, random.Random(1))
    assert delay is not None
    assert delay >= 240


@settings(deadline=None)
@given(
    asked=st.floats(0, 86_400),
    tries_made=st.integers(1, 7),
    seed=st.integers(0, 10_000),
    schedule=st.lists(st.integers(0, 30 * 86_400), min_size=7, max_size=7),
)
def test_a_receivers_wish_only_ever_delays_and_never_beyond_reason(
    asked: float, tries_made: int, seed: int, schedule: list[int]
) -> None:
    without = next_delay(tries_made, schedule, refused(503), random.Random(seed))
    delay = next_delay(tries_made, schedule, refused(503, asked), random.Random(seed))
    assert delay is not None
    assert without is not None
    assert delay >= max(without, asked)
    assert delay <= max(without, min(asked * 1.1, 86_400))


@pytest.mark.parametrize("tries_made", [1, 3, 8, 100])
def test_2xx_is_done_and_410_ends_the_endpoint_whatever_the_schedule_says(tries_made: int) -> None:
    rng = random.Random(1)
    assert decide(DELIVERED, tries_made=tries_made, schedule=SCHEDULE, rng=rng) == Done()
    decision = decide(refused(410, 5.0), tries_made=tries_made, schedule=SCHEDULE, rng=rng)
    assert decision == GiveUp("the receiver answered 410 Gone", disable_endpoint=True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 120\t", 120.0),
        ("1.5", 1.5),
        ("86400", 86_400.0),
        ("86401", 86_400.0),
        ("9" * 30, 86_400.0),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60.0),
        ("Tuesday, 14-Nov-23 22:14:20 GMT", 60.0),
        ("Tue Nov 14 22:14:20 2023", 60.0),
        ("Tue, 14 Nov 2023 22:13:20 GMT", 0.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400.0),
        ("", None),
        ("-1", None),
        ("+5", None),
        ("1e12", None),
        ("0x10", None),
        ("5, 6", None),
        ("5;6", None),
        ("NaN", None),
        ("nan", None),
        ("inf", None),
        ("-inf", None),
        ("Infinity", None),
        ("1_000", None),
        ("٣", None),
        ("9" * 5000, None),
        ("soon", None),
        ("Tue, 99 Foo 2023 99:99:99 GMT", None),
        ("Tue", None),
        ("Tue,", None),
        ("2023-11-14T22:14:20Z", None),
        ("\x00", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_nothing(value: str, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


def test_a_date_without_a_zone_is_in_gmt_wherever_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        monkeypatch.setenv("TZ", "America/New_York")
        time.tzset()
        assert parse_retry_after("Tue Nov 14 22:14:20 2023", NOW) == 60.0
    finally:
        monkeypatch.undo()
        time.tzset()


@settings(deadline=None)
@given(st.text(max_size=60) | st.from_regex(r"(Mon|Tue), [0-9]{1,3} [A-Za-z]{3} [0-9]{1,6} [0-9:+-]{1,12}( GMT)?"))
def test_no_header_raises_or_leaves_the_bounds(value: str) -> None:
    seconds = parse_retry_after(value, NOW)
    assert seconds is None or 0 <= seconds <= 86_400
