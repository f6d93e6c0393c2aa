"""An endpoint is sent as much at once as it bears: found quickly, given up quickly, and kept to."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.delivery.concurrency import START, Concurrency
from app.delivery.outcome import Blocked, Delivered, Outcome, Refused, Unreachable, UnreachableReason

CEILING = 2000
TICK = 0.005

# A receiver is told the time, and how many of its requests are unfinished, and says how one more will go.
Receiver = Callable[[float, int], Outcome]


def ok(seconds: float = 0.2) -> Delivered:
    return Delivered(200, b"", False, round(seconds * 1000))


def refused(status: int, seconds: float = 0.005) -> Refused:
    return Refused(status, b"", False, round(seconds * 1000), None)


def unreachable(reason: UnreachableReason, seconds: float = 0.0) -> Unreachable:
    return Unreachable(reason, "", round(seconds * 1000))


@dataclass
class Simulation:
    """A sender with more to send than it can, which looks for free slots every few milliseconds."""

    receiver: Receiver
    slots: Concurrency = field(default_factory=lambda: Concurrency(CEILING))
    most: int = CEILING
    now: float = 0.0
    seen: list[tuple[float, int]] = field(default_factory=list)
    ended: list[tuple[float, Outcome]] = field(default_factory=list)
    _under_way: list[tuple[float, int, Outcome]] = field(default_factory=list)
    _started: int = 0

    def run(self, seconds: float) -> "Simulation":
        until = self.now + seconds
        while self.now < until:
            while self._under_way and self._under_way[0][0] <= self.now:
                at, _, outcome = heapq.heappop(self._under_way)
                self.slots.record(outcome, at, len(self._under_way) + 1)
                self.ended.append((at, outcome))
            while len(self._under_way) < min(self.slots.slots, self.most):
                outcome = self.receiver(self.now, len(self._under_way))
                self._started += 1
                heapq.heappush(self._under_way, (self.now + outcome.milliseconds / 1000, self._started, outcome))
            self.seen.append((self.now, self.slots.slots))
            self.now += TICK
        return self

    def average(self, since: float) -> float:
        return mean(slots for at, slots in self.seen if at >= since)

    def delivered_per_second(self, since: float) -> float:
        return sum(at >= since and isinstance(outcome, Delivered) for at, outcome in self.ended) / (self.now - since)


def steady(seconds: float) -> Receiver:
    return lambda now, busy: ok(seconds)


def refusing(capacity: int, seconds: float, status: int = 503) -> Receiver:
    """It works on so many at once, and refuses the others."""
    return lambda now, busy: ok(seconds) if busy < capacity else refused(status)


def queueing(capacity: int, seconds: float, patience: float = 30.0) -> Receiver:
    """It works on so many at once, and lets the others wait; who waits too long has gone meanwhile."""
    free = [0.0] * capacity

    def receive(now: float, busy: int) -> Outcome:
        start = max(now, free[0])
        if start + seconds - now > patience:
            return unreachable("timeout", patience)
        heapq.heapreplace(free, start + seconds)
        return ok(start + seconds - now)

    return receive


@pytest.mark.parametrize(("seconds", "within"), [(0.02, 1.0), (0.2, 2.6), (0.3, 4.0)])
def test_a_receiver_that_bears_it_gets_640_slots_within_seconds(seconds: float, within: float) -> None:
    simulation = Simulation(steady(seconds)).run(within)
    assert simulation.slots.slots >= 640


def test_a_receiver_of_200_milliseconds_gets_3000_a_second_after_three() -> None:
    assert Simulation(steady(0.2)).run(8).delivered_per_second(since=3) >= 3000


@pytest.mark.parametrize("capacity", [1, 3, 10, 50, 200])
@pytest.mark.parametrize("seconds", [0.02, 0.2])
def test_it_settles_around_what_a_receiver_takes_before_it_refuses(capacity: int, seconds: float) -> None:
    simulation = Simulation(refusing(capacity, seconds)).run(60)
    assert 0.5 * capacity <= simulation.average(since=30) <= 1.3 * capacity + 1
    assert max(slots for at, slots in simulation.seen if at > 30) <= 2 * capacity + 1
    assert simulation.delivered_per_second(since=30) >= 0.55 * capacity / (seconds + TICK)


@pytest.mark.parametrize("capacity", [20, 50, 300])
@pytest.mark.parametrize("seconds", [0.1, 0.5])
def test_it_settles_around_what_a_receiver_works_on_before_it_queues(capacity: int, seconds: float) -> None:
    simulation = Simulation(queueing(capacity, seconds)).run(60)
    assert capacity <= simulation.average(since=20) <= 2.5 * capacity
    assert simulation.delivered_per_second(since=20) >= 0.9 * capacity / (seconds + TICK)
    assert all(isinstance(outcome, Delivered) for _, outcome in simulation.ended)


def test_a_receiver_that_does_one_at_a_time_is_not_buried() -> None:
    simulation = Simulation(queueing(1, 0.1)).run(120)
    assert max(slots for _, slots in simulation.seen) <= 8 * START
    assert simulation.average(since=30) <= 4 * START
    assert simulation.delivered_per_second(since=30) >= 9


def test_a_receiver_that_became_able_to_do_more_is_sent_more() -> None:
    receivers = [refusing(20, 0.05)]
    simulation = Simulation(lambda now, busy: receivers[-1](now, busy)).run(20)
    assert simulation.slots.slots <= 40
    receivers.append(refusing(500, 0.05))
    assert simulation.run(20).average(since=30) >= 250


def test_a_receiver_that_became_slower_for_good_keeps_its_throughput_in_the_end() -> None:
    receivers = [steady(0.1)]
    simulation = Simulation(lambda now, busy: receivers[-1](now, busy)).run(5)
    receivers.append(steady(0.5))
    assert simulation.run(60).slots.slots >= 640


def test_a_few_refusals_by_chance_do_not_bring_a_large_receiver_down() -> None:
    rng = random.Random(3)
    simulation = Simulation(lambda now, busy: refused(503) if rng.random() < 0.005 else ok()).run(30)
    assert simulation.delivered_per_second(since=5) >= 3000


def test_unused_slots_do_not_grow() -> None:
    assert Simulation(steady(0.02), most=START - 1).run(10).slots.slots == START
    assert Simulation(steady(0.02), most=100).run(10).slots.slots == 128


def test_different_events_that_take_different_times_are_no_sign_of_a_queue() -> None:
    rng = random.Random(5)
    assert Simulation(lambda now, busy: ok(rng.choice([0.004, 0.004, 0.3]))).run(20).slots.slots >= 640


@pytest.mark.parametrize(
    ("outcome", "halves"),
    [
        (refused(429), True),
        (refused(502), True),
        (refused(503), True),
        (refused(504), True),
        (unreachable("timeout", 0.5), True),
        (unreachable("connect"), True),
        (unreachable("reset"), True),
        (unreachable("sender"), True),
        (unreachable("dns"), False),
        (unreachable("tls"), False),
        (unreachable("protocol"), False),
        (refused(400), False),
        (refused(404), False),
        (refused(410), False),
        (refused(500), False),
        (refused(301), False),
        (Blocked("address", "", 0), False),
        (Blocked("transformation", "", 0), True),
        (ok(), False),
    ],
)
def test_what_may_be_for_too_many_requests_halves_and_nothing_else_does(outcome: Outcome, halves: bool) -> None:
    slots = Concurrency(100, start=40)
    slots.record(outcome, 10.0, 40)
    assert slots.slots == (20 if halves else 40)


@pytest.mark.parametrize("outcome", [refused(400), refused(500), unreachable("tls"), Blocked("address", "", 0)])
def test_failures_of_other_kinds_do_not_grow_it(outcome: Outcome) -> None:
    slots = Concurrency(100, start=4)
    for n in range(100):
        slots.record(outcome, n / 10, 4)
    assert slots.slots == 4


def test_it_halves_once_in_a_second_and_once_in_a_round_trip() -> None:
    slots = Concurrency(100, start=64)
    for n in range(10):
        slots.record(refused(503), 10 + n / 10, 64)
    assert slots.slots == 32
    slots.record(unreachable("timeout", 30), 39.0, 32)  # begun before the cut
    assert slots.slots == 32
    slots.record(unreachable("timeout", 15), 39.0, 32)
    assert slots.slots == 16


def test_trouble_within_a_second_of_a_cut_only_takes_back_what_it_grew_by() -> None:
    slots = Concurrency(100, start=32)
    slots.record(refused(503), 10.0, 32)
    for n in range(1, 4):
        for _ in range(slots.slots):
            slots.record(ok(0.05), 10 + n / 10, slots.slots)
    assert slots.slots == 22
    slots.record(refused(503), 10.5, 22)
    assert slots.slots == 20
    for n in range(1, 10):
        slots.record(refused(503), 10.5 + n / 20, 20)
    assert slots.slots == 16


def test_it_grows_by_steps_after_trouble_and_doubles_again_when_that_is_long_ago() -> None:
    slots, now, seen = Concurrency(10_000, start=320), 10.0, list[int]()
    for _ in range(10):
        slots.record(refused(503), now, slots.slots)
    for _ in range(34):
        seen.append(slots.slots)
        now += 1
        for _ in range(seen[-1]):
            slots.record(ok(), now, seen[-1])
    assert seen == [160 + 20 * n for n in range(33)] + [1600]


@pytest.mark.parametrize(("ceiling", "start"), [(0, 1), (1, 0), (-1, 16)])
def test_fewer_than_one_slot_is_refused(ceiling: int, start: int) -> None:
    with pytest.raises(ValueError, match="at least one slot"):
        Concurrency(ceiling, start)


OUTCOMES = st.sampled_from(
    [ok(0.001), ok(0.2), ok(0.2), ok(20), refused(429), refused(503, 1), refused(404), unreachable("timeout", 30)]
)


@settings(deadline=None)
@given(
    steps=st.lists(st.tuples(OUTCOMES, st.floats(0, 3), st.integers(1, 300), st.integers(1, 40)), max_size=60),
    ceiling=st.integers(1, 300),
)
def test_it_stays_between_one_and_the_ceiling_and_each_answer_moves_it_within_bounds(
    steps: list[tuple[Outcome, float, int, int]], ceiling: int
) -> None:
    slots, now, cut_at, cut_to = Concurrency(ceiling), 100.0, float("-inf"), 0
    for outcome, gap, in_flight, times in steps:
        now += gap
        for _ in range(times):
            before = slots.slots
            slots.record(outcome, now, in_flight)
            assert 1 <= slots.slots <= ceiling
            assert before // 2 <= slots.slots <= 2 * before
            if slots.slots > before:
                assert isinstance(outcome, Delivered)
            if slots.slots < before and not isinstance(outcome, Delivered):
                assert now - cut_at >= 1.0 or slots.slots >= cut_to
                if now - cut_at >= 1.0:
                    cut_at, cut_to = now, slots.slots
