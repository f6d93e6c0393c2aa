"""All the SQL about transformations, but for what a worker reads with the endpoint (app/db/endpoint/sending.py)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from app.db.base import BaseTable
from app.db.transformation.model import TransformationRow

_DESCRIBED: Final = """
SELECT m.id, m.event_type, m.channels FROM unnest($1::text[]) AS i(id) JOIN messages m ON m.id = i.id
"""
_ANY_ENABLED: Final = "SELECT EXISTS (SELECT FROM endpoint_transformations WHERE enabled)"


class TransformationsTable(BaseTable[TransformationRow]):
    """The transformations of one application's endpoints."""

    row = TransformationRow
    scope = "application_id"
    key = "endpoint_id"
    noun = "transformation"


@dataclass(frozen=True, slots=True)
class Described:
    """What a transformation is told of a message beside its payload."""

    event_type: str
    channels: tuple[str, ...]


async def any_is_enabled(pool: asyncpg.Pool) -> bool:
    """Whether any endpoint, of whichever organization, has its messages sent through code."""
    found: bool = await pool.fetchval(_ANY_ENABLED)
    return found


async def described(pool: asyncpg.Pool, message_ids: Sequence[str]) -> list[Described | None]:
    """What there is to tell of each message, of whichever organizations; None for one that is gone."""
    rows = await pool.fetch(_DESCRIBED, list(set(message_ids)))
    found = {row["id"]: Described(row["event_type"], tuple(row["channels"] or ())) for row in rows}
    return [found.get(message_id) for message_id in message_ids]
