"""What came of an import: counted, with the reason for everything that is not here afterwards."""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

# Of each kind so many are named; all are counted.
MOST_NAMED: Final = 100


class Reason(Enum):
    """Why something of the source is not here. `is_problem`: somebody should look at it."""

    DELETED = ("it was deleted in Svix, and no history that is wanted refers to it", False)
    SVIX_OWN = ("it is Svix's own: operational event types and messages are not carried over", False)
    UNDER_WAY = ("it was under way; another run brings it", False)
    KEPT = ("it was changed or removed in Postrider since, and is kept so (--overwrite replaces it)", False)
    SAME_NAME = ("an event type of that name is here already", False)
    MERGED = ("its endpoints are with those of the operational webhooks that are here already", False)
    UID_TAKEN = ("its uid belongs to another one here: delete or rename that, and run this again", True)
    FOREIGN = ("its id belongs to something of another organization here", True)
    NO_PARENT = ("the application that it belongs to is not here", True)
    KEY = ("its signing key cannot be read or used", True)
    NOT_AN_ORGANIZATION = ("its organization's id has not the form that tokens can name", True)
    MISSING = ("it was written and is not found: run this again", True)

    def __init__(self, text: str, is_problem: bool) -> None:
        self.text = text
        self.is_problem = is_problem


@dataclass
class Tally:
    """One kind of thing: how many the source has, and what came of them."""

    source: int = 0
    imported: int = 0
    updated: int = 0
    same: int = 0
    skipped: Counter[Reason] = field(default_factory=Counter)

    @property
    def here(self) -> int:
        """How many of the source are here now, as they are there."""
        return self.imported + self.updated + self.same


@dataclass
class Warnings:
    """What is here and may not do what it did before: named, up to MOST_NAMED, and counted."""

    named: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, text: str) -> None:
        self.count += 1
        if len(self.named) < MOST_NAMED:
            self.named.append(text)


@dataclass
class Report:
    """What came of a whole import."""

    event_types: Tally = field(default_factory=Tally)
    applications: Tally = field(default_factory=Tally)
    endpoints: Tally = field(default_factory=Tally)
    messages: Tally = field(default_factory=Tally)
    attempts: Tally = field(default_factory=Tally)
    deliveries: Tally = field(default_factory=Tally)
    organizations: set[str] = field(default_factory=set)
    # Deliveries that had not ended in Svix, and how many of them Postrider is going to deliver.
    pending: int = 0
    queued: int = 0
    # Messages without a payload: it has expired, or was expunged.
    payloads_gone: int = 0
    warnings: Warnings = field(default_factory=Warnings)
    problems: Warnings = field(default_factory=Warnings)

    @property
    def tallies(self) -> dict[str, Tally]:
        """By the name of what they count."""
        return {
            "event types": self.event_types,
            "applications": self.applications,
            "endpoints": self.endpoints,
            "messages": self.messages,
            "attempts": self.attempts,
            "deliveries": self.deliveries,
        }

    @property
    def is_whole(self) -> bool:
        """Nothing is missing that should be here."""
        return not any(
            reason.is_problem and count for tally in self.tallies.values() for reason, count in tally.skipped.items()
        )

    def skip(self, tally: Tally, reason: Reason, name: str) -> None:
        """Something of the source is not brought; problems are named."""
        tally.skipped[reason] += 1
        if reason.is_problem:
            self.problems.add(f"{name}: {reason.text}")
