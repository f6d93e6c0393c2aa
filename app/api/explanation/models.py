"""Explanations on the wire."""

from pydantic import Field

from app.api.attempt.models import MessageStatus, TriggerType
from app.api.fields import Dto, Timestamp, example
from app.delivery.explanation.facts import Code


class ReasonOut(Dto):
    """One reason why it is as it is."""

    code: Code = Field(description="For programs.", examples=["breaker_open"])
    text: str = Field(description="For people.", examples=["The endpoint is disabled."])


class LastAttemptOut(Dto):
    """The newest attempt."""

    id: str = Field(examples=["atmpt_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    timestamp: Timestamp
    status: MessageStatus = Field(examples=[2])
    response_status_code: int = Field(description="0 if there was no answer.", examples=[503])
    response_duration_ms: int = Field(description="Milliseconds of the whole attempt.", examples=[38])
    trigger_type: TriggerType
    cause: str | None = Field(
        default=None, description="Why there was no answer.", examples=["the connection was refused"]
    )


class ExplanationOut(Dto):
    """One endpoint: whether a message is for it, why or why not, what was tried, and what comes next."""

    model_config = example(
        endpointId="ep_1srOrx2ZWZBpBUvZwXKQmoEYga2",
        url="https://customer.example/in",
        disabled=False,
        matched=True,
        status=1,
        statusText="pending",
        reasons=[
            {
                "code": "retry",
                "text": "Attempt 1 of 9 failed; by the retry schedule the next is made at 2026-01-31 23:59:59 UTC.",
            }
        ],
        attemptCount=1,
        nextAttempt="2026-01-31T23:59:59Z",
        attemptsLeft=8,
    )

    endpoint_id: str = Field(examples=["ep_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    endpoint_uid: str | None = Field(default=None, examples=["till"])
    url: str = Field(examples=["https://customer.example/in"])
    disabled: bool = Field(description="Whether the endpoint is disabled now.", examples=[False])
    deleted_at: Timestamp | None = Field(default=None, description="When it was deleted.")
    matched: bool = Field(
        description="Whether there is a delivery: the endpoint wanted the message, or somebody had it sent there.",
        examples=[True],
    )
    status: MessageStatus | None = Field(default=None, description="How far the delivery is, if there is one.")
    status_text: str | None = Field(default=None, description="One of success, pending, fail, canceled.")
    reasons: list[ReasonOut] = Field(description="Why, the most important first; at least one.", min_length=1)
    attempt_count: int = Field(description="How often it was tried.", ge=0, examples=[1])
    last_attempt: LastAttemptOut | None = Field(default=None, description="Null: none was made, or none is kept.")
    next_attempt: Timestamp | None = Field(
        default=None, description="When it is tried next at the earliest. Null: never, or nobody knows when."
    )
    attempts_left: int = Field(description="How often it is tried yet, at most.", ge=0, examples=[8])
    ahead: int | None = Field(
        default=None,
        description="How many deliveries are before it in its line; 1,000 or more are 1,000.",
        examples=[2],
    )
    ahead_msg_id: str | None = Field(
        default=None,
        description="The message that is first in that line.",
        examples=["msg_1srOrx2ZWZBpBUvZwXKQmoEYga2"],
    )
