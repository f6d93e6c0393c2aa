"""The row of a background task, its kinds and its states."""

from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import Column, DateTime, SmallInteger, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


class TaskKind(StrEnum):
    """What a task does, as the Svix API calls it."""

    REPLAY = "endpoint.replay"
    RECOVER = "endpoint.recover"
    APPLICATION_STATS = "application.stats"
    BROADCAST = "message.broadcast"
    SDK_GENERATE = "sdk.generate"
    EVENT_TYPE_AGGREGATE = "event-type.aggregate"
    PURGE_CONTENT = "application.purge_content"
    BULK_REPLAY = "endpoint.bulk-replay"
    # Of ours: no list shows it, and nobody is told of it.
    CANCEL = "endpoint.cancel"
    DELETE_ENVIRONMENT = "environment.delete"


# What the Svix API has no name for, and its SDKs could not read.
HIDDEN: Final = frozenset({TaskKind.CANCEL, TaskKind.DELETE_ENVIRONMENT})


class TaskStatus(StrEnum):
    """How far a task is."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


class BackgroundTaskRow(SQLModel, table=True):
    __tablename__ = "background_tasks"

    id: str = Field(primary_key=True)
    organization_id: str
    # Whose it is, if it is about one application.
    application_id: str | None = None
    kind: str
    status: str = Field(default=TaskStatus.RUNNING, sa_column_kwargs={"server_default": text("'running'")})
    # What was asked for.
    arguments: dict[str, object] = Field(default_factory=dict, sa_column=Column(JSONB, nullable=False))
    # From where the next bite goes on; None: from the beginning.
    cursor: dict[str, object] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    # What came of it so far, as the API shows it.
    data: dict[str, object] = Field(default_factory=dict, sa_column=Column(JSONB, nullable=False))
    # Bites in a row that failed.
    failures: int = Field(default=0, sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    # By the database's clock, by which workers go.
    next_bite_at: datetime | None = Field(
        default=None, sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now())
    )
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now()))
    updated_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now()))
