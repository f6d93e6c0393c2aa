"""What each API process asks about tokens: what this one is, what changed lately. By the database's clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf
from typing import Final

import asyncpg

from app.tokens import Revocation, StoredToken

# Longer than any transaction of ours takes from its statement to its commit.
OVERLAP: Final = timedelta(seconds=30)

_LEFT: Final = "extract(epoch FROM {column} - clock_timestamp())::float8"
# Tokens of an organization that was deleted have ended, whoever made them.
_TOKEN: Final = f"""
SELECT t.id, t.organization_id, encode(t.hash, 'hex') AS fingerprint, t.scopes,
       CASE WHEN o.deleted_at IS NULL THEN {_LEFT.format(column="t.expires_at")} ELSE 0 END AS left,
       t.application_id, t.poller_id
FROM api_tokens t JOIN organizations o ON o.id = t.organization_id WHERE
"""
_FIND: Final = f"{_TOKEN} t.hash = $1"
_CHANGED_TOKENS: Final = f"{_TOKEN} t.changed_at > $1"
_REVOCATIONS: Final = f"""
SELECT subject, CASE WHEN isfinite(issued_until) THEN extract(epoch FROM issued_until)::float8 END AS issued_until,
       {_LEFT.format(column="ends_at")} AS left
FROM token_revocations WHERE
"""
_CHANGED_REVOCATIONS: Final = f"{_REVOCATIONS} changed_at > $1"
_ALL_REVOCATIONS: Final = f"{_REVOCATIONS} forget_at > now()"
_NOW: Final = "SELECT clock_timestamp()"
_FORGET: Final = "DELETE FROM token_revocations WHERE forget_at < now()"


@dataclass(frozen=True, slots=True)
class News:
    """What changed about tokens, as of `at`; revocations are all there are if nobody asked since when."""

    at: datetime
    tokens: Sequence[StoredToken]
    revocations: Sequence[Revocation]


async def find_token(pool: asyncpg.Pool, fingerprint: str) -> StoredToken | None:
    """The API token with that SHA-256 (in hexadecimal), of whichever organization, ended or not."""
    row = await pool.fetchrow(_FIND, bytes.fromhex(fingerprint))
    return None if row is None else _token(row)


async def news(pool: asyncpg.Pool, since: datetime | None) -> News:
    """What changed since another answer's `at`, and a little before it; all revocations without one."""
    async with pool.acquire() as connection:
        at = await connection.fetchval(_NOW)
        if since is None:
            tokens, revocations = [], await connection.fetch(_ALL_REVOCATIONS)
        else:
            tokens = await connection.fetch(_CHANGED_TOKENS, since - OVERLAP)
            revocations = await connection.fetch(_CHANGED_REVOCATIONS, since - OVERLAP)
    return News(at, [_token(row) for row in tokens], [_revocation(row) for row in revocations])


async def forget_revocations(pool: asyncpg.Pool) -> None:
    """Delete revocations of which all tokens have expired by themselves."""
    await pool.execute(_FORGET)


def _token(row: asyncpg.Record) -> StoredToken:
    scopes = None if row["scopes"] is None else frozenset(row["scopes"])
    return StoredToken(
        row["id"],
        row["organization_id"],
        row["fingerprint"],
        scopes,
        row["left"],
        row["application_id"],
        row["poller_id"],
    )


def _revocation(row: asyncpg.Record) -> Revocation:
    issued_until = inf if row["issued_until"] is None else row["issued_until"]
    return Revocation(row["subject"], issued_until, row["left"])
