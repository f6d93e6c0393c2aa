"""The ledger on the wire."""

from typing import Literal

from pydantic import Field

from app.api.fields import Dto, Timestamp
from app.db.ledger.model import Balance, Ledger


class BalanceOut(Dto):
    """Deliveries by their state. accepted = delivered + failed + canceled + due + skipped if nothing is amiss."""

    messages: int = Field(description="Published", examples=[1000])
    accepted: int = Field(
        description="As counted when they were published; a message that no endpoint wanted is one", examples=[1500]
    )
    delivered: int = Field(description="Answered with 2xx", examples=[1450])
    failed: int = Field(description="Given up", examples=[20])
    canceled: int = Field(description="Ended without having been delivered", examples=[5])
    due: int = Field(description="Waiting: to be sent, to be tried again, or for their turn", examples=[5])
    skipped: int = Field(description="Messages that no endpoint wanted", examples=[20])
    missing: int = Field(description="Accepted, and found nowhere", examples=[0])
    surplus: int = Field(description="Found, and never accepted", examples=[0])
    uncounted: int = Field(
        description="Messages published before there was a count: what is found is taken for it", examples=[0]
    )


class ApplicationBalanceOut(BalanceOut):
    """The balance of one application."""

    application_id: str = Field(examples=["app_1srOrx2ZWZBpBUvZwXKQmoEYga2"])


class QueueOut(Dto):
    """What waits now, however long ago it was accepted."""

    pending: int = Field(description="Everything that waits", examples=[12])
    due: int = Field(description="Due by now", examples=[5])
    oldest_due_seconds: float = Field(description="For how long what waits longest has been due", examples=[0.4])
    unowned: int = Field(description="Late, and no living worker holds their shard", examples=[0])
    stuck: int = Field(description="Will not be sent unless somebody does something", examples=[0])
    late: int = Field(description="Due for more than a minute, although a worker holds their shard", examples=[0])
    held_back: int = Field(
        description="Due for more than a minute because of their receiver, or by a rate limit", examples=[2]
    )


class FindingOut(Dto):
    """One delivery about which something is odd."""

    kind: Literal["missing", "surplus", "unowned", "stuck", "late", "held_back"]
    application_id: str = Field(examples=["app_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    message_id: str = Field(examples=["msg_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    endpoint_id: str | None = Field(
        description="null: it cannot be told which", examples=["ep_1srOrx2ZWZBpBUvZwXKQmoEYga2"]
    )
    since: Timestamp
    text: str = Field(
        description="Why, and what to do", examples=["Its shard has no owner: is a worker running? Start one."]
    )


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
