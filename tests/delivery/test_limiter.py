"""A rate limit holds over every window, whenever it is asked, and is used up by whoever has enough to send."""

import random
from bisect import bisect_left, bisect_right
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.delivery.limiter import RateLimit

RATES = st.one_of(st.integers(1, 20), st.sampled_from([49, 50, 51, 100, 333, 1000]))
STARTS = st.sampled_from([0.0, 0.1, 12_345.678, 1_795_000_000.123456])
# Between two moments at which the limit is asked: at once, soon, around an interval, and after a rest.
GAPS = st.one_of(
    st.just(0.0), st.floats(0, 0.002), st.floats(0, 0.1), st.floats(0.9, 1.1), st.floats(0, 12), st.just(10.0)
)


def most_within(times: list[float], seconds: float) -> int:
    """The most that were sent in any window of so many seconds, both its ends included."""
    return max((bisect_right(times, start + seconds) - at for at, start in enumerate(times)), default=0)


def greedy(limit: RateLimit, moments: list[float], each: int) -> list[float]:
    """When it was allowed to send, if so many were waiting at each moment; it is asked once more after a refusal."""
    sent = []
    for now in moments:
        refusals = 0
        for _ in range(each):
            if limit.take(now) == 0.0:
                sent.append(now)
            elif (refusals := refusals + 1) == 2:
                break
    return sent


@settings(max_examples=300, deadline=None)
@given(rate=RATES, start=STARTS, gaps=st.lists(GAPS, min_size=1, max_size=60), each=st.sampled_from([1, 3, 40]))
@example(rate=1, start=0.0, gaps=[0.001] * 60, each=40)
def test_no_window_ever_holds_more_than_allowed(rate: int, start: float, gaps: list[float], each: int) -> None:
    moments = [start]
    for gap in gaps:
        moments.append(moments[-1] + gap)
    sent = greedy(RateLimit(rate), moments, each)
    assert sent
    assert most_within(sent, 10) <= 10 * rate
    assert most_within(sent, 1) <= rate + 1


@settings(max_examples=60, deadline=None)
@given(rate=st.sampled_from([1, 3, 10, 50, 200]), start=STARTS, seed=st.integers(0, 2**32), tick=st.floats(0.001, 0.05))
def test_a_busy_endpoint_keeps_to_it_for_half_a_minute(rate: int, start: float, seed: int, tick: float) -> None:
    rng = random.Random(seed)
    moments = [start]
    while moments[-1] < start + 30:
        moments.append(moments[-1] + rng.expovariate(1 / tick))
    sent = greedy(RateLimit(rate), moments, 30)
    assert most_within(sent, 10) <= 10 * rate
    assert most_within(sent, 1) <= rate + 1


@settings(max_examples=40, deadline=None)
@given(rate=st.sampled_from([1, 10, 50, 200]), seed=st.integers(0, 2**32))
def test_what_is_up_to_a_tenth_of_a_second_late_still_arrives_within_the_limit(rate: int, seed: int) -> None:
    rng = random.Random(seed)
    sent = greedy(RateLimit(rate), [at / 200 for at in range(30 * 200)], 30)
    arrived = sorted(at + rng.choice([0.0, rng.uniform(0, 0.1), 0.1]) for at in sent)
    assert most_within(arrived, 10) <= 10 * rate


@pytest.mark.parametrize("rate", [1, 2, 10, 49, 100, 1000, 5000])
def test_who_looks_every_fifteen_milliseconds_gets_98_percent_of_the_rate(rate: int) -> None:
    sent = greedy(RateLimit(rate), [at * 0.015 for at in range(round(100 / 0.015))], 200)
    assert len(sent) >= int(98 * rate)


