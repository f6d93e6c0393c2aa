"""Who may sign in with what: asked before it is known who it is, so of all organizations, and without a transaction."""

from dataclasses import dataclass, field
from typing import Final

import asyncpg

_FIND: Final = """
SELECT u.id, u.organization_id, u.password
FROM users u JOIN organizations o ON o.id = u.organization_id
WHERE u.email = $1 AND u.deleted_at IS NULL AND NOT u.disabled AND o.deleted_at IS NULL
"""
_EMAIL: Final = "SELECT email FROM users WHERE organization_id = $1 AND id = $2 AND deleted_at IS NULL"
_INVITED: Final = """
SELECT true FROM users u JOIN organizations o ON o.id = u.organization_id
WHERE u.invitation = $1 AND u.invitation_expires_at > clock_timestamp()
  AND u.deleted_at IS NULL AND NOT u.disabled AND o.deleted_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user who may sign in; `password` is its hash, None if there is none to sign in with."""

    user_id: str
    organization_id: str
    password: bytes | None = field(repr=False)


async def find_credentials(pool: asyncpg.Pool, email: str) -> Credentials | None:
    """The user with that email (in lower case) who is neither disabled nor deleted; None if there is none."""
    row = await pool.fetchrow(_FIND, email)
    return None if row is None else Credentials(*row)


async def email_of(pool: asyncpg.Pool, organization_id: str, user_id: str) -> str | None:
    """A user's email; None if there is no such user."""
    email: str | None = await pool.fetchval(_EMAIL, organization_id, user_id)
    return email


async def is_invited(pool: asyncpg.Pool, hashed: bytes) -> bool:
    """Whether an invitation with that SHA-256 is good."""
    return await pool.fetchval(_INVITED, hashed) is True
