"""The row of a broadcast."""

from sqlalchemy import Column, LargeBinary, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel


class BroadcastRow(SQLModel, table=True):
    __tablename__ = "broadcasts"

    # Of the background task that publishes it.
    id: str = Field(primary_key=True)
    organization_id: str
    event_type: str
    event_id: str | None = None
    channels: list[str] | None = Field(default=None, sa_column=Column(ARRAY(Text)))
    # The JSON object as received, byte for byte.
    payload: bytes = Field(repr=False, sa_column=Column(LargeBinary, nullable=False))
    # Hours that the publisher wants the payload kept; None: as the organization has it.
    payload_hours: int | None = None
