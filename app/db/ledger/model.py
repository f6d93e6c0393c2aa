"""What a ledger says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Final, Self

LATE_AFTER_SECONDS: Final = 60.0
"""For so long a delivery may be due, unless somebody asks for something else."""
NAMES: Final = 100
"""So many findings of each kind are named, unless somebody asks for something else."""


class Kind(StrEnum):
    """What may be odd about a delivery, the worst first."""

    MISSING = "missing"
    """It was accepted, and is found nowhere."""
    SURPLUS = "surplus"
    """It is found, and was never counted."""
    UNOWNED = "unowned"
    """It is late, and no living worker holds its shard."""
    STUCK = "stuck"
    """It waits for something that will not happen by itself."""
    LATE = "late"
    """It has been due for too long, although a living worker holds its shard."""
    HELD_BACK = "held_back"
    """It has been due for long because of its receiver, or as its owner wished: nothing is wrong here."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One delivery about which something is odd; `endpoint_id` is None where it cannot be told."""

    kind: Kind
    application_id: str
    message_id: str
    endpoint_id: str | None
    since: datetime
    text: str
    """Why, and what to do, in a sentence."""


@dataclass(frozen=True, slots=True)
class Balance:
    """Deliveries by their state. A message that no endpoint wanted counts as one, which was skipped.

    accepted + surplus = delivered + failed + canceled + due + skipped + missing, always; it balances if neither
    surplus nor missing is needed for that.
    """

    messages: int = 0
    accepted: int = 0
    delivered: int = 0
    failed: int = 0
    canceled: int = 0
    due: int = 0
    skipped: int = 0
    missing: int = 0
    surplus: int = 0
    uncounted: int = 0
    """Messages, published by a release that did not count: what is found of them is taken for what was accepted."""

    @property
    def is_even(self) -> bool:
        """Whether everything that was accepted is found, and nothing else."""
        found = self.delivered + self.failed + self.canceled + self.due + self.skipped
        return self.accepted == found and not self.missing and not self.surplus

    def __add__(self, other: Self) -> "Balance":
        return Balance(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))


@dataclass(frozen=True, slots=True)
class Queue:
    """What is still to do now, however long ago it was accepted."""

    pending: int = 0
    """All of it, also what waits for its next attempt or its turn."""
    due: int = 0
    oldest_due_seconds: float = 0.0
    """Since when the oldest of what is due has been so."""
    unowned: int = 0
    stuck: int = 0
    late: int = 0
    held_back: int = 0

    @property
    def is_well(self) -> bool:
        """Whether nothing waits but what may."""
        return not self.unowned and not self.stuck and not self.late


@dataclass(frozen=True, slots=True)
class Ledger:
    """The account of the messages since a time, and of the whole queue."""

    taken_at: datetime
    since: datetime | None
    """How far back it goes; None: to the oldest message."""
    is_complete: bool
    """Whether that is as far as was asked for; otherwise the time that it may take was over."""
    total: Balance
    queue: Queue
    applications: Mapping[str, Balance] = field(default_factory=dict)
    findings: Sequence[Finding] = ()
    """The worst first, the oldest of each kind first; of each kind at most as many as were asked for."""
