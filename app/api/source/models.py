"""Sources on the wire. What is secret about them goes in, and never out again, but for the URL."""

import ipaddress
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field, JsonValue, ValidationInfo, WithJsonSchema, field_validator
from pydantic_core import PydanticCustomError

from app.api.fields import Dto, Flag, Metadata, Text, Timestamp, at_most, example, whole
from app.api.source.configs import Config, config_model, fields_of, kinds
from app.api.source.known import KnownDto, nearest

_LONGEST_UID: Final = 60
_MOST_NETWORKS: Final = 256
# Of a config, which is looked at field by field.
_MOST_FIELDS: Final = 100
_SHORTEST_WORD: Final = 3
_WEEK: Final = 7 * 86400
_ID: Final = "src_0iSXRtZQskBRr7dIpN7xCw"
_SECRET: Final = "whsec_5d41402abc4b2a76b9719d911017c592"  # noqa: S105 - an example
_URL: Final = "https://postrider.example.com/in/8f3kVvT0nq1wq0m2bXo4yXnqkC9S4mT7pUu5Yb2Jx1E"
UID: Final = r"^[a-zA-Z0-9_-]+$"


def _no_id(value: str) -> str:
    if value.startswith("src_"):
        raise ValueError("uids are not allowed to have the same prefix as the ID. Leave out the prefix.")
    return value


def _check_kind(value: str) -> str:
    if value in kinds():
        return value
    word = value.lower()
    longer = [kind for kind in kinds() if len(word) >= _SHORTEST_WORD and word in kind]
    meant = nearest(value, kinds()) or next(iter(longer), None)
    hint = f"is {meant} meant?" if meant else "for senders that are not listed there are hmac, jwt, basic and api-key."
    raise PydanticCustomError("literal_error", f"there is no such type: {hint} All are listed in /docs.")


def _check_network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        raise ValueError("write an address, or a network as in 203.0.113.0/24 with no bits set beyond it") from None


def _distinct_or_none(value: list[str] | None) -> list[str] | None:
    """An empty list allows everything, as null does: forms without a choice send one."""
    return list(dict.fromkeys(value)) if value else None


SourceUid = Annotated[str, Field(min_length=1, max_length=_LONGEST_UID, pattern=UID), AfterValidator(_no_id)]
SourceName = Annotated[Text, Field(min_length=2, max_length=256)]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Methods = Annotated[Annotated[list[Method], Field(max_length=10)] | None, AfterValidator(_distinct_or_none)]
Network = Annotated[str, Field(max_length=64), AfterValidator(_check_network)]
Networks = Annotated[
    Annotated[list[Network], Field(max_length=_MOST_NETWORKS, fail_fast=True)] | None, AfterValidator(_distinct_or_none)
]
Forward = Literal["original", "payload"]
ApplicationReference = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[a-zA-Z0-9\-_.]+$")]
_TOLD: Final = dict.fromkeys(
    ("id", "ingestUrl", "createdAt", "updatedAt", "provider", "verifies"), "it is told, and not set: leave it out"
)
_METADATA: Final = "Your own key-value pairs, up to 4096 bytes."


class _Extensions(KnownDto):
    """What the Svix API does not have. Left out, they are as they were; of a new source, as said here."""

    _refusals: ClassVar = _TOLD

    application_id: ApplicationReference | None = Field(
        default=None,
        description="Id or uid of the application whose endpoints get what arrives. A new source for which it is left "
        "out has an application of its own, which is deleted with it unless another source delivers there.",
        examples=["acme"],
    )
    methods: Methods = Field(
        default=None, description="HTTP methods that are taken; null for those of the provider.", examples=[["POST"]]
    )
    allowed_ips: Networks = Field(
        default=None,
        description="Addresses and networks that requests may come from; null for any.",
        examples=[["203.0.113.0/24"]],
    )
    paused: Flag = Field(
        default=False, description="While true, what arrives is kept, and not delivered.", examples=[False]
    )
    keep_rejected: Flag = Field(
        default=True, description="Whether requests that are rejected are kept, to be looked at.", examples=[True]
    )
    forward: Forward = Field(
        default="original",
        description="What endpoints get: the body as it came, or the message's payload, which is always JSON.",
        examples=["original"],
    )


def _say_configs(schema: dict[str, Any]) -> None:
    """Which config each type has, for the OpenAPI document: not as `oneOf`, of which generators try each in turn."""
    schema["properties"]["type"]["enum"] = list(kinds())
    schema["properties"]["config"]["x-configs"] = {kind: config_model(kind).model_json_schema() for kind in kinds()}
    sample = {"name": "Payments", "metadata": {"plan": "gold"}, "type": "stripe", "config": {"secret": _SECRET}}
    schema["examples"] = [sample]


