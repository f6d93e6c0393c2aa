"""The ledger on the wire."""

from typing import Literal

from pydantic import Field

from app.api.fields import Dto, Timestamp
from app.db.ledger.model import Balance, Ledger


class BalanceOut(Dto):
    """Deliveries by their state. accepted = delivered + failed + canceled + due + skipped if nothing is amiss."""

    messages: int
    accepted: int = Field(description="As counted when they were published; a message that no endpoint wanted is one")
    delivered: int
    failed: int
    canceled: int
    due: int = Field(description="Waiting: to be sent, to be tried again, or for their turn")
    skipped: int = Field(description="Messages that no endpoint wanted")
    missing: int = Field(description="Accepted, and found nowhere")
    surplus: int = Field(description="Found, and never accepted")
    uncounted: int = Field(description="Messages published before there was a count: what is found is taken for it")


class ApplicationBalanceOut(BalanceOut):
    """The balance of one application."""

    application_id: str


class QueueOut(Dto):
    """What waits now, however long ago it was accepted."""

    pending: int
    due: int
    oldest_due_seconds: float
    unowned: int = Field(description="Late, and no living worker holds their shard")
    stuck: int = Field(description="Will not be sent unless somebody does something")
    late: int = Field(description="Due for more than a minute, although a worker holds their shard")
    held_back: int = Field(description="Due for more than a minute because of their receiver, or by a rate limit")


class FindingOut(Dto):
    """One delivery about which something is odd."""

    kind: Literal["missing", "surplus", "unowned", "stuck", "late", "held_back"]
    application_id: str
    message_id: str
    endpoint_id: str | None = Field(description="null: it cannot be told which")
    since: Timestamp
    text: str = Field(description="Why, and what to do")


class LedgerOut(Dto):
    """The account of all deliveries of the messages since a time, and of everything that waits."""

    taken_at: Timestamp
    since: Timestamp | None = Field(description="How far back it goes; null: to the oldest message")
    complete: bool = Field(description="false: what was asked for takes too long, so that it goes back less far")
    balanced: bool = Field(description="Nothing is missing, and nothing is surplus")
    on_time: bool = Field(description="Nothing is late, stuck or without an owner")
    total: BalanceOut
    applications: list[ApplicationBalanceOut] = Field(
        description="Those with messages in the time: those that do not balance first, then by what was accepted"
    )
    queue: QueueOut
    findings: list[FindingOut] = Field(description="The worst first, of each kind the oldest, and at most a hundred")


def ledger_out(ledger: Ledger) -> LedgerOut:
    """A ledger as it goes over the wire."""
    balances = sorted(ledger.applications.items(), key=_by_importance)
    return LedgerOut(
        taken_at=ledger.taken_at,
        since=ledger.since,
        complete=ledger.is_complete,
        balanced=ledger.total.is_even,
        on_time=ledger.queue.is_well,
        total=BalanceOut.model_validate(ledger.total, from_attributes=True),
        applications=[
            ApplicationBalanceOut(
                application_id=application_id,
                **BalanceOut.model_validate(balance, from_attributes=True).model_dump(),
            )
            for application_id, balance in balances
        ],
        queue=QueueOut.model_validate(ledger.queue, from_attributes=True),
        findings=[FindingOut.model_validate(finding, from_attributes=True) for finding in ledger.findings],
    )


def _by_importance(one: tuple[str, Balance]) -> tuple[bool, int, str]:
    application_id, balance = one
    return balance.is_even, -balance.accepted, application_id
