"""Entries of the audit log: written with what they tell of, deleted when they are old."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock, ids
from app.db.audit.model import Actor
from app.db.audit.trail import Trail, stop_recording
from app.logs import correlation_id

_INSERT: Final = text("""
INSERT INTO audit_entries (id, organization_id, application_id, actor_kind, actor_id, operation, target, changes,
                           correlation_id, address)
VALUES (:id, :organization_id, :application_id, :actor_kind, :actor_id, :operation, :target, CAST(:changes AS jsonb),
        :correlation_id, :address)
""")
# In bites, so that no transaction is long.
_PURGE: Final = """
DELETE FROM audit_entries WHERE id = ANY (ARRAY(SELECT id FROM audit_entries WHERE id < $1 ORDER BY id LIMIT $2))
"""


async def write_entry(
    session: AsyncSession, actor: Actor, operation: str, trail: Trail, references: Sequence[str] = ()
) -> None:
    """Say what the session's transaction changed, if it changed anything.

    `references` are what the request's path names, the application first.
    """
    await session.flush()
    stop_recording(session)
    changes = trail.changes
    if not changes:
        return
    named = [trail.id_of(reference) for reference in references]
    target = trail.first_key or (named[-1] if named else None)
    application = next((name for name in [*named, target] if name is not None and ids.is_id(name, "app")), None)
    values = {
        "id": ids.new_id("audit"),
        "organization_id": actor.organization_id,
        "application_id": application,
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "operation": operation,
        "target": target,
        "changes": json.dumps(changes, default=str, ensure_ascii=False),
        "correlation_id": correlation_id.get() or None,
        "address": actor.address,
    }
    await session.execute(_INSERT, values)


async def purge_entries(pool: asyncpg.Pool, days: int, bite: int = 5000) -> int:
    """Delete the entries that are older than so many days; returns how many."""
    first_kept, purged = ids.floor_id("audit", clock.now() - timedelta(days=days)), 0
    while True:
        deleted = int((await pool.execute(_PURGE, first_kept, bite)).rpartition(" ")[2])
        purged += deleted
        if deleted < bite:
            return purged
