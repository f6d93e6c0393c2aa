"""The row of an endpoint's transformation, and what is sealed in it."""

from datetime import datetime

import msgspec
from sqlalchemy import Column, DateTime, LargeBinary
from sqlmodel import Field, SQLModel

from app.sealing import Sealer


class TransformationRow(SQLModel, table=True):
    __tablename__ = "endpoint_transformations"

    endpoint_id: str = Field(primary_key=True, foreign_key="endpoints.id")
    application_id: str = Field(foreign_key="applications.id")
    enabled: bool = False
    sealed: bytes = Field(repr=False, sa_column=Column(LargeBinary, nullable=False))
    updated_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class SealedTransformation(msgspec.Struct, frozen=True):
    """The code, and the variables that are its `env`. None where none were given."""

    code: str | None = None
    variables: dict[str, str] | None = None

    def __repr__(self) -> str:
        return "<SealedTransformation>"


_SEALED = msgspec.json.Decoder(SealedTransformation)


def open_transformation(sealer: Sealer, endpoint_id: str, sealed: bytes) -> SealedTransformation:
    """The code of an endpoint. SealBroken if it does not open."""
    return _SEALED.decode(sealer.open(sealed, endpoint_id))


def seal_transformation(sealer: Sealer, endpoint_id: str, transformation: SealedTransformation) -> bytes:
    """The column `sealed` of a transformation's row."""
    return sealer.seal(msgspec.json.encode(transformation), endpoint_id)
