"""A message to one endpoint alone, whatever that subscribed to: one attempt, outside of any schedule and any line."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app import ids
from app.db.message.new import Extras
from app.db.message.publish import IDEMPOTENCY_HOURS
from app.db.session import due_after_commit

# What it protects: message, claims and delivery are committed together. The endpoint is looked up here, so that nothing
# is stored for one that was deleted meanwhile. -1 tries and trigger 1 are one manual attempt (app/delivery/retry.py).
_SEND: Final = text(f"""
WITH target AS (
    SELECT e.id, e.application_id, e.shard FROM endpoints e
    WHERE e.id = :endpoint_id AND e.application_id = :application_id AND e.deleted_at IS NULL
), keyed AS (
    INSERT INTO idempotency_keys AS k (organization_id, key, request_hash, message_id)
    SELECT :organization_id, CAST(:key AS bytea), CAST(:request_hash AS bytea), :id FROM target
    WHERE CAST(:key AS bytea) IS NOT NULL
    ON CONFLICT (organization_id, key) DO UPDATE
        SET request_hash = excluded.request_hash, message_id = excluded.message_id, created_at = excluded.created_at
        WHERE k.created_at < now() - interval '{IDEMPOTENCY_HOURS} hours'
    RETURNING message_id
), accepted AS (
    SELECT * FROM target WHERE CAST(:key AS bytea) IS NULL OR EXISTS (SELECT FROM keyed)
), named AS (
    INSERT INTO message_event_ids (application_id, event_id, message_id)
    SELECT application_id, :event_id, :id FROM accepted WHERE CAST(:event_id AS text) IS NOT NULL
), stored AS (
    INSERT INTO messages (id, application_id, event_type, event_id, channels, tags, payload, deliveries, payload_days,
                          transformations_params)
    SELECT :id, application_id, :event_type, :event_id, CAST(:channels AS text[]), CAST(:tags AS text[]),
           CAST(:payload AS bytea), 1, (CAST(:hours AS integer) + 23) / 24, CAST(:params AS bytea)
    FROM accepted
), expiring AS (
    INSERT INTO payload_expiries (expires_at, message_id)
    SELECT now() + make_interval(hours => CAST(:hours AS integer)), :id FROM accepted
    WHERE CAST(:hours AS integer) IS NOT NULL
)
INSERT INTO pending_deliveries (message_id, endpoint_id, application_id, shard, tries, trigger)
SELECT :id, id, application_id, shard, -1, 1 FROM accepted
RETURNING shard, now() AS created_at
""")

_WAS_CANCELED: Final = """
SELECT EXISTS (SELECT FROM deliveries WHERE message_id = $1 AND endpoint_id = $2 AND application_id = $3 AND state = 4)
"""
# From the message on, in the order of the index, so that few are looked at however many the endpoint has.
_FIRST_ATTEMPT: Final = """
SELECT id FROM attempts WHERE endpoint_id = $1 AND id > $2 AND message_id = $3 AND application_id = $4
ORDER BY id LIMIT 1
"""
_NO_EXTRAS: Final = Extras()


@dataclass(frozen=True, slots=True)
class SingleMessage:
    """What is to be sent, at once; `key` and `request_hash` are of its idempotency key, None without one."""

    id: str
    event_type: str
    payload: bytes = field(repr=False)
    event_id: str | None = None
    channels: list[str] | None = None
    extras: Extras = _NO_EXTRAS
    key: bytes | None = field(default=None, repr=False)
    request_hash: bytes | None = None


async def send_to_one(
    session: AsyncSession, organization_id: str, application_id: str, endpoint_id: str, message: SingleMessage
) -> datetime | None:
    """Store a message with its one delivery; when that was.

    None if the endpoint is gone, or the key stands for another message. Raises sqlalchemy.exc.IntegrityError if the
    event id is taken.
    """
    values = {
        "organization_id": organization_id,
        "application_id": application_id,
        "endpoint_id": endpoint_id,
        "id": message.id,
        "event_type": message.event_type,
        "event_id": message.event_id,
        "channels": message.channels,
        "tags": list(message.extras.tags) if message.extras.tags else None,
        "hours": message.extras.payload_hours,
        "params": message.extras.transformations_params,
        "payload": message.payload,
        "key": message.key,
        "request_hash": message.request_hash,
    }
    sent = (await session.execute(_SEND, values)).one_or_none()
    if sent is None:
        return None
    due_after_commit(session).add(sent.shard)
    created_at: datetime = sent.created_at
    return created_at


class Canceled(Exception):
    """There will be no attempt: the endpoint's code wanted none, or the endpoint is gone."""


async def first_attempt(pool: asyncpg.Pool, application_id: str, endpoint_id: str, message_id: str) -> str | None:
    """The id of the attempt that was made of a message at an endpoint; None if none was, so far. Canceled."""
    found: str | None = await pool.fetchval(
        _FIRST_ATTEMPT, endpoint_id, ids.before_attempts(message_id), message_id, application_id
    )
    if found is None and await pool.fetchval(_WAS_CANCELED, message_id, endpoint_id, application_id):
        raise Canceled
    return found
