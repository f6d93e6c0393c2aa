"""Event types that are known because events of them have arrived at a source: endpoints may ask for them then."""

from typing import Final

import asyncpg

from app import ids

MOST: Final = 1000
"""Event types of an organization from which on no more are made of what arrives."""

# What its owner said of a type stays, also that it is archived.
_ADD: Final = f"""
INSERT INTO event_types (id, organization_id, name, description, group_name, created_at, updated_at)
SELECT $1, $2, $3, $4, $5, now(), now()
WHERE (SELECT count(*) FROM (SELECT FROM event_types WHERE organization_id = $2 LIMIT {MOST}) known) < {MOST}
ON CONFLICT (organization_id, name) DO NOTHING
"""


async def add_arrived(pool: asyncpg.Pool, organization_id: str, name: str, description: str, group: str) -> None:
    """Have the organization know an event type, unless it does, or knows MOST of them."""
    await pool.execute(_ADD, ids.new_id("evtype"), organization_id, name, description, group)
