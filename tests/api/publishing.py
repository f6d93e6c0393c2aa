"""What tests of publishing share: a body, and how much is stored."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import asyncpg

from tests.factories import Json

# How many rows of each kind there are.
Counts = Callable[[], Awaitable[dict[str, int]]]
KEY: Final = "idempotency-key"

_OURS: Final = "application_id IN (SELECT id FROM applications WHERE organization_id = $1)"
_STORED: Final = {
    "messages": f"SELECT count(*) FROM messages WHERE {_OURS}",
    "event ids": f"SELECT count(*) FROM message_event_ids WHERE {_OURS}",
    "keys": "SELECT count(*) FROM idempotency_keys WHERE organization_id = $1",
}


def body(**fields: Any) -> Json:
    return {"eventType": "invoice.paid", "payload": {"id": "in_1"}} | fields


async def count_stored(pool: asyncpg.Pool, organization_id: str) -> dict[str, int]:
    """What is stored of an organization's messages."""
    return {name: await pool.fetchval(query, organization_id) for name, query in _STORED.items()}


async def count_work(pool: asyncpg.Pool, organization_id: str) -> int:
    """How many deliveries there are to an organization's endpoints: done, still to do, or both (a retry)."""
    keys = [
        f"SELECT message_id, endpoint_id FROM {table} WHERE {_OURS}" for table in ("pending_deliveries", "deliveries")
    ]
    work: int = await pool.fetchval(f"SELECT count(*) FROM ({' UNION '.join(keys)}) d", organization_id)
    return work
