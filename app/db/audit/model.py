"""The row of an entry of the audit log, and who can have caused it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Column, DateTime
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


class ActorKind(StrEnum):
    """What acted: somebody who signed in, a bearer of some kind of token, somebody at the command line, or a worker."""

    ORGANIZATION = "organization"
    PORTAL = "portal"
    USER = "user"
    API_TOKEN = "api_token"  # noqa: S105 - a kind of actor
    OPERATOR = "operator"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts for an organization: `id` is of a user or a token, or a name; `address` the connection's other end."""

    kind: ActorKind
    organization_id: str
    id: str | None = None
    address: str | None = None


class AuditEntryRow(SQLModel, table=True):
    __tablename__ = "audit_entries"

    id: str = Field(primary_key=True)
    organization_id: str
    application_id: str | None = None
    actor_kind: str
    actor_id: str | None = None
    operation: str
    target: str | None = None
    changes: list[dict[str, object]] = Field(sa_column=Column(JSONB, nullable=False))
    correlation_id: str | None = None
    address: str | None = None
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
