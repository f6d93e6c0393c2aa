"""Attempts, and the deliveries that they belong to, on the wire."""

from enum import IntEnum
from typing import Annotated

from pydantic import Field, computed_field

from app.api.endpoint.models import EndpointView
from app.api.fields import Dto, Timestamp
from app.api.message.models import MessageOut


class MessageStatus(IntEnum):
    """How far a delivery is. Sending is not told apart from pending, and so is never reported."""

    SUCCESS = 0
    PENDING = 1
    FAIL = 2
    SENDING = 3
    CANCELED = 4


class StatusCodeClass(IntEnum):
    """A hundred of HTTP status codes; 0 where there was no answer."""

    NONE = 0
    INFORMATIONAL = 100
    SUCCESSFUL = 200
    REDIRECTION = 300
    CLIENT_ERROR = 400
    SERVER_ERROR = 500


class TriggerType(IntEnum):
    """Why an attempt was made."""

    SCHEDULED = 0
    MANUAL = 1


class _WithStatus(Dto):
    """What has a status has it twice: as a number, and in words."""

    status: MessageStatus

    @computed_field  # type: ignore[prop-decorator]
    @property
    def status_text(self) -> str:
        """One of success, pending, fail, sending, canceled."""
        return self.status.name.lower()


HeaderPair = Annotated[list[str], Field(min_length=2, max_length=2)]


class AttemptTimingsOut(Dto):
    """Where the time of an attempt went, in milliseconds; what is left out did not happen, or did not end."""

    reused: bool = Field(
        description="Whether the connection was there already, so that nothing had to be set up.", examples=[False]
    )
    dns_ms: float | None = Field(default=None, description="Looking up the host's name.", examples=[4.2])
    connect_ms: float | None = Field(default=None, description="Connecting to its address.", examples=[11.8])
    tls_ms: float | None = Field(default=None, description="Setting up the TLS session.", examples=[23.5])
    first_byte_ms: float | None = Field(
        default=None,
        description="From when the request was written until the first byte of the answer.",
        examples=[38.1],
    )


class MessageAttemptOut(_WithStatus):
    """One HTTP try."""

    id: str = Field(examples=["atmpt_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    msg_id: str
    endpoint_id: str
    url: str
    response: str = Field(
        description="The start of the answer, up to 20,000 bytes; in base64 if it is not text in UTF-8.",
        examples=["ok"],
    )
    response_status_code: int = Field(description="0 if there was no answer.", examples=[200])
    response_duration_ms: int = Field(description="Milliseconds of the whole attempt.", examples=[38])
    trigger_type: TriggerType
    timestamp: Timestamp
    timings: AttemptTimingsOut | None = Field(
        default=None, description="Where the time went; not there if nothing was sent, or it is not known."
    )
    response_headers: list[HeaderPair] | None = Field(
        default=None,
        description="The headers of the answer of an attempt that failed, up to 4 kB, names in lower case; `***` in"
        " place of cookies and credentials. Not there if contents were not asked for.",
        examples=[[["content-type", "text/plain"]]],
    )
    msg: MessageOut | None = Field(default=None, description="The message, without its payload, if it was asked for.")


class EndpointMessageOut(MessageOut, _WithStatus):
    """A message, and how far its delivery to one endpoint is."""

    next_attempt: Timestamp | None = None


class MessageEndpointOut(EndpointView, _WithStatus):
    """An endpoint, and how far the delivery of one message to it is."""

    next_attempt: Timestamp | None = None


class MessageAttemptHeadersOut(Dto):
    """The headers of an attempt: those that are the same for each, and those that the endpoint and message have now."""

    sent_headers: dict[str, str] = Field(examples=[{"webhook-id": "msg_1srOrx2ZWZBpBUvZwXKQmoEYga2"}])
    response_headers: list[HeaderPair] | None = Field(
        default=None,
        description="Those of the answer, as far as they are kept: of attempts that failed.",
        examples=[[["content-type", "text/plain"]]],
    )
    sensitive: list[str] = Field(
        description="What was sent too, without the values: signatures and credentials.",
        examples=[["webhook-signature", "authorization"]],
        json_schema_extra={"uniqueItems": True},
    )


class CountOut(Dto):
    """A number of attempts."""

    count: int = Field(ge=0, examples=[42])
    approximated: bool = Field(
        description="There are more: only the newest 10,000 were looked at, and this is how many of them match.",
        examples=[False],
    )


class EmptyOut(Dto):
    """Nothing but the word that it was accepted."""
