"""The rows of a source, of its tokens and of its logs, and what is sealed in them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import Column, DateTime, LargeBinary, SmallInteger, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

from app.sealing import Sealer

CRON: Final = "cron"
"""The kind of source that has no URL, and makes messages by itself."""


class SourceRow(SQLModel, table=True):
    __tablename__ = "sources"

    id: str = Field(primary_key=True)
    organization_id: str = Field(foreign_key="organizations.id")
    application_id: str = Field(foreign_key="applications.id")
    # The application was made for the source, and goes with it.
    owns_application: bool
    uid: str | None = None
    name: str
    provider: str
    # The fields of the provider that are no secrets, by name.
    options: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSONB, nullable=False))
    # The others: see open_secrets(). None: there are none.
    sealed: bytes | None = Field(default=None, repr=False, sa_column=Column(LargeBinary))
    # None: those that the provider uses.
    methods: list[str] | None = Field(default=None, sa_column=Column(ARRAY(Text)))
    # Networks (CIDR); None: any.
    allowed_networks: list[str] | None = Field(default=None, sa_column=Column(ARRAY(Text)))
    paused: bool = False
    keeps_rejected: bool = True
    # Endpoints get the bytes that came; else the payload, which is JSON.
    forwards_original: bool = True
    # `metadata` is SQLAlchemy's own name on a class.
    metadata_: dict[str, str] = Field(default_factory=dict, sa_column=Column("metadata", JSONB, nullable=False))
    # Of CRON, unless it is paused: when it makes the next message.
    next_run_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    updated_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    deleted_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))


class SourceTokenRow(SQLModel, table=True):
    """What makes a source's URL unguessable."""

    __tablename__ = "source_tokens"

    id: str = Field(primary_key=True)
    source_id: str = Field(foreign_key="sources.id")
    # SHA-256 of the token.
    hash: bytes = Field(repr=False, sa_column=Column(LargeBinary, nullable=False))
    sealed: bytes = Field(repr=False, sa_column=Column(LargeBinary, nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    # None: the current one.
    expires_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))


class SourceLogRow(SQLModel, table=True):
    """A request that was rejected, and why."""

    __tablename__ = "source_logs"

    id: str = Field(primary_key=True)
    source_id: str
    status_code: int = Field(sa_column=Column(SmallInteger, nullable=False))
    reason: str
    # As app/receiving/record.py writes it.
    received: bytes = Field(repr=False, sa_column=Column(LargeBinary, nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class Sealed(msgspec.Struct, frozen=True):
    """What is secret about a source: those that may have signed, the newest first; and other fields, by name."""

    secrets: tuple[str, ...] = ()
    others: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return f"<Sealed {len(self.secrets)} secrets>"


_FIELDS: Final = msgspec.json.Decoder(dict[str, list[str] | str])
_SECRETS: Final = "secrets"


def parse_sealed(plain: bytes | None) -> Sealed:
    """What a source's column holds once it is opened: `{"secrets": […], "<other field>": "…"}`."""
    if plain is None:
        return Sealed()
    fields = _FIELDS.decode(plain)
    secrets = fields.pop(_SECRETS, [])
    return Sealed(tuple(secrets), {name: text for name, text in fields.items() if isinstance(text, str)})


def open_sealed(sealer: Sealer, row: SourceRow) -> Sealed:
    """What is secret about a source. SealBroken if it does not open."""
    return parse_sealed(None if row.sealed is None else sealer.open(row.sealed, row.id))


def seal(sealer: Sealer, source_id: str, sealed: Sealed) -> bytes | None:
    """The column `sealed` of a source's row; None where nothing is secret."""
    if not sealed.secrets and not sealed.others:
        return None
    return sealer.seal(msgspec.json.encode({**sealed.others, _SECRETS: sealed.secrets}), source_id)
