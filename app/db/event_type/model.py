"""The row of an event type."""

from datetime import datetime

from sqlalchemy import Column, DateTime, Double, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel


class EventTypeRow(SQLModel, table=True):
    __tablename__ = "event_types"

    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    name: str
    description: str
    schemas: dict[str, object] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    feature_flags: list[str] | None = Field(default=None, sa_column=Column(ARRAY(Text)))
    group_name: str | None = None
    deprecated: bool = False
    archived: bool = False
    # Seconds before each retry; None: as the installation's settings have it.
    retry_schedule: list[float] | None = Field(default=None, sa_column=Column(ARRAY(Double)))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    updated_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
