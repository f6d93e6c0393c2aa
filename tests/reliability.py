"""What reliability tests measure, for the report of `make chaos`; anywhere else a measurement is an assertion.

    from tests.reliability import measured

    measured(35, "A restart of Postgres is answered with 503", "within 1 s", f"{seconds:.2f} s", holds=seconds <= 1)

Tests that take longer than the suite can wait are marked `@pytest.mark.chaos`: `make test` leaves them out, `make
chaos` runs them, and those marked `measured`, which have no longer form. It sets `CHAOS_SEED` and `CHAOS_MINUTES`.
"""

import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final


@cache
def seed() -> int:
    """What all random moments of this process follow from."""
    return int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(2**32))


def minutes() -> float:
    """How long the one run lasts that goes on for a time and not for a count."""
    return float(os.environ.get("CHAOS_MINUTES") or 3)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One promise and what was seen of it. `row` is the number by which the report sorts and readers refer to it."""

    row: int
    promise: str
    limit: str
    value: str
    holds: bool
    test: str
    """The test's node id, by which pytest runs it again."""


# Told of each measurement; the driver of `make chaos` adds itself.
listeners: Final[list[Callable[[Measurement], None]]] = []


def measured(row: int, promise: str, limit: str, value: str, *, holds: bool) -> None:
    """Note what was measured of a promise, in this test. AssertionError if it does not hold.

    `limit` and `value` are for readers, in the same unit: "at most 200 duplicates", "31 duplicates". Several rows in
    one test, and several measurements of one row in different tests, are fine.
    """
    test = os.environ["PYTEST_CURRENT_TEST"].rpartition(" (")[0]
    measurement = Measurement(row, promise, limit, value, holds, test)
    for listener in listeners:
        listener(measurement)
    assert holds, f"{promise}: {value}, and not {limit} (seed {seed()})"


def chance(name: str) -> random.Random:
    """Randomness for one test, the same each time that the same seed is given."""
    return random.Random(f"{seed()} {name}")
