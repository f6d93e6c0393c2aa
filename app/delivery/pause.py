"""Retry-After is meant for all that is sent to an endpoint, not only for the delivery that was answered with it."""

from typing import Final

from app.delivery.outcome import Outcome, Refused
from app.delivery.retry import LONGEST_ASKED

_ASKING: Final = frozenset({429, 503})
"""Too many requests (RFC 6585 §4), not available (RFC 9110 §15.6.4). With others (301) it is about one request."""


class Pause:
    """Until when one endpoint wants no requests. Times are unix seconds, so that `until` can be stored."""

    __slots__ = ("until",)

    until: float

    def __init__(self, until: float = 0.0) -> None:
        self.until = until

    def wait(self, now: float) -> float:
        """0.0 if the endpoint may be sent to, else the seconds until then: a day at most, whatever the clock did."""
        return min(max(self.until - now, 0.0), LONGEST_ASKED)

    def record(self, outcome: Outcome, now: float) -> bool:
        """Obey an answer. True if the pause is now longer.

        It is never shortened: a success of what was under way already does not take back what the receiver asked.
        """
        match outcome:
            case Refused(status=status, retry_after=float() | int() as asked) if status in _ASKING:
                until = now + min(asked, LONGEST_ASKED)
                if until > max(self.until, now):
                    self.until = until
                    return True
        return False
