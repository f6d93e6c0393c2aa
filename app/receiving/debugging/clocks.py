"""What is said of a signature's timestamp."""

import re
from typing import Final

from app.receiving.debugging.findings import Finding

TOLERANCE: Final = 300.0
"""Seconds before and after now, as the libraries allow."""

_MILLISECONDS: Final = re.compile(r"[0-9]{12,14}", re.ASCII)
_SECONDS: Final = re.compile(r"[0-9]{1,11}", re.ASCII)


def about_the_time(stamp: str, now: float, *, now_is_given: bool) -> list[Finding]:
    """Whether a receiver takes it at `now` (Unix, seconds); if nobody said what time it was, it may be old."""
    if _MILLISECONDS.fullmatch(stamp):
        found = Finding(
            "milliseconds",
            "mistake",
            "The timestamp is in milliseconds.",
            f"It has {len(stamp)} digits; Unix seconds have 10.",
            "Send whole seconds, and sign the same text: in JavaScript Math.floor(Date.now() / 1000).",
        )
        return [found, *_skew(int(stamp) / 1000, now, now_is_given)]
    if not _SECONDS.fullmatch(stamp):
        return [
            Finding(
                "timestamp-form",
                "mistake",
                "The timestamp is no number of seconds.",
                "It holds something else than digits, or too many.",
                "Send Unix seconds in digits, e.g. 1795000000, and sign the same text.",
            )
        ]
    return _skew(int(stamp), now, now_is_given)


def _skew(sent: float, now: float, now_is_given: bool) -> list[Finding]:
    ahead = sent - now
    if abs(ahead) <= TOLERANCE:
        return []
    if ahead > 0:
        title = f"The timestamp is {span(ahead)} in the future."
        advice = "The receiver's clock is slow, or the sender's is fast: keep both right with NTP."
        return [Finding("clock", "mistake", title, "Receivers allow 5 minutes either way.", advice)]
    title = f"The timestamp is {span(-ahead)} old."
    if now_is_given:
        advice = "The receiver's clock is fast, or the request waited on its way; a copy sent later is to be refused."
        return [Finding("clock", "mistake", title, "Receivers allow 5 minutes either way.", advice)]
    how = "A receiver would refuse it now: they allow 5 minutes either way."
    advice = "If it was refused when it arrived, say what the receiver's clock showed then, and check again."
    return [Finding("clock", "warning", title, how, advice)]


def span(seconds: float) -> str:
    """A length of time in its two largest units: `2 h 13 min`."""
    left = round(seconds)
    parts = []
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, length)
        parts.append((count, unit))
    first = next(index for index, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count)
