"""Environments on the wire."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from app.api.event_type.models import EventTypeIn, EventTypeOut
from app.api.fields import Dto, Text, Timestamp
from app.db.organization.model import EnvironmentType

_MOST_EVENT_TYPES = 5000
EnvironmentName = Annotated[Text, Field(min_length=1, max_length=255, examples=["Acme staging"])]


class EnvironmentModelUpdate(Dto):
    """What can be changed about an environment."""

    name: EnvironmentName = Field(description="A name for people.")


class EnvironmentModelIn(EnvironmentModelUpdate):
    """What creates an environment."""

    type: EnvironmentType = Field(description="What it is for; it makes no difference.", examples=["development"])


class EnvironmentModelOut(Dto):
    """An environment. One that came into being by a token alone is called by its id."""

    id: str = Field(examples=["org_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    name: str = Field(examples=["Acme staging"])
    type: EnvironmentType = Field(examples=["development"])
    region: Literal["self-hosted"] = "self-hosted"
    created_at: Timestamp
    updated_at: Timestamp


class EnvironmentOut(Dto):
    """What an environment consists of, to be imported by another one."""

    version: int = Field(default=1, examples=[1])
    created_at: Timestamp
    event_types: list[EventTypeOut]
    settings: dict[str, JsonValue] | None = Field(description="What was set.", examples=[{"enforceHttps": True}])
    connectors: list[JsonValue] = Field(description="There are none here.", examples=[[]])


class EnvironmentIn(Dto):
    """What is to be added and replaced; nothing is deleted."""

    event_types: Annotated[list[EventTypeIn], Field(max_length=_MOST_EVENT_TYPES, fail_fast=True)] | None = Field(
        default=None, description="Event types of the same name are replaced."
    )
    settings: dict[str, JsonValue] | None = Field(
        default=None,
        description="Settings as in v1.management.environment-settings.patch; others stay as they are.",
        examples=[{"enforceHttps": True}],
    )
    connectors: Annotated[list[JsonValue], Field(max_length=0)] | None = Field(
        default=None, description="Connectors are not served: leave them out.", examples=[[]]
    )
