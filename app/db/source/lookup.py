"""Hop 1 of what arrives: whose URL it is, and what is kept of a request that is no message."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg
import orjson

# Nobody who was told a URL before it was rotated is refused before that URL's time is over.
_FIND: Final = """
SELECT s.id, s.organization_id, s.application_id, s.provider, s.options, s.sealed, s.methods, s.allowed_networks,
       s.paused, s.keeps_rejected, s.forwards_original, t.expires_at
FROM source_tokens t JOIN sources s ON s.id = t.source_id
WHERE t.hash = $1 AND (t.expires_at IS NULL OR t.expires_at > now()) AND s.deleted_at IS NULL
"""
# What it protects: a secret that was changed meanwhile is not overwritten by what a handshake told.
_LEARN: Final = """
UPDATE sources SET sealed = $2, options = options || $3::jsonb, updated_at = now()
WHERE id = $1 AND sealed IS NOT DISTINCT FROM $4 AND deleted_at IS NULL
"""
_LOG: Final = """
INSERT INTO source_logs (id, source_id, status_code, reason, received) VALUES ($1, $2, $3, $4, $5)
"""


@dataclass(frozen=True, slots=True)
class FoundSource:
    """A source, as the one who receives for it needs it."""

    id: str
    organization_id: str
    application_id: str
    provider: str
    options: dict[str, str]
    sealed: bytes | None
    methods: list[str] | None
    allowed_networks: list[str] | None
    paused: bool
    keeps_rejected: bool
    forwards_original: bool
    # Of the token that it was found by.
    expires_at: datetime | None


def hash_of(token: str) -> bytes:
    """What is kept of a token to find its source by."""
    return hashlib.sha256(token.encode()).digest()


async def find_by_token(pool: asyncpg.Pool, token: str) -> FoundSource | None:
    """The source whose URL ends with this token, of whichever organization."""
    row = await pool.fetchrow(_FIND, hash_of(token))
    if row is None:
        return None
    fields = dict(row)
    fields["options"] = orjson.loads(row["options"])
    return FoundSource(**fields)


async def learn(
    pool: asyncpg.Pool, source_id: str, sealed: bytes | None, options: dict[str, str], before: bytes | None
) -> bool:
    """Keep what a handshake told: the column `sealed`, and further options. False if `sealed` is not `before` now."""
    status: str = await pool.execute(_LEARN, source_id, sealed, orjson.dumps(options).decode(), before)
    return status == "UPDATE 1"


async def log_rejected(
    pool: asyncpg.Pool, log_id: str, source_id: str, status_code: int, reason: str, received: bytes
) -> None:
    """Keep a request that was rejected, with the reason."""
    await pool.execute(_LOG, log_id, source_id, status_code, reason, received)
