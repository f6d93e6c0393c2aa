"""All the SQL about failures to sign in. Each statement is its own transaction: what is refused is counted, too."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

# What it protects: however many try at once, in whichever processes, none is counted as another one is.
_COUNT: Final = """
INSERT INTO sign_in_failures AS f (subject, failures, ends_at)
VALUES ($1, 1, clock_timestamp() + $2 * interval '1 second')
ON CONFLICT (subject) DO UPDATE
SET failures = CASE WHEN f.ends_at > clock_timestamp() THEN f.failures + 1 ELSE 1 END,
    ends_at = CASE WHEN f.ends_at > clock_timestamp() THEN f.ends_at ELSE excluded.ends_at END
RETURNING failures, extract(epoch FROM ends_at - clock_timestamp())::float8 AS seconds_left
"""
# Rows are locked in one order, so that two never wait for each other.
_TAKE_BACK: Final = """
UPDATE sign_in_failures SET failures = greatest(failures - 1, 0)
WHERE subject IN (SELECT subject FROM sign_in_failures WHERE subject = ANY ($1::bytea[]) ORDER BY subject FOR UPDATE)
"""
_FORGET_ONE: Final = "DELETE FROM sign_in_failures WHERE subject = $1"
_FORGET: Final = "DELETE FROM sign_in_failures WHERE ends_at < clock_timestamp()"


@dataclass(frozen=True, slots=True)
class Counted:
    """How many failures of a subject there are now, and in how many seconds they are forgotten."""

    failures: int
    seconds_left: float


async def count_failure(pool: asyncpg.Pool, subject: bytes, seconds: float) -> Counted:
    """Count one failure more of a subject, together with those of the last so many seconds."""
    row = await pool.fetchrow(_COUNT, subject, seconds)
    return Counted(row["failures"], row["seconds_left"])


async def take_back_failures(pool: asyncpg.Pool, subjects: Sequence[bytes]) -> None:
    """Count one failure less of each subject."""
    await pool.execute(_TAKE_BACK, list(subjects))


async def forget_failures_of(pool: asyncpg.Pool, subject: bytes) -> None:
    """Forget the failures of one subject."""
    await pool.execute(_FORGET_ONE, subject)


async def forget_failures(pool: asyncpg.Pool) -> None:
    """Delete what is no longer counted."""
    await pool.execute(_FORGET)
