"""The row of an endpoint, and what is sealed in it: the signing secrets and the custom headers."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import BigInteger, Column, DateTime, FetchedValue, LargeBinary, SmallInteger, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

from app.sealing import Sealer


class EndpointRow(SQLModel, table=True):
    __tablename__ = "endpoints"
    # The trigger counts `revision` up: read it back with the UPDATE itself, never with a query of its own.
    __mapper_args__ = {"eager_defaults": True}

    id: str = Field(primary_key=True)
    application_id: str = Field(foreign_key="applications.id")
    uid: str | None = None
    url: str
    description: str = ""
    version: int = 1
    rate_limit: int | None = None
    event_types: list[str] | None = Field(default=None, sa_column=Column(ARRAY(Text)))
    channels: list[str] | None = Field(default=None, sa_column=Column(ARRAY(Text)))
    # `metadata` is SQLAlchemy's own name on a class.
    metadata_: dict[str, str] = Field(default_factory=dict, sa_column=Column("metadata", JSONB, nullable=False))
    headers: bytes | None = Field(default=None, repr=False, sa_column=Column(LargeBinary))
    secrets: bytes = Field(repr=False, sa_column=Column(LargeBinary, nullable=False))
    timeout_seconds: int | None = None
    authentication: bytes | None = Field(default=None, repr=False, sa_column=Column(LargeBinary))
    client_identity: bytes | None = Field(default=None, repr=False, sa_column=Column(LargeBinary))
    server_authorities: str | None = None
    # What its deliveries are ordered by: 'endpoint' for all, a JSON Pointer to a key in the payload, or nothing.
    ordered_by: str | None = None
    disabled: bool = False
    disabled_reason: str | None = None
    shard: int = Field(sa_column=Column(SmallInteger, nullable=False))
    revision: int = Field(
        default=1,
        sa_column=Column(BigInteger, nullable=False, server_default=FetchedValue(), server_onupdate=FetchedValue()),
    )
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    updated_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    deleted_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))


class LiveSecret(msgspec.Struct, frozen=True):
    """One signing secret of an endpoint: its text, and the unix second at which it expires (None: the current one)."""

    key: str
    expires_at: int | None

    def is_live(self, now: float) -> bool:
        """Whether it still signs at a time in unix seconds."""
        return self.expires_at is None or self.expires_at > now

    def __repr__(self) -> str:
        return f"<LiveSecret expires_at={self.expires_at}>"


_SECRETS = msgspec.json.Decoder(list[LiveSecret])
_HEADERS = msgspec.json.Decoder(dict[str, str])


def open_secrets(sealer: Sealer, endpoint_id: str, sealed: bytes) -> list[LiveSecret]:
    """The signing secrets of an endpoint, newest first; not all may be live. SealBroken if it does not open."""
    return _SECRETS.decode(sealer.open(sealed, endpoint_id))


def seal_secrets(sealer: Sealer, endpoint_id: str, secrets: Sequence[LiveSecret]) -> bytes:
    """The column `secrets` of an endpoint's row."""
    return sealer.seal(msgspec.json.encode(secrets), endpoint_id)


def open_headers(sealer: Sealer, endpoint_id: str, sealed: bytes | None) -> dict[str, str]:
    """The custom headers of an endpoint, names as they were given. SealBroken if it does not open."""
    return {} if sealed is None else _HEADERS.decode(sealer.open(sealed, endpoint_id))


def seal_headers(sealer: Sealer, endpoint_id: str, headers: Mapping[str, str]) -> bytes | None:
    """The column `headers` of an endpoint's row; None where there are none."""
    return sealer.seal(msgspec.json.encode(headers), endpoint_id) if headers else None
