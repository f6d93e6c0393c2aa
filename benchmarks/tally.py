"""Who sent what when, and what arrived: one slot for each message and for each (message, endpoint) pair."""

from array import array
from collections.abc import Iterable, Sequence


def percentile(values: Iterable[float], share: float) -> float | None:
    """The value below which `share` (0 to 1) of all values lie; None without values."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


class Tally:
    """Times are seconds of one monotonic clock (`time.perf_counter`), given by the caller."""

    def __init__(self, messages: int, endpoints: int) -> None:
        self.messages = messages
        self.endpoints = endpoints
        self.pairs = messages * endpoints
        self.started = 0.0
        self.last_answer = 0.0
        self.last_arrival = 0.0
        self.accepted = 0
        self.errors = 0
        self.first_error: str | None = None
        self.delivered = 0
        self.duplicates = 0
        self.strays = 0
        """Requests that no message of this run explains."""
        self.verified = 0
        self.bad_signatures = 0
        self._sent = array("d", bytes(8 * messages))
        self._accepted_after = array("d", bytes(8 * messages))
        self._latency = array("d", bytes(8 * self.pairs))
        self._seen = bytearray(self.pairs)
        self._was_accepted = bytearray(messages)

    def sent(self, seq: int, now: float) -> None:
        self._sent[seq] = now

    def answered(self, seq: int, now: float) -> None:
        """The server answered message `seq` with a 2xx: from here on it must arrive."""
        self.accepted += 1
        self._was_accepted[seq] = 1
        self._accepted_after[seq] = now - self._sent[seq]
        self.last_answer = now

    def failed(self, reason: str, now: float) -> None:
        """A message was not accepted, as far as its sender can know."""
        self.errors += 1
        self.first_error = self.first_error or reason
        self.last_answer = now

    def arrived(self, seq: int, endpoint: int, now: float) -> None:
        if not 0 <= seq < self.messages or not 0 <= endpoint < self.endpoints or not self._sent[seq]:
            self.strays += 1
            return
        pair = seq * self.endpoints + endpoint
        if self._seen[pair]:
            self.duplicates += 1
            return
        self._seen[pair] = 1
        self._latency[pair] = now - self._sent[seq]
        self.last_arrival = now
        self.delivered += 1

    def missing(self) -> int:
        """Pairs of accepted messages that have not arrived."""
        if self.delivered == self.pairs:
            return 0
        width = self.endpoints
        return sum(
            width - sum(self._seen[seq * width : (seq + 1) * width])
            for seq in range(self.messages)
            if self._was_accepted[seq]
        )

    def latencies(self) -> Sequence[float]:
        """Seconds from just before each message was written to its first arrival at each endpoint."""
        return [value for value, seen in zip(self._latency, self._seen, strict=True) if seen]

    def answer_times(self) -> Sequence[float]:
        """Seconds from just before each message was written to the server's 2xx."""
        return [value for value, was in zip(self._accepted_after, self._was_accepted, strict=True) if was]
