"""What happens after an attempt: a policy as a pure function. Time and randomness are arguments."""

import random
import re
from calendar import timegm
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_tz
from typing import Final, assert_never

from app.delivery.outcome import Blocked, Delivered, Outcome, Refused, Unreachable

JITTER: Final = 0.2
"""Waits of the schedule are spread by this share to both sides, as Svix does, so that retries do not march in step."""
ASKED_SPREAD: Final = 0.1
"""A wait that the receiver asked for is only ever prolonged, by at most this share."""
AFTER_TIMEOUT: Final = 60.0
"""Seconds to leave a receiver alone, at least, that did not answer in time."""
LONGEST_ASKED: Final = 86_400.0
"""Seconds up to which a receiver's own wish (Retry-After) is obeyed."""

_SECONDS: Final = re.compile(r"\d{1,30}(\.\d{1,30})?", re.ASCII)
_GONE: Final = 410


@dataclass(frozen=True, slots=True)
class Done:
    """The delivery is delivered."""


@dataclass(frozen=True, slots=True)
class RetryIn:
    """The next attempt is due in so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """There is no next attempt. `disable_endpoint`: the receiver wants no other message either."""

    reason: str
    disable_endpoint: bool


Decision = Done | RetryIn | GiveUp


def next_delay(tries_made: int, schedule: Sequence[float], outcome: Outcome, rng: random.Random) -> float | None:
    """Seconds until the next attempt; None if the schedule is used up.

    `tries_made` counts the attempt that just ended, so that the first failure waits `schedule[0]`, give or take 20 %.
    A timeout waits at least a minute. A receiver that asks for a later time gets it, up to a day.
    """
    if not 1 <= tries_made <= len(schedule):
        return None
    delay = schedule[tries_made - 1] * rng.uniform(1 - JITTER, 1 + JITTER)
    match outcome:
        case Unreachable(reason="timeout"):
            return max(delay, AFTER_TIMEOUT)
        case Refused(retry_after=float() | int() as asked) if asked > delay:
            return min(asked * rng.uniform(1, 1 + ASKED_SPREAD), max(LONGEST_ASKED, delay))
        case _:
            return delay


def decide(outcome: Outcome, *, tries_made: int, schedule: Sequence[float], rng: random.Random) -> Decision:
    """What happens next to a delivery, and to its endpoint, after an attempt with that outcome.

    410 Gone ends the endpoint (Standard Webhooks). A blocked address is retried like any failure, because an operator
    may allow the network or a customer correct a DNS record in the meantime.
    """
    match outcome:
        case Delivered():
            return Done()
        case Refused(status=status) if status == _GONE:
            return GiveUp("the receiver answered 410 Gone", disable_endpoint=True)
        case Refused() | Unreachable() | Blocked():
            delay = next_delay(tries_made, schedule, outcome, rng)
            if delay is None:
                return GiveUp("the retry schedule is used up", disable_endpoint=False)
            return RetryIn(delay)
        case _:
            assert_never(outcome)


def parse_retry_after(value: str, now: float) -> float | None:
    """Seconds that a Retry-After header asks to wait, from 0 to a day (RFC 9110 §10.2.3: seconds, or an HTTP date).

    `now` is the time in unix seconds. None if the value is neither; a date in the past is no wait.
    """
    value = value.strip(" \t")
    if _SECONDS.fullmatch(value):
        return min(float(value), LONGEST_ASKED)
    if not value[:3].isalpha():
        return None
    try:
        parts = parsedate_tz(value)
        # A date without a zone is in GMT here; the standard library would take it for local time.
        at = None if parts is None else float(timegm((*parts[:6], 0, 0, 0)) - (parts[9] or 0))
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
    return None if at is None else min(max(at - now, 0.0), LONGEST_ASKED)
