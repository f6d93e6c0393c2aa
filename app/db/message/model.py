"""The row of a message, and which messages a list is about."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, ColumnElement, DateTime, LargeBinary, Text, func
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel, col


class MessageRow(SQLModel, table=True):
    __tablename__ = "messages"

    id: str = Field(primary_key=True)
    application_id: str
    event_type: str
    event_id: str | None = None
    channels: list[str] | None = Field(default=None, sa_column=Column(ARRAY(Text)))
    tags: list[str] | None = Field(default=None, sa_column=Column(ARRAY(Text)))
    # The JSON object as received, byte for byte; None once expunged or expired.
    payload: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    created_at: datetime = Field(
        sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now())
    )


class MessageEventIdRow(SQLModel, table=True):
    """Which message has an event id: unique in an application, over all partitions."""

    __tablename__ = "message_event_ids"

    application_id: str = Field(primary_key=True)
    event_id: str = Field(primary_key=True)
    message_id: str


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Which messages a list is about: one of these event types, this channel, this tag. None: any."""

    event_types: tuple[str, ...] | None = None
    channel: str | None = None
    tag: str | None = None

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        """The same on the columns of `messages`; empty if any message will do."""
        found: list[ColumnElement[bool]] = []
        if self.event_types is not None:
            found.append(col(MessageRow.event_type).in_(self.event_types))
        if self.channel is not None:
            found.append(MessageRow.__table__.c.channels.contains([self.channel]))  # type: ignore[attr-defined]
        if self.tag is not None:
            found.append(MessageRow.__table__.c.tags.contains([self.tag]))  # type: ignore[attr-defined]
        return found
