"""Where the time of an attempt went, as a bar: its parts, one after the other, in hundredths of its length."""

from dataclasses import dataclass

from app.api.attempt.models import MessageAttemptOut


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the bar; `start` and `width` are percent of the whole."""

    name: str
    kind: str
    milliseconds: float
    start: float
    width: float


def parts_of(attempt: MessageAttemptOut) -> list[Part]:
    """The parts that took any time, in their order; empty if nothing is known."""
    timings = attempt.timings
    if timings is None:
        return []
    known = [
        ("DNS", "dns", timings.dns_ms),
        ("Connect", "connect", timings.connect_ms),
        ("TLS", "tls", timings.tls_ms),
        ("First byte", "first", timings.first_byte_ms),
    ]
    spent = [(name, kind, value) for name, kind, value in known if value is not None]
    measured = sum(value for _, _, value in spent)
    # The whole is known to the millisecond only.
    rest = attempt.response_duration_ms - measured
    if rest >= 1:
        spent.append(("The rest" if timings.first_byte_ms is None else "Body and waiting", "rest", rest))
    whole = sum(value for _, _, value in spent) or 1.0
    found, start = [], 0.0
    for name, kind, value in spent:
        width = 100 * value / whole
        found.append(Part(name, kind, value, start, width))
        start += width
    return found
