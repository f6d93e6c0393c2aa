"""Applications on the wire.

Both generations of SDKs are served: `throttleRate` is also `rateLimit`, one value.
"""

from typing import Annotated, Final

from pydantic import AfterValidator, AliasChoices, Field

from app.api.fields import Dto, Metadata, Name, Rate, Timestamp, Uid

# One at sign in each, and nothing that ends a header's line: whoever sends mail is to be safe from it.
_PART: Final = r"[^\x00-\x20\x7f@,;:<>()\[\]\\\"]"
_ADDRESSES: Final = rf"^{_PART}{{1,64}}@{_PART}{{1,255}}( *, *{_PART}{{1,64}}@{_PART}{{1,255}})*$"
_LONGEST_EMAIL: Final = 2048
_RATE = AliasChoices("throttleRate", "rateLimit")


class ApplicationIn(Dto):
    """What creates an application, or replaces it."""

    name: Name = Field(description="A name for people.", examples=["Acme Inc."])
    uid: Uid | None = Field(default=None, description="Your own id of this customer.", examples=["acme"])
    throttle_rate: Rate | None = Field(
        default=None,
        validation_alias=_RATE,
        description="Most attempts a second, over all endpoints of the application together.",
    )
    metadata: Metadata = Field(default_factory=dict, description="Your own key-value pairs, up to 4096 bytes.")


class ApplicationPatch(Dto):
    """Only the fields that are present change, so that the defaults here are never used."""

    name: Name = Field(default="", examples=["Acme Inc."])
    uid: Uid | None = None
    throttle_rate: Rate | None = Field(default=None, validation_alias=_RATE)
    metadata: Metadata = Field(default_factory=dict)


def _tidy(value: str) -> str:
    return ", ".join(address.strip() for address in value.split(","))


class AlertEmailPatch(Dto):
    """To whom alerts about an application are to go."""

    email: Annotated[str, Field(max_length=_LONGEST_EMAIL, pattern=_ADDRESSES), AfterValidator(_tidy)] | None = Field(
        default=None,
        description="E-mail addresses, separated by commas; null for none. Left out, nothing changes.",
        examples=["ops@example.com, alerts@example.com"],
    )


class ApplicationOut(Dto):
    """An application."""

    id: str = Field(examples=["app_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    uid: str | None = None
    name: str = Field(examples=["Acme Inc."])
    throttle_rate: int | None = None
    rate_limit: int | None = Field(default=None, json_schema_extra={"deprecated": True})
    metadata: dict[str, str]
    created_at: Timestamp
    updated_at: Timestamp
