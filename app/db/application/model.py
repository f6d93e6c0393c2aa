"""The row of an application."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Column, DateTime
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

# The URLs, as LIKE has it, of Svix's public inspector of requests, which some counts and lists leave out.
PLAY: Final = "https://play.svix.com/%"


class ApplicationRow(SQLModel, table=True):
    __tablename__ = "applications"

    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    uid: str | None = None
    name: str
    rate_limit: int | None = None
    # Addresses, comma-separated, to which alerts about it are to go.
    alert_email: str | None = None
    # `metadata` is SQLAlchemy's own name on a class.
    metadata_: dict[str, str] = Field(default_factory=dict, sa_column=Column("metadata", JSONB, nullable=False))
    # Holds the organization's operational endpoints, and is found only by those who look for them.
    operational: bool = False
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    updated_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    deleted_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Which applications a list leaves out."""

    without_endpoints: bool = False
    with_disabled_ones_only: bool = False
    with_play_ones_only: bool = False
