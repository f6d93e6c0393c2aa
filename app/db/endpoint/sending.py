"""What the worker needs of an endpoint to send to it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import asyncpg

_SENDING = "SELECT id, revision, url, headers, secrets FROM endpoints WHERE id = ANY ($1::text[])"
_DISABLE = "UPDATE endpoints SET disabled = true, updated_at = now() WHERE id = $1 AND NOT disabled"


@dataclass(frozen=True, slots=True)
class SendingSettings:
    """An endpoint's settings as of `revision`; headers and secrets are sealed."""

    id: str
    revision: int
    url: str
    headers: bytes | None = field(repr=False)
    secrets: bytes = field(repr=False)


async def sending_settings(pool: asyncpg.Pool, endpoint_ids: Sequence[str]) -> list[SendingSettings]:
    """The settings of some endpoints, of whichever organizations: the worker delivers for all of them."""
    return [SendingSettings(*row) for row in await pool.fetch(_SENDING, endpoint_ids)]


async def disable(pool: asyncpg.Pool, endpoint_id: str) -> None:
    """Send nothing to an endpoint any more, until its owner enables it again."""
    await pool.execute(_DISABLE, endpoint_id)
