"""The row of an application."""

from datetime import datetime

from sqlalchemy import Column, DateTime
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


class ApplicationRow(SQLModel, table=True):
    __tablename__ = "applications"

    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    uid: str | None = None
    name: str
    rate_limit: int | None = None
    # `metadata` is SQLAlchemy's own name on a class.
    metadata_: dict[str, str] = Field(default_factory=dict, sa_column=Column("metadata", JSONB, nullable=False))
    # Holds the organization's operational endpoints, and is found only by those who look for them.
    operational: bool = False
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    updated_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    deleted_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
