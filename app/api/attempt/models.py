"""Attempts, and the deliveries that they belong to, on the wire."""

from enum import IntEnum

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


class MessageAttemptOut(_WithStatus):
    """One HTTP try."""

    id: str = Field(examples=["atmpt_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    msg_id: str
    endpoint_id: str
    url: str
    response: str = Field(
        description="The start of the answer, up to 20,000 bytes; in base64 if it is not text in UTF-8."
    )
    response_status_code: int = Field(description="0 if there was no answer.", examples=[200])
    response_duration_ms: int = Field(description="Milliseconds of the whole attempt.")
    trigger_type: TriggerType
    timestamp: Timestamp


class EndpointMessageOut(MessageOut, _WithStatus):
    """A message, and how far its delivery to one endpoint is."""

    next_attempt: Timestamp | None = None


class MessageEndpointOut(EndpointView, _WithStatus):
    """An endpoint, and how far the delivery of one message to it is."""

    next_attempt: Timestamp | None = None


class EmptyOut(Dto):
    """Nothing but the word that it was accepted."""
