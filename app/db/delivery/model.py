"""The row of a delivery, and its states."""

from datetime import datetime
from enum import IntEnum

from sqlalchemy import Column, DateTime, SmallInteger, func
from sqlmodel import Field, SQLModel


class DeliveryState(IntEnum):
    """How far a delivery is; the numbers are those of the API's message status."""

    DELIVERED = 0
    DUE = 1
    FAILED = 2
    CANCELED = 4


class DeliveryRow(SQLModel, table=True):
    """Written with the first outcome. While something is still to do, `pending_deliveries` has a row too."""

    __tablename__ = "deliveries"

    message_id: str = Field(primary_key=True)
    endpoint_id: str = Field(primary_key=True)
    application_id: str
    state: int = Field(sa_column=Column(SmallInteger, nullable=False))
    attempts: int = Field(sa_column=Column(SmallInteger, nullable=False))
    called_off: bool | None = None
    """Whether it was canceled because somebody asked for that, of this endpoint's pending deliveries."""
    updated_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now()))
