"""What is sent in one run."""

from dataclasses import dataclass

DEFAULT_MESSAGES = 10_000
QUICK_MESSAGES = 400


@dataclass(frozen=True, slots=True)
class Load:
    """One run. A `rate` of 0 sends each message as soon as a connection is free."""

    name: str
    messages: int
    connections: int
    endpoints: int = 1
    """Of each application."""
    rate: float = 0.0
    """Messages per second."""
    delay: float = 0.0
    """Seconds that the receiver takes to answer."""
    fail: float = 0.0
    """Share of the receiver's answers that are a 500, from 0 to below 1."""
    idempotent: bool = False
    """Send an `idempotency-key` with each message, as the Svix SDKs do."""
    verify_every: int = 16
    """The signature of each so many-th arrival is verified."""
    applications: int = 1
    """Messages go to each in turn."""
    inbound: bool = False
    """They are events of a provider instead, each of 2 kB, posted to a source of the one application."""


def standard_loads(messages: int | None = None, *, quick: bool = False, idempotent: bool = False) -> dict[str, Load]:
    """The runs of `make bench`, by the name of their scenario."""
    count = messages or (QUICK_MESSAGES if quick else DEFAULT_MESSAGES)
    half = max(1, count // 2)
    every = 1 if quick else 16
    return {
        "one": Load("1 endpoint", count, 64, idempotent=idempotent, verify_every=every),
        "five": Load("5 endpoints", half, 64, endpoints=5, idempotent=idempotent, verify_every=every),
        "steady-600": Load("steady 600/s", count, 16, rate=600.0, idempotent=idempotent, verify_every=every),
        "steady-300": Load("steady 300/s", half, 16, rate=300.0, idempotent=idempotent, verify_every=every),
        "slow": Load("200 ms receiver", 2 * count, 64, delay=0.2, idempotent=idempotent, verify_every=every),
        "inbound": Load("inbound", count, 64, verify_every=every, inbound=True),
        "inbound-600": Load("inbound, steady 600/s", count, 16, rate=600.0, verify_every=every, inbound=True),
    }
