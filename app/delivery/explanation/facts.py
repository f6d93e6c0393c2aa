"""What is known of a message and an endpoint, and what is said of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal

State = Literal["due", "delivered", "failed", "canceled"]
Setting = Literal["disabled", "event_types", "channels"]


class Code(StrEnum):
    """Why it is as it is."""

    # Nothing was made for the endpoint.
    EVENT_TYPE = "event_type"
    CHANNEL = "channel"
    CREATED_LATER = "created_later"
    SOURCE_PAUSED = "source_paused"
    SENT_TO_ONE = "sent_to_one"
    CHANGED_SINCE = "changed_since"
    HISTORY_GONE = "history_gone"
    UNKNOWN = "unknown"
    # Either way.
    DISABLED = "disabled"
    # It waits.
    SCHEDULED = "scheduled"
    IN_LINE = "in_line"
    RETRY = "retry"
    PUT_OFF = "put_off"
    PAUSED = "paused"
    BREAKER_OPEN = "breaker_open"
    THROTTLED = "throttled"
    NO_WORKER = "no_worker"
    DUE = "due"
    NOT_QUEUED = "not_queued"
    # It ended.
    DELIVERED = "delivered"
    GONE = "gone"
    ONE_ATTEMPT = "one_attempt"
    EXHAUSTED = "exhausted"
    GIVEN_UP = "given_up"
    CALLED_OFF = "called_off"
    DELETED = "deleted"
    PAYLOAD_GONE = "payload_gone"
    TRANSFORMATION = "transformation"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: for programs, and for people."""

    code: Code
    text: str


@dataclass(frozen=True, slots=True)
class Wants:
    """What of an endpoint's settings says which messages it gets; None: of every event type, of every channel."""

    disabled: bool = False
    event_types: Sequence[str] | None = None
    channels: Sequence[str] | None = None

    def refuses(self, event_type: str, channels: Sequence[str] | None) -> list[Code]:
        """Why a message is not for it; empty if it is."""
        found = []
        if self.disabled:
            found.append(Code.DISABLED)
        if self.event_types is not None and event_type not in self.event_types:
            found.append(Code.EVENT_TYPE)
        if self.channels is not None and not set(self.channels) & set(channels or ()):
            found.append(Code.CHANNEL)
        return found


@dataclass(frozen=True, slots=True)
class Change:
    """One of an endpoint's wants was changed: what it was before. A text: it was too long to be kept."""

    at: datetime
    setting: Setting
    before: bool | Sequence[str] | str | None


@dataclass(frozen=True, slots=True)
class Message:
    """What was published."""

    event_type: str
    channels: Sequence[str] | None
    published_at: datetime
    deliver_at: datetime | None = None
    has_payload: bool = True
    made: int | None = None
    """Deliveries that were made of it; None: it is older than the count."""
    found: int = 0
    """Those that are found now."""
    is_held: bool = False
    """It arrived at a source that is paused, and nothing was made of it yet."""
    is_received: bool = False
    """It arrived at a source, and may have been held there."""
    retries: int = 0
    """Of its retry schedule."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How an endpoint is, and what was changed about it."""

    wants: Wants
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None
    # Since the message was published, in that order.
    changes: Sequence[Change] = ()
    # All of them are there.
    changes_known: bool = True
    rate_limit: int | None = None
    application_rate: int | None = None
    has_transformation: bool = False
    opened_at: datetime | None = None
    """Since when its circuit breaker is open."""
    paused_until: datetime | None = None
    throttled_since: datetime | None = None
    is_served: bool = True
    """A worker holds its part of the queue."""

    def wanted(self, at: datetime) -> Wants | None:
        """What it wanted at a time after the first of the changes; None if that is not known."""
        then: dict[str, bool | Sequence[str] | str | None] = {}
        for change in self.changes:
            if change.at > at:
                then.setdefault(change.setting, change.before)
        if not self.changes_known and self.updated_at > at:
            return None
        disabled = then.get("disabled", self.wants.disabled)
        event_types = then.get("event_types", self.wants.event_types)
        channels = then.get("channels", self.wants.channels)
        if isinstance(event_types, bool | str) or isinstance(channels, bool | str):
            return None
        return Wants(disabled is True, event_types, channels)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A place in the queue."""

    next_attempt_at: datetime | None
    """None: it is parked until its turn in a line has come."""
    tries: int
    """-1: one attempt outside of the schedule."""
    is_asked: bool = False
    """Somebody resent it: it waits for no breaker."""
    ahead: int = 0
    """How many are before it in its line, as far as they were counted."""
    is_more_ahead: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """What history says of a delivery. It may wait again."""

    state: State
    at: datetime
    attempts: int
    is_called_off: bool = False


@dataclass(frozen=True, slots=True)
class LastAttempt:
    """The newest attempt: its HTTP status code (0: no answer), and whether somebody asked for it."""

    code: int
    was_asked: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """What there is of a message for an endpoint."""

    waiting: Waiting | None = None
    ended: Ended | None = None
    last: LastAttempt | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """How far it is (None: it was not for this endpoint), and why; most important first, and at least one."""

    state: State | None
    reasons: Sequence[Reason]
    next_attempt_at: datetime | None = field(default=None)
    """None: there is none, or nobody knows when."""
    attempts_left: int = 0


def time_text(at: datetime) -> str:
    """A time in a sentence."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
