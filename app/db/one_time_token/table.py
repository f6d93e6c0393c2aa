"""All the SQL about one-time tokens."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

LIVE_SECONDS: Final = 600
"""How long a link may lie before it is followed."""

_INSERT: Final = text("""
INSERT INTO one_time_tokens (id, organization_id, application_id, hash, sealed, capabilities, expires_at)
VALUES (:id, :organization_id, :application_id, :hash, :sealed, :capabilities,
        clock_timestamp() + :seconds * interval '1 second')
""")
# What it protects: of several who bring the same one, in whichever processes, one finds it.
_TAKE: Final = text("""
DELETE FROM one_time_tokens WHERE hash = :hash AND expires_at > clock_timestamp()
RETURNING id, organization_id, application_id, sealed, capabilities
""")
_FORGET: Final = "DELETE FROM one_time_tokens WHERE expires_at < clock_timestamp()"


@dataclass(frozen=True, slots=True)
class OneTimeToken:
    """What one is exchanged for: a sealed token, bound to `id`; if a portal's, what it may do."""

    id: str
    organization_id: str
    application_id: str | None
    sealed: bytes = field(repr=False)
    capabilities: Sequence[str]


class OneTimeTokensTable:
    """One-time tokens. Who has one need not say whose it is."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def insert(self, token: OneTimeToken, hashed: bytes) -> None:
        """Keep one, of which this is the SHA-256, for LIVE_SECONDS."""
        values = {
            "id": token.id,
            "organization_id": token.organization_id,
            "application_id": token.application_id,
            "hash": hashed,
            "sealed": token.sealed,
            "capabilities": list(token.capabilities),
            "seconds": LIVE_SECONDS,
        }
        await self._session.execute(_INSERT, values)

    async def take_of_any_organization(self, hashed: bytes) -> OneTimeToken | None:
        """The one with that SHA-256, which is gone then; None if there is none, or it has expired."""
        found = (await self._session.execute(_TAKE, {"hash": hashed})).one_or_none()
        return None if found is None else OneTimeToken(*found)


async def forget_one_time_tokens(pool: asyncpg.Pool) -> None:
    """Delete those that have expired."""
    await pool.execute(_FORGET)
