"""A message that is to be stored, and what came of it."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from app.payload_store.stored import StoredPayload


@dataclass(frozen=True, slots=True)
class Extras:
    """What few messages have."""

    tags: tuple[str, ...] | None = None
    # Nothing is sent before then.
    deliver_at: datetime | None = None
    # Hours that the publisher wants the payload kept; None: as the organization has it.
    payload_hours: int | None = None
    # The JSON object of that name.
    transformations_params: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a message came that was not published: at a source."""

    source_id: str
    # As app/receiving/record.py writes it.
    received: bytes = field(repr=False)
    # The source is paused: no deliveries are made yet.
    is_held: bool = False


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to store. `uid` is set where the application was named by it; the database checks that it still is."""

    id: str
    organization_id: str
    application_id: str
    uid: str | None
    event_type: str
    event_id: str | None
    channels: tuple[str, ...] | None
    payload: bytes = field(repr=False)
    key: bytes | None = field(repr=False)
    request_hash: bytes | None
    # None for nearly all.
    extras: Extras | None = None
    # Set if the payload is in the payload store, and so not to be written into the row.
    stored: StoredPayload | None = None
    # Set if it arrived at a source.
    arrival: Arrival | None = None

    @property
    def is_usual(self) -> bool:
        """It was published, its payload is in its row, and it has nothing that only few have."""
        return self.stored is None and self.extras is None and self.arrival is None


class Refusal(Enum):
    """Why a message was not stored."""

    NO_APPLICATION = "no_application"
    # The event id is taken, or the idempotency key is: `replay_of` tells which.
    TAKEN = "taken"


@dataclass(frozen=True, slots=True)
class Stored:
    created_at: datetime


Publication = Stored | Refusal
