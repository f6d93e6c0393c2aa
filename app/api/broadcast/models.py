"""Broadcasts on the wire."""

from typing import Literal

from pydantic import Field

from app.api.fields import Dto, Timestamp, example
from app.api.message.models import Announced


class MessageBroadcastIn(Announced):
    """A fact to publish to every application of the organization."""

    model_config = example(eventType="maintenance.planned", payload={"maintenance": "2026-02-01"})

    payload: dict[str, object] = Field(description="A JSON object.", examples=[{"maintenance": "2026-02-01"}])


class MessageBroadcastOut(Dto):
    """The background task that publishes it; ask for it by its id to see how far it is."""

    id: str = Field(examples=["qtask_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    status: Literal["running", "finished", "failed"] = Field(examples=["running"])
    task: Literal["message.broadcast"] = Field(examples=["message.broadcast"])
    updated_at: Timestamp = Field(examples=["2026-01-31T23:59:59Z"])
