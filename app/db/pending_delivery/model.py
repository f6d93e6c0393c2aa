"""The row of a pending delivery."""

from datetime import datetime

from sqlalchemy import Column, DateTime, SmallInteger, func
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
