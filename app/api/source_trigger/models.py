"""Triggers of sources on the wire."""

from typing import Annotated

from pydantic import Field, JsonValue

from app.api.fields import Dto, Text, example

EventName = Annotated[Text, Field(min_length=1, max_length=256)]


class IngestSourceTriggerIn(Dto):
    """What shall arrive."""

    model_config = example(eventType="invoice.paid")

    event_type: EventName | None = Field(
        default=None,
        description="The event, as the provider calls it; left out, the first of which there is a sample. With a "
        "`payload`: what the provider says beside the body, such as a header with the event's name.",
        examples=["invoice.paid"],
    )
    payload: JsonValue = Field(
        default=None,
        description="What is sent in place of the sample: as JSON; or, of a text, the text itself, so that it can be a "
        "form, or XML.",
        examples=[{"id": "evt_1", "type": "invoice.paid"}],
        repr=False,
    )


class TriggerRefusal(Dto):
    """Why it was refused, in the words that the provider is told."""

    code: str = Field(examples=["not_verified"])
    detail: str = Field(examples=["The signature was made with none of this source's secrets, or of another body."])


class IngestSourceTriggerOut(Dto):
    """What became of it."""

    model_config = example(
        status=200,
        messageId="msg_1srOrx2ZWZBpBUvZwXKQmoEYga2",
        eventType="stripe.invoice.paid",
        eventId="src_0iSXRtZQskBRr7dIpN7xCw.evt_1",
        duplicate=False,
    )

    status: int = Field(description="What the provider is answered.", examples=[200])
    message_id: str | None = Field(
        default=None,
        description="The message that came of it; none of a duplicate, a handshake, or what was refused.",
        examples=["msg_1srOrx2ZWZBpBUvZwXKQmoEYga2"],
    )
    event_type: str | None = Field(
        default=None,
        description="The message's; of a duplicate that of the message that was stored.",
        examples=["stripe.invoice.paid"],
    )
    note: str | None = Field(
        default=None,
        description="What differs from what was asked for.",
        examples=["The payload says what the event is: stripe, and not stripe.invoice.paid."],
    )
    event_id: str | None = Field(default=None, examples=["src_0iSXRtZQskBRr7dIpN7xCw.evt_1"])
    duplicate: bool = Field(
        default=False, description="Whether an event of that id came before, so that nothing was stored."
    )
    refusal: TriggerRefusal | None = None
