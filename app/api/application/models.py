"""Applications on the wire."""

from pydantic import Field

from app.api.fields import Dto, Metadata, Name, Timestamp, Uid


class ApplicationIn(Dto):
    """What creates an application, or replaces it."""

    name: Name = Field(description="A name for people.", examples=["Acme Inc."])
    uid: Uid | None = Field(default=None, description="Your own id of this customer.", examples=["acme"])
    rate_limit: int | None = Field(default=None, ge=1, le=2**31 - 1, description="Most messages a second.", deprecated=True)
    throttle_rate: int | None = Field(default=None, ge=1, le=2**31 - 1, description="Most messages a second.")
    metadata: Metadata = Field(default_factory=dict, description="Your own key-value pairs, up to 4096 bytes.")


class ApplicationPatch(Dto):
    """Only the fields that are present change."""

    name: Name | None = None
    uid: Uid | None = None
    rate_limit: int | None = Field(default=None, ge=1, le=2**31 - 1, deprecated=True)
    throttle_rate: int | None = Field(default=None, ge=1, le=2**31 - 1)
    metadata: Metadata | None = None


class ApplicationOut(Dto):
    id: str = Field(examples=["app_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    uid: str | None = None
    name: str
    rate_limit: int | None = None
    throttle_rate: int | None = None
    metadata: dict[str, str]
    created_at: Timestamp
    updated_at: Timestamp
