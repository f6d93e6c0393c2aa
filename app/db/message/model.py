"""The row of a message, and which messages a list is about."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import (
    Column,
    ColumnElement,
    DateTime,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    and_,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from app.payload_store.stored import StoredPayload


class MessageRow(SQLModel, table=True):
    __tablename__ = "messages"

    id: str = Field(primary_key=True)
    application_id: str
    event_type: str
    event_id: str | None = None
    channels: list[str] | None = Field(default=None, sa_column=Column(ARRAY(Text)))
    tags: list[str] | None = Field(default=None, sa_column=Column(ARRAY(Text)))
    # The JSON object as received, byte for byte; None once expunged or expired.
    payload: bytes | None = Field(default=None, repr=False, sa_column=Column(LargeBinary))
    # How many deliveries were made of it, for the ledger; None: it was published by an older release.
    deliveries: int | None = None
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now()))
    # Where the payload is in the payload store: its size and SHA-256, and None for `payload`.
    stored_bytes: int | None = None
    stored_digest: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    # Days that the publisher wants the payload kept; None: as the organization has it.
    payload_days: int | None = Field(default=None, sa_column=Column(SmallInteger))
    # Nothing is sent of it before then.
    deliver_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    # What is sent in place of the payload, and with which headers (worker/substitute.py); gone when the payload is.
    transformations_params: bytes | None = Field(default=None, repr=False, sa_column=Column(LargeBinary))
    # Of what arrived at a source: where, and the request (app/receiving/record.py), which goes when the payload is.
    source_id: str | None = None
    received: bytes | None = Field(default=None, repr=False, sa_column=Column(LargeBinary))

    @property
    def stored(self) -> StoredPayload | None:
        """What is known of the payload if it is in the payload store."""
        if self.stored_bytes is None or self.stored_digest is None:
            return None
        return StoredPayload(self.id, self.stored_bytes, self.stored_digest)


class MessageEventIdRow(SQLModel, table=True):
    """Which message has an event id: unique in an application, over all partitions."""

    __tablename__ = "message_event_ids"

    application_id: str = Field(primary_key=True)
    event_id: str = Field(primary_key=True)
    message_id: str


_MESSAGES: Final[Table] = MessageRow.__table__  # type: ignore[attr-defined]  # SQLModel sets it, undeclared


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Which messages a list is about: one of these event types, this channel, this tag, this text in the payload.

    None: any.
    """

    event_types: tuple[str, ...] | None = None
    channel: str | None = None
    tag: str | None = None
    text: str | None = None

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        """The same on the columns of `messages`; empty if any message will do."""
        found: list[ColumnElement[bool]] = []
        if self.event_types is not None:
            found.append(_MESSAGES.c.event_type.in_(self.event_types))
        if self.channel is not None:
            found.append(_MESSAGES.c.channels.contains([self.channel]))
        if self.tag is not None:
            found.append(_MESSAGES.c.tags.contains([self.tag]))
        if self.text is not None:
            # So written because `position(… IN …)` is no function's name.
            found.append(func.pg_catalog.position(_MESSAGES.c.payload, literal(self.text.encode(), LargeBinary)) > 0)
        return found

    def conditions_on(
        self, message_id: ColumnElement[str], application_id: ColumnElement[str]
    ) -> list[ColumnElement[bool]]:
        """The same on a table that has only the message's key; empty if any message will do."""
        conditions = self.conditions
        if not conditions:
            return []
        message = select(and_(*conditions)).where(
            _MESSAGES.c.id == message_id, _MESSAGES.c.application_id == application_id
        )
        # A look-up by key for each row that is walked until the page is full. For EXISTS, or a join, the planner reads
        # all messages of the span if it thinks that few match.
        return [message.scalar_subquery()]
