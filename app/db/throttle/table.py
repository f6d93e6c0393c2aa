"""All the SQL about throttles. Workers ask for permits here, for many applications in one statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

# Between two permits, with what a clock may be off by itself.
_LONGEST_STEP: Final = 1.025

_EXIST: Final = "SELECT EXISTS (SELECT FROM applications WHERE rate_limit IS NOT NULL AND deleted_at IS NULL)"

# What it protects: no moment is given to two workers. `due` is the first moment that is still to be given; the row is
# held while it is moved on. A due that is further ahead than any that is written (at the lowest rate permits are a
# second apart) is of a clock that was set back since, and counts as now.
_ASK: Final = f"""
WITH asked AS (
    SELECT * FROM unnest($1::text[], $2::float8[], $3::integer[]) AS a(application_id, step, wanted)
), held AS MATERIALIZED (
    SELECT t.application_id, extract(epoch FROM t.due - now())::float8 AS ahead FROM throttles t
    WHERE t.application_id = ANY ($1::text[]) ORDER BY t.application_id FOR UPDATE
), begun AS (
    SELECT a.*, CASE WHEN h.ahead > $4 + {_LONGEST_STEP} THEN 0 ELSE greatest(h.ahead, -$5::float8) END AS first
    FROM asked a JOIN held h ON h.application_id = a.application_id
), given AS MATERIALIZED (
    SELECT b.*, greatest(least(b.wanted, floor(($4::float8 - b.first) / b.step)::integer + 1), 0) AS count
    FROM begun b
), kept AS (
    UPDATE throttles t SET due = now() + make_interval(secs => g.first + g.count * g.step)
    FROM given g WHERE t.application_id = g.application_id AND g.count > 0
)
SELECT application_id, first, count, first + count * step - $4 AS wait FROM given
"""

_BEGIN: Final = """
INSERT INTO throttles (application_id, due)
SELECT a.id, now() FROM applications a WHERE a.id = ANY ($1::text[]) ORDER BY a.id
ON CONFLICT (application_id) DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Asking:
    """What a worker asks for: so many permits of an application, whose permits are `interval` seconds apart."""

    application_id: str
    interval: float
    wanted: int


@dataclass(frozen=True, slots=True)
class Given:
    """What it gets: `count` permits, the first of them `first` seconds from now, one interval apart.

    There are no more before `wait` seconds from now have passed.
    """

    first: float
    count: int
    wait: float


class ThrottlesTable:
    """The throttles of whichever organizations: the worker delivers for all of them."""

    def __init__(self, pool: asyncpg.Pool, ahead: float, behind: float) -> None:
        """Permits are given out at most so many seconds ahead of their time, and so many behind it."""
        self._pool = pool
        self._span = ahead, behind

    async def exist(self) -> bool:
        """Whether any application is throttled."""
        found: bool = await self._pool.fetchval(_EXIST)
        return found

    async def ask(self, asked: Sequence[Asking]) -> dict[str, Given]:
        """What each application gets; each may be named once. One that is gone gets nothing, and is not in it."""
        given = await self._ask(asked)
        if missing := [a for a in asked if a.application_id not in given]:
            await self._pool.execute(_BEGIN, [a.application_id for a in missing])
            given |= await self._ask(missing)
        return given

    async def _ask(self, asked: Sequence[Asking]) -> dict[str, Given]:
        rows = await self._pool.fetch(
            _ASK,
            [a.application_id for a in asked],
            [a.interval for a in asked],
            [a.wanted for a in asked],
            *self._span,
        )
        return {row["application_id"]: Given(row["first"], row["count"], row["wait"]) for row in rows}