class IngestSourceIn(_Extensions):
    """What creates a source, or replaces it."""

    model_config = ConfigDict(json_schema_extra=_say_configs)

    name: SourceName = Field(description="A name for people.", examples=["Payments"])
    uid: SourceUid | None = Field(default=None, description="Your own id of this source.", examples=["payments"])
    metadata: Metadata = Field(default_factory=dict, description=_METADATA)
    type: Annotated[str, AfterValidator(_check_kind)] = Field(
        description="Whose webhooks arrive: one of docs/reference/providers.md; or `cron`.", examples=["stripe"]
    )
    # Checked by the model of its type, and one of that once it is.
    config: Annotated[
        object, at_most(_MOST_FIELDS), WithJsonSchema({"type": ["object", "null"], "maxProperties": _MOST_FIELDS})
    ] = Field(
        default=None,
        validate_default=True,
        description="What verifies it: the fields of the type, as in docs/reference/providers.md and `x-configs`.",
        examples=[{"secret": _SECRET}],
        repr=False,
    )

    @field_validator("config", mode="after")
    @classmethod
    def _check_config(cls, value: object, info: ValidationInfo) -> object:
        kind = info.data.get("type")
        if kind is None:
            # It is refused for that.
            return value
        if value is None:
            if any(asked.required for asked in fields_of(kind)):
                raise PydanticCustomError("missing", "Field required")
            value = {}
        return config_model(kind).model_validate(value)

    @property
    def checked_config(self) -> Config:
        """The config, which is of the type's model."""
        assert isinstance(self.config, Config)
        return self.config


class IngestSourcePatch(_Extensions):
    """Only the fields that are present change, so that the defaults here are never used."""

    _refusals: ClassVar = {**_TOLD, "type": "the type of a source cannot be changed: create another"}

    name: SourceName = Field(default="", examples=["Payments"])
    uid: SourceUid | None = Field(default=None, examples=["payments"])
    metadata: Metadata = Field(default_factory=dict)
    config: Annotated[dict[str, JsonValue], Field(max_length=_MOST_FIELDS), at_most(_MOST_FIELDS)] = Field(
        default_factory=dict,
        description="Fields of the type's config that change, so that a secret is rotated: the new one as `secret`, "
        "and in `otherSecrets` those that are still good. Not in the Svix API.",
        examples=[{"secret": _SECRET}],
        repr=False,
    )


class IngestSourceOut(Dto):
    """A source. Of its config it shows what is not secret; `ingestUrl` is: whoever knows it can post there."""

    model_config = example(
        id=_ID,
        uid="payments",
        name="Payments",
        type="stripe",
        provider="stripe",
        config={},
        verifies=True,
        ingestUrl=_URL,
        metadata={"plan": "gold"},
        applicationId="app_1srOrx2ZWZBpBUvZwXKQmoEYga2",
        paused=False,
        keepRejected=True,
        forward="original",
        createdAt="2026-01-31T23:59:59Z",
        updatedAt="2026-01-31T23:59:59Z",
    )

    id: str = Field(examples=[_ID])
    uid: str | None = None
    name: str = Field(examples=["Payments"])
    type: str = Field(
        description="To SDKs of the Svix API, one that it does not have is `generic-webhook`.", examples=["stripe"]
    )
    provider: str = Field(description="The type, whoever asks. Not in the Svix API.", examples=["stripe"])
    config: dict[str, str | int | bool] = Field(examples=[{}])
    verifies: bool = Field(
        description="Whether what arrives must prove whose it is; else whoever knows the URL is believed. Not in the "
        "Svix API.",
        examples=[True],
    )
    ingest_url: str | None = Field(
        default=None, description="Where the provider posts to; `cron` has none.", examples=[_URL], repr=False
    )
    metadata: dict[str, str]
    application_id: str = Field(examples=["app_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    methods: list[str] | None = Field(default=None, examples=[["POST"]])
    allowed_ips: list[str] | None = Field(default=None, examples=[["203.0.113.0/24"]])
    paused: bool
    keep_rejected: bool
    forward: Forward
    created_at: Timestamp
    updated_at: Timestamp


class RotateTokenOut(Dto):
    """A source's new URL."""

    ingest_url: str = Field(examples=[_URL], repr=False)


class RotatedUrlOut(Dto):
    """The URL at which an application receives."""

    url: str = Field(examples=[_URL], repr=False)


class IngestSourcePortalAccessIn(Dto):
    """What a link to the portal of a source's application allows."""

    expiry: Annotated[int, Field(strict=True, ge=3600, le=_WEEK), whole] | None = Field(
        default=None,
        description="For how many seconds the token is good; 7 days if it is left out.",
        examples=[_WEEK],
    )
    read_only: Flag | None = Field(default=None, description="Whether its bearer may look, and no more.")

    @property
    def seconds(self) -> int:
        """For how long."""
        return self.expiry or _WEEK
