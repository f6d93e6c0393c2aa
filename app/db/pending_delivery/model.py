"""The row of a pending delivery."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, DateTime, SmallInteger, func
from sqlmodel import Field, SQLModel


class PendingDeliveryRow(SQLModel, table=True):
    __tablename__ = "pending_deliveries"

    message_id: str = Field(primary_key=True)
    endpoint_id: str = Field(primary_key=True)
    application_id: str
    shard: int = Field(sa_column=Column(SmallInteger, nullable=False))
    tries: int = Field(default=0, sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    trigger: int = Field(default=0, sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    next_attempt_at: datetime = Field(
        sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now())
    )
    # In a line of an ordered endpoint (lines.py); None: it is in none.
    position: int | None = Field(default=None, sa_column=Column(BigInteger))
    line: int | None = Field(default=None, sa_column=Column(BigInteger))
