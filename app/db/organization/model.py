"""The row of an organization."""

from datetime import datetime

from sqlalchemy import Column, DateTime, SmallInteger
from sqlmodel import Field, SQLModel


class OrganizationRow(SQLModel, table=True):
    __tablename__ = "organizations"

    id: str = Field(primary_key=True)
    operational_application_id: str | None = None
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    # Days that payloads are kept if the publisher does not say; None: as long as their messages.
    payload_retention_days: int | None = Field(default=None, sa_column=Column(SmallInteger))
    # Payloads of messages from before then are gone, but for those whose publishers said otherwise.
    payloads_expired_to: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
