"""The row of an API token."""

from datetime import datetime

from sqlalchemy import Column, DateTime, LargeBinary, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel


class ApiTokenRow(SQLModel, table=True):
    __tablename__ = "api_tokens"

    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    name: str
    hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False), repr=False)
    ending: str
    scopes: list[str] | None = Field(default=None, sa_column=Column(ARRAY(Text)))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    expires_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    # Set if it reaches no further than one application, or one of its pollers.
    application_id: str | None = None
    poller_id: str | None = None
    # Its text, of those that can be read again: of pollers.
    sealed: bytes | None = Field(default=None, repr=False, sa_column=Column(LargeBinary))
    # By the database's clock once it was changed: nobody knows a token before it is there.
    changed_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
