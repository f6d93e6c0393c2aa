"""Applications on the wire.

Both generations of SDKs are served: `throttleRate` is also `rateLimit`, one value.
"""

from pydantic import AliasChoices, Field

from app.api.fields import Dto, Metadata, Name, Rate, Timestamp, Uid

_RATE = AliasChoices("throttleRate", "rateLimit")


class ApplicationIn(Dto):
    """What creates an application, or replaces it."""

    name: Name = Field(description="A name for people.", examples=["Acme Inc."])
    uid: Uid | None = Field(default=None, description="Your own id of this customer.", examples=["acme"])
    throttle_rate: Rate | None = Field(
        default=None, validation_alias=_RATE, description="Kept, and not enforced: limits are those of endpoints."
    )
    metadata: Metadata = Field(default_factory=dict, description="Your own key-value pairs, up to 4096 bytes.")


class ApplicationPatch(Dto):
    """Only the fields that are present change, so that the defaults here are never used."""

    name: Name = ""
    uid: Uid | None = None
    throttle_rate: Rate | None = Field(default=None, validation_alias=_RATE)
    metadata: Metadata = Field(default_factory=dict)


class ApplicationOut(Dto):
    """An application."""

    id: str = Field(examples=["app_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    uid: str | None = None
    name: str
    throttle_rate: int | None = None
    rate_limit: int | None = Field(default=None, json_schema_extra={"deprecated": True})
    metadata: dict[str, str]
    created_at: Timestamp
    updated_at: Timestamp
