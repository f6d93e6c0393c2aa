"""All the SQL about web sessions. Pages ask for theirs with each request, so that these statements are the pool's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import asyncpg
import orjson

IDLE: Final = "interval '24 hours'"
"""How long a session lasts that nobody uses."""

_INSERT: Final = """
INSERT INTO web_sessions (id, hash, site, organization_id, application_id, user_id, sealed, appearance, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, clock_timestamp() + $9 * interval '1 second')
"""
_FIND: Final = f"""
SELECT id, site, organization_id, application_id, user_id, sealed, appearance,
       seen_at < clock_timestamp() - interval '1 minute'
FROM web_sessions
WHERE hash = $1 AND expires_at > clock_timestamp() AND seen_at > clock_timestamp() - {IDLE}
"""
_SEEN: Final = "UPDATE web_sessions SET seen_at = clock_timestamp() WHERE hash = $1"
_DELETE: Final = "DELETE FROM web_sessions WHERE hash = $1"
_FORGET: Final = f"""
DELETE FROM web_sessions WHERE expires_at < clock_timestamp() OR seen_at < clock_timestamp() - {IDLE}
"""


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session as the database knows it; `sealed` is its token, bound to `id`."""

    id: str
    site: int
    organization_id: str
    application_id: str | None
    user_id: str | None
    sealed: bytes = field(repr=False)
    appearance: Mapping[str, str] = field(default_factory=dict)


async def insert_session(pool: asyncpg.Pool, session: StoredSession, hashed: bytes, seconds: float) -> None:
    """Keep one, of whose cookie this is the SHA-256, for so many seconds."""
    await pool.execute(
        _INSERT,
        session.id,
        hashed,
        session.site,
        session.organization_id,
        session.application_id,
        session.user_id,
        session.sealed,
        orjson.dumps(dict(session.appearance)).decode(),
        seconds,
    )


async def find_session(pool: asyncpg.Pool, hashed: bytes) -> StoredSession | None:
    """The one of that cookie, which counts as used now; None if there is none, or it has ended."""
    row = await pool.fetchrow(_FIND, hashed)
    if row is None:
        return None
    session_id, site, organization_id, application_id, user_id, sealed, appearance, is_stale = row
    if is_stale:
        await pool.execute(_SEEN, hashed)
    return StoredSession(session_id, site, organization_id, application_id, user_id, sealed, orjson.loads(appearance))


async def delete_session(pool: asyncpg.Pool, hashed: bytes) -> None:
    """End one."""
    await pool.execute(_DELETE, hashed)


async def forget_sessions(pool: asyncpg.Pool) -> None:
    """Delete those that have ended."""
    await pool.execute(_FORGET)
