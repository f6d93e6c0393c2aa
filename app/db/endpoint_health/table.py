"""All the SQL about the health of endpoints. The worker writes it, many endpoints at once; the API forgets it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_LOAD: Final = """
SELECT endpoint_id, extract(epoch FROM opened_at)::float8, extract(epoch FROM first_failure_at)::float8,
       consecutive_failures, extract(epoch FROM paused_until)::float8, revision,
       extract(epoch FROM throttled_since)::float8
FROM endpoint_health WHERE endpoint_id = ANY ($1::text[])
"""

_STORE: Final = """
INSERT INTO endpoint_health AS h
    (endpoint_id, opened_at, first_failure_at, consecutive_failures, paused_until, revision, throttled_since)
SELECT i.endpoint_id, to_timestamp(opened_at), to_timestamp(first_failure_at), failures, to_timestamp(paused_until),
       revision, to_timestamp(throttled_since)
FROM unnest($1::text[], $2::float8[], $3::float8[], $4::integer[], $5::float8[], $6::bigint[], $7::float8[])
    AS i(endpoint_id, opened_at, first_failure_at, failures, paused_until, revision, throttled_since)
ORDER BY i.endpoint_id
ON CONFLICT (endpoint_id) DO UPDATE
SET opened_at = excluded.opened_at, first_failure_at = excluded.first_failure_at,
    consecutive_failures = excluded.consecutive_failures, paused_until = excluded.paused_until,
    revision = excluded.revision, throttled_since = excluded.throttled_since, updated_at = now()
WHERE h.revision <= excluded.revision
"""

_REVISIONS: Final = "SELECT id, revision FROM endpoints WHERE id = ANY ($1::text[])"

_FORGET: Final = text("DELETE FROM endpoint_health WHERE endpoint_id = :endpoint_id")


@dataclass(frozen=True, slots=True)
class EndpointHealth:
    """How an endpoint has been answering. Times are unix seconds; None where there is nothing to tell."""

    endpoint_id: str
    opened_at: float | None = None
    first_failure_at: float | None = None
    consecutive_failures: int = 0
    paused_until: float | None = None
    # The endpoint's, when this was learned: once that has changed, it says nothing. Alone it is not worth a write.
    revision: int = field(default=0, compare=False)
    throttled_since: float | None = None
    """Since when it has been getting less than is due to it, because of a rate limit."""


class EndpointHealthTable:
    """The health of endpoints of whichever organizations: the worker delivers for all of them."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def load(self, endpoint_ids: Sequence[str]) -> dict[str, EndpointHealth]:
        """What is known of endpoints; those that are not in it are well."""
        return {row["endpoint_id"]: EndpointHealth(*row) for row in await self._pool.fetch(_LOAD, endpoint_ids)}

    async def store(self, healths: Sequence[EndpointHealth]) -> None:
        """Keep how endpoints are now, unless more is known by now. Each may be named once."""
        await self._pool.execute(
            _STORE,
            [h.endpoint_id for h in healths],
            [h.opened_at for h in healths],
            [h.first_failure_at for h in healths],
            [h.consecutive_failures for h in healths],
            [h.paused_until for h in healths],
            [h.revision for h in healths],
            [h.throttled_since for h in healths],
        )

    async def revisions(self, endpoint_ids: Sequence[str]) -> list[tuple[str, int]]:
        """How often the settings of each endpoint were changed."""
        return [(row["id"], row["revision"]) for row in await self._pool.fetch(_REVISIONS, endpoint_ids)]


async def forget_health(session: AsyncSession, endpoint_id: str) -> None:
    """An endpoint that is enabled again begins without a past."""
    await session.execute(_FORGET, {"endpoint_id": endpoint_id})
