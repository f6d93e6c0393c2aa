"""Transformations on the wire."""

from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from app.api.fields import Channel, Dto, EventTypeName, Flag, Text, Timestamp, at_most
from app.transformation.contract import LONGEST_CODE, Method

_SHORTEST_CODE: Final = 10
_MOST_VARIABLES: Final = 100
_LONGEST_NAME: Final = 256
_MOST_CHANNELS: Final = 100
_CODE: Final = "function handler(webhook) {\n  webhook.payload.source = webhook.env.SOURCE;\n  return webhook;\n}"
_VARIABLES: Final = {"SOURCE": "acme"}


def _check_variables(value: dict[str, str]) -> dict[str, str]:
    if sum(len(name) + len(text) for name, text in value.items()) > LONGEST_CODE:
        raise ValueError(f"all variables together must have at most {LONGEST_CODE} characters")
    return value


Code = Annotated[Text, Field(min_length=_SHORTEST_CODE, max_length=LONGEST_CODE)]
Variables = Annotated[
    dict[Annotated[Text, Field(min_length=1, max_length=_LONGEST_NAME)], Text],
    Field(json_schema_extra={"maxProperties": _MOST_VARIABLES}),
    AfterValidator(_check_variables),
    at_most(_MOST_VARIABLES),
]


class EndpointTransformationOut(Dto):
    """An endpoint's code and its variables, and whether messages are sent through it."""

    code: str | None = Field(default=None, examples=[_CODE], repr=False)
    enabled: bool = Field(default=False, examples=[True])
    variables: dict[str, str] | None = Field(default=None, examples=[_VARIABLES], repr=False)
    updated_at: Timestamp | None = Field(default=None, examples=["2026-01-31T23:59:59Z"])


class EndpointTransformationPatch(Dto):
    """Only the fields that are present change; null for `code` and `variables` takes them away."""

    code: Code | None = Field(
        default=None, description="JavaScript that declares a function `handler(webhook)`.", examples=[_CODE]
    )
    enabled: Flag = Field(default=False, description="Whether messages are sent through the code.", examples=[True])
    variables: Variables | None = Field(
        default=None, description="Texts that the code finds in `webhook.env`.", examples=[_VARIABLES]
    )


class TransformationSimulateIn(Dto):
    """Code, and what it is tried on."""

    code: Code = Field(description="What is run; the endpoint's own code stays as it is.", examples=[_CODE])
    event_type: EventTypeName = Field(description="What `webhook.eventType` is.", examples=["user.signup"])
    channels: Annotated[list[Channel], Field(max_length=_MOST_CHANNELS, fail_fast=True)] | None = Field(
        default=None, description="What `webhook.channels` is.", examples=[["project_1337"]]
    )
    payload: dict[str, Any] = Field(description="What `webhook.payload` is.", examples=[{"username": "jdoe"}])
    variables: Variables | None = Field(
        default=None,
        description="What `webhook.env` is; the endpoint's own variables if left out.",
        examples=[_VARIABLES],
    )


class TransformationSimulateOut(Dto):
    """What would be sent."""

    url: str = Field(examples=["https://example.com/webhook/"])
    payload: str = Field(description="The body.", examples=['{"username":"jdoe","source":"acme"}'], repr=False)
    method: Method | None = Field(default=None, examples=["POST"])
    headers: dict[str, str] | None = Field(
        default=None, description="What the code sets beside the endpoint's own.", examples=[{"X-Example": "123"}]
    )
    cancel: bool = Field(description="Whether the code cancels the delivery.", examples=[False])
