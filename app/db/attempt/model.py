"""The row of an attempt."""

from datetime import datetime
from enum import IntEnum

from sqlalchemy import Column, DateTime, LargeBinary, SmallInteger, func
from sqlmodel import Field, SQLModel


class Trigger(IntEnum):
    """Why an attempt was made: by the retry schedule, or because somebody asked for it."""

    SCHEDULED = 0
    MANUAL = 1


class AttemptRow(SQLModel, table=True):
    __tablename__ = "attempts"

    id: str = Field(primary_key=True)
    message_id: str = Field(primary_key=True)
    endpoint_id: str
    application_id: str
    url: str
    status: int = Field(sa_column=Column(SmallInteger, nullable=False))
    trigger: int = Field(sa_column=Column(SmallInteger, nullable=False))
    # 0: there was no answer.
    response_status_code: int = Field(sa_column=Column(SmallInteger, nullable=False))
    response: bytes | None = Field(default=None, repr=False, sa_column=Column(LargeBinary))
    response_duration_ms: int
    # Packed (app/delivery/exchange.py); None: nothing was sent, or it is not known.
    exchange: bytes | None = Field(default=None, repr=False, sa_column=Column(LargeBinary))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now()))
