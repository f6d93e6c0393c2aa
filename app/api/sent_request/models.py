"""What was sent with an attempt, on the wire."""

from enum import StrEnum

from pydantic import Field

from app.api.attempt.models import HeaderPair
from app.api.fields import Dto


class BodyEncoding(StrEnum):
    """How bytes stand in a text."""

    TEXT = "utf-8"
    BASE64 = "base64"


class SentRequestOut(Dto):
    """What was sent with an attempt, as far as it can be told now."""

    url: str = Field(examples=["https://example.com/receive"])
    headers: list[HeaderPair] = Field(
        description="Names and values, in the order in which they are sent; `***` in place of a secret.",
        examples=[[["webhook-id", "msg_1srOrx2ZWZBpBUvZwXKQmoEYga2"]]],
    )
    sensitive: list[str] = Field(
        description="The headers whose values are not shown.",
        examples=[["authorization"]],
        json_schema_extra={"uniqueItems": True},
    )
    body: str | None = Field(
        default=None, description="None if it has expired or was expunged.", examples=['{"id": "in_1", "amount": 4200}']
    )
    body_encoding: BodyEncoding = Field(
        default=BodyEncoding.TEXT, description="How the bytes of the body stand in `body`.", examples=["utf-8"]
    )
    transformed: bool = Field(
        description="Whether the endpoint has a transformation now: what was sent may have been changed by it.",
        examples=[False],
    )
    curl: str | None = Field(
        default=None,
        description="The command for a POSIX shell that sends it again; none if the body is gone.",
        examples=["curl --request POST --url 'https://example.com/receive' --data-binary '{}'"],
    )