@settings(deadline=None)
@given(rate=RATES, start=STARTS, gaps=st.lists(GAPS, max_size=20))
def test_a_send_is_allowed_after_the_wait_and_not_before(rate: int, start: float, gaps: list[float]) -> None:
    limit, now = RateLimit(rate), start
    for gap in gaps:
        now += gap
        while (wait := limit.take(now)) == 0.0:
            pass
        assert wait == limit.wait(now) > 0
        assert wait <= 1.03 / rate + 1e-5
        assert limit.take(now + wait * 0.9) > 0 or wait < 1e-4
        now += wait
        assert limit.wait(now) == 0.0
        assert limit.take(now) == 0.0


@settings(deadline=None)
@given(rate=RATES, start=STARTS, gaps=st.lists(GAPS, min_size=1, max_size=20))
def test_room_is_what_may_be_taken_at_once(rate: int, start: float, gaps: list[float]) -> None:
    limit, now = RateLimit(rate), start
    for gap in gaps:
        now += gap
        room = limit.room(now)
        assert (room == 0) == (limit.wait(now) > 0)
        taken = 0
        while limit.take(now) == 0.0:
            taken += 1
        assert taken == room
        assert limit.room(now) == 0


def test_a_new_limit_allows_one_interval_of_sends_ahead_and_no_more() -> None:
    assert [RateLimit(rate).room(5.0) for rate in (1, 49, 51, 100, 1000)] == [1, 1, 2, 2, 20]


@pytest.mark.parametrize("rate", [0, -1])
def test_a_rate_below_one_is_refused(rate: int) -> None:
    with pytest.raises(ValueError, match="at least 1 per second"):
        RateLimit(rate)


@settings(max_examples=200, deadline=None)
@given(
    rate=RATES,
    start=STARTS,
    seed=st.integers(0, 2**32),
    owners=st.lists(st.floats(0, 4), min_size=1, max_size=8),
    known=st.sampled_from(["all", "last", "moved"]),
)
def test_the_limit_holds_while_the_endpoint_moves_between_processes(
    rate: int, start: float, seed: int, owners: list[float], known: str
) -> None:
    rng, now, sent = random.Random(seed), start, list[float]()
    for seconds in owners:
        limit = RateLimit(rate)
        times = {"all": sent, "last": sent[-1:], "moved": [now]}[known]
        limit.seed(rng.sample(times, len(times)))
        until = now + seconds
        while now <= until:
            sent += greedy(limit, [now], 60)
            now += rng.choice([0.0001, 0.01, 0.3])
    assert most_within(sent, 10) <= 10 * rate
    assert most_within(sent, 1) <= rate + 1


def test_a_seed_of_nothing_is_a_new_limit() -> None:
    limit = RateLimit(1)
    limit.seed([])
    assert limit.take(0.0) == 0.0


def test_a_seed_of_long_ago_holds_nothing_back() -> None:
    limit = RateLimit(10)
    limit.seed([5.0, 1.0, 3.0])
    assert limit.take(6.0) == 0.0


@pytest.mark.parametrize("times", [[9.0] * 1000, [at / 100 for at in range(900)]])
def test_a_limit_that_was_lowered_waits_until_what_was_sent_is_ten_seconds_ago(times: list[float]) -> None:
    limit = RateLimit(1)
    limit.seed(times)
    last = max(times)
    sent = greedy(limit, [last + at / 10 for at in range(400)], 1)
    assert last + 10 < sent[0] < last + 11.2
    assert bisect_left(sent, sent[0] + 10) == 10
    assert all(later - earlier > 0.9 for earlier, later in pairwise(sent))


def test_a_second_seed_never_shortens_the_wait() -> None:
    limit = RateLimit(1)
    limit.seed([10.0])
    wait = limit.wait(10.0)
    limit.seed([3.0])
    assert limit.wait(10.0) == wait > 1.0


@pytest.mark.parametrize("rate", [1, 60, 1000])
def test_an_endpoint_that_moves_all_the_time_gets_no_burst_from_each_new_owner(rate: int) -> None:
    sent = list[float]()
    for owner in range(1000):
        limit = RateLimit(rate)
        limit.seed(sent[-1:])
        sent += greedy(limit, [5 + owner / 500], 60)
    assert len(sent) >= rate
    assert most_within(sent, 1) <= rate + 1
