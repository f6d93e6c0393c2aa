"""A thread that never rests is told from one that does."""

import hashlib
import threading
from collections.abc import Iterator
from time import perf_counter, sleep

import pytest

from app.delivery import saturation
from app.delivery.saturation import Saturation


@pytest.fixture(params=["schedstat", "thread time"])
def watched(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Saturation]:
    if request.param == "thread time":
        monkeypatch.setattr(saturation, "_SCHEDSTAT", "/proc/does/not/exist")
    made = Saturation()
    yield made
    made.close()


def test_a_thread_that_rests_is_not_full(watched: Saturation) -> None:
    for _ in range(3):
        sleep(0.03)
        assert not watched.is_full()


def test_a_thread_that_waits_for_a_core_is_as_full_as_one_that_has_it() -> None:
    """More threads than cores cannot all run; the interpreter's lock is no core, so they sum outside of it."""
    watched = Saturation()
    ended = threading.Event()
    block = b"x" * 2_000_000

    def burn() -> None:
        while not ended.is_set():
            hashlib.sha512(block)

    others = [threading.Thread(target=burn) for _ in range(8)]
    for other in others:
        other.start()
    started, seen = perf_counter(), []
    try:
        while perf_counter() - started < 0.4:
            hashlib.sha512(block)
            seen.append(watched.is_full())
    finally:
        ended.set()
        for other in others:
            other.join()
        watched.close()
    assert seen.count(True) > len(seen) // 2
