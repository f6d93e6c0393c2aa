"""Trials on the wire."""

from typing import Annotated

from pydantic import Field

from app.api.fields import Dto, EventTypeName, whole


class EventExampleIn(Dto):
    """Which example to send."""

    event_type: EventTypeName = Field(description="The event type's name.", examples=["invoice.paid"])
    example_index: Annotated[int, Field(strict=True, ge=0, le=2**32 - 1), whole] = Field(
        default=0,
        description="Which of the schema's `examples` to send; without meaning for a schema with one `example`.",
        examples=[0],
    )
