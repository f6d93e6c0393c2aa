"""The row of a user, and what one may be."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Column, DateTime, LargeBinary
from sqlmodel import Field, SQLModel


class Role(StrEnum):
    """What a user may do (app/scopes.py)."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"


class UserRow(SQLModel, table=True):
    __tablename__ = "users"

    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    # In lower case.
    email: str
    name: str | None = None
    role: str
    # Bytes, so that the audit log does not tell them.
    password: bytes | None = Field(default=None, repr=False, sa_column=Column(LargeBinary))
    oidc_issuer: str | None = None
    oidc_subject: str | None = None
    disabled: bool = False
    invitation: bytes | None = Field(default=None, repr=False, sa_column=Column(LargeBinary))
    invitation_expires_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    updated_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    last_signed_in_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    deleted_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
