"""All the SQL about the health of endpoints. The worker writes it, many endpoints at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

_LOAD: Final = """
SELECT endpoint_id, extract(epoch FROM opened_at)::float8, extract(epoch FROM first_failure_at)::float8,
       consecutive_failures, extract(epoch FROM paused_until)::float8
FROM endpoint_health WHERE endpoint_id = ANY ($1::text[])
"""

_STORE: Final = """
INSERT INTO endpoint_health AS h (endpoint_id, opened_at, first_failure_at, consecutive_failures, paused_until)
SELECT i.endpoint_id, to_timestamp(opened_at), to_timestamp(first_failure_at), failures, to_timestamp(paused_until)
FROM unnest($1::text[], $2::float8[], $3::float8[], $4::integer[], $5::float8[])
    AS i(endpoint_id, opened_at, first_failure_at, failures, paused_until)
ORDER BY i.endpoint_id
ON CONFLICT (endpoint_id) DO UPDATE
SET opened_at = excluded.opened_at, first_failure_at = excluded.first_failure_at,
    consecutive_failures = excluded.consecutive_failures, paused_until = excluded.paused_until, updated_at = now()
"""


@dataclass(frozen=True, slots=True)
class EndpointHealth:
    """How an endpoint has been answering. Times are unix seconds; None where there is nothing to tell."""

    endpoint_id: str
    opened_at: float | None = None
    first_failure_at: float | None = None
    consecutive_failures: int = 0
    paused_until: float | None = None


class EndpointHealthTable:
    """The health of endpoints of whichever organizations: the worker delivers for all of them."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def load(self, endpoint_ids: Sequence[str]) -> dict[str, EndpointHealth]:
        """What is known of endpoints; those that are not in it are well."""
        return {row["endpoint_id"]: EndpointHealth(*row) for row in await self._pool.fetch(_LOAD, endpoint_ids)}

    async def store(self, healths: Sequence[EndpointHealth]) -> None:
        """Keep how endpoints are now. Each may be named once."""
        await self._pool.execute(
            _STORE,
            [h.endpoint_id for h in healths],
            [h.opened_at for h in healths],
            [h.first_failure_at for h in healths],
            [h.consecutive_failures for h in healths],
            [h.paused_until for h in healths],
        )
