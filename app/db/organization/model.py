"""The row of an organization, which the Svix API calls an environment."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Column, DateTime, Double, SmallInteger
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel


class EnvironmentType(StrEnum):
    """What an environment is for. It makes no difference but to its readers."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class OrganizationRow(SQLModel, table=True):
    __tablename__ = "organizations"

    id: str = Field(primary_key=True)
    operational_application_id: str | None = None
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    # None: it came into being by a token alone.
    name: str | None = None
    kind: str | None = None
    updated_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    deleted_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    # What was set, by the names of the API.
    settings: dict[str, object] = Field(default_factory=dict, sa_column=Column(JSONB, nullable=False))
    # Seconds before each retry, where the event type has no schedule of its own; None: the installation's.
    retry_schedule: list[float] | None = Field(default=None, sa_column=Column(ARRAY(Double)))
    # Days that payloads are kept if the publisher does not say; None: as long as their messages.
    payload_retention_days: int | None = Field(default=None, sa_column=Column(SmallInteger))
    # Payloads of messages from before then are gone, but for those whose publishers said otherwise.
    payloads_expired_to: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
