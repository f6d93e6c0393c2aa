"""The rows of a poller and of its readers."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, DateTime, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel


class PollerRow(SQLModel, table=True):
    __tablename__ = "pollers"

    id: str = Field(primary_key=True)
    application_id: str = Field(foreign_key="applications.id")
    uid: str | None = None
    description: str = ""
    event_types: list[str] | None = Field(default=None, sa_column=Column(ARRAY(Text)))
    channels: list[str] | None = Field(default=None, sa_column=Column(ARRAY(Text)))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    updated_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class PollerReaderRow(SQLModel, table=True):
    """How far one of a poller's readers has read, who leaves that to us."""

    __tablename__ = "poller_readers"

    poller_id: str = Field(primary_key=True, foreign_key="pollers.id")
    name: str = Field(primary_key=True)
    # Whether it is told how far by offsets that are committed, or by iterators.
    by_offset: bool = Field(primary_key=True)
    application_id: str
    # In the feed of messages: everything before it was read, but for what is leased. None: nothing was.
    position: str | None = None
    # The offset of the last message that was committed, and the messages behind it that were handed out.
    committed: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default=text("0")))
    leased: list[str] = Field(
        default_factory=list, sa_column=Column(ARRAY(Text), nullable=False, server_default=text("'{}'"))
    )
    # Until then they are handed out to nobody else.
    leased_until: datetime = Field(
        sa_column=Column(DateTime(timezone=True), nullable=False, server_default=text("'-infinity'"))
    )
