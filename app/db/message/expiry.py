"""Forgetting payloads before their messages: when the publisher said so, or the organization says so.

The payload of a message that is still to be delivered is kept until that has ended. Whoever calls this deletes what is
in the payload store first, so that no row forgets an object that is still there.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from app import ids

BITE: Final = 1000

_DUE: Final = """
SELECT e.expires_at, e.message_id, m.stored_digest IS NOT NULL AS is_stored,
       EXISTS (SELECT FROM undelivered_messages p WHERE p.message_id = e.message_id) AS is_pending
FROM (SELECT * FROM payload_expiries WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2) e
LEFT JOIN messages m ON m.id = e.message_id
ORDER BY e.expires_at
"""
# What it protects: a payload is forgotten and taken off the list in one step, and not if a resend came before; but it
# is if its object is gone already. Then that resend finds nothing to send, as after an expunge.
_FORGET: Final = """
WITH done AS ({which}), asked AS (
    SELECT id, id = ANY ($2) OR (
        id <> ALL ($3) AND EXISTS (SELECT FROM undelivered_messages p WHERE p.message_id = done.id)) AS is_kept
    FROM done
), later AS (
    INSERT INTO payload_expiries (expires_at, message_id)
    SELECT now() + interval '1 hour', id FROM asked WHERE is_kept
    ON CONFLICT DO NOTHING
)
UPDATE messages m SET payload = NULL, stored_bytes = NULL, stored_digest = NULL, transformations_params = NULL,
       received = NULL
FROM asked WHERE m.id = asked.id AND NOT asked.is_kept
"""
_FORGET_DUE: Final = _FORGET.format(
    which="""
    DELETE FROM payload_expiries e USING unnest($1::text[], $4::timestamptz[]) AS i(message_id, expires_at)
    WHERE e.expires_at = i.expires_at AND e.message_id = i.message_id
    RETURNING e.message_id AS id
"""
)
_FORGET_OLD: Final = _FORGET.format(which="SELECT id FROM unnest($1::text[]) AS i(id)")

_ORGANIZATIONS: Final = """
SELECT o.id, coalesce(o.payloads_expired_to, 'epoch') AS since, w.up_to
FROM organizations o
CROSS JOIN LATERAL (SELECT $1::timestamptz - make_interval(days => o.payload_retention_days) AS up_to) w
WHERE o.payload_retention_days IS NOT NULL AND coalesce(o.payloads_expired_to, 'epoch') < w.up_to
ORDER BY o.id
"""
_APPLICATIONS: Final = "SELECT id FROM applications WHERE organization_id = $1 AND id > $2 ORDER BY id LIMIT $3"
_OLD: Final = """
SELECT m.id, m.stored_digest IS NOT NULL AS is_stored,
       EXISTS (SELECT FROM undelivered_messages p WHERE p.message_id = m.id) AS is_pending
FROM messages m
WHERE m.application_id = $1 AND m.id > $2 AND m.id < $3 AND m.payload_days IS NULL
  AND (m.payload IS NOT NULL OR m.stored_digest IS NOT NULL)
ORDER BY m.id LIMIT $4
"""
_EXPIRED_TO: Final = "UPDATE organizations SET payloads_expired_to = $2 WHERE id = $1"


@dataclass(frozen=True, slots=True)
class Expiring:
    """A message whose payload is to be forgotten."""

    message_id: str
    is_stored: bool
    is_pending: bool
    # When its publisher wanted that; None: it is the organization that does.
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Sweep:
    """What an organization wants forgotten: payloads of messages from `since` on, before `up_to`."""

    organization_id: str
    since: datetime
    up_to: datetime


class PayloadExpiry:
    """Finds payloads that are to be forgotten, of every organization, and forgets them."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def due(self, now: datetime) -> list[Expiring]:
        """The next payloads that publishers wanted kept until now at most."""
        rows = await self._pool.fetch(_DUE, now, BITE)
        return [Expiring(r["message_id"], bool(r["is_stored"]), r["is_pending"], r["expires_at"]) for r in rows]

    async def sweeps(self, now: datetime) -> list[Sweep]:
        """What organizations want forgotten now."""
        return [Sweep(r["id"], r["since"], r["up_to"]) for r in await self._pool.fetch(_ORGANIZATIONS, now)]

    async def applications_after(self, organization_id: str, application_id: str) -> list[str]:
        """Some of an organization's applications, deleted ones too, in the order of their ids."""
        rows = await self._pool.fetch(_APPLICATIONS, organization_id, application_id, BITE)
        return [row["id"] for row in rows]

    async def old(self, application_id: str, sweep: Sweep, after: str | None) -> list[Expiring]:
        """The next messages of an application that have a payload, after one, or from the sweep's beginning."""
        first, end = after or ids.floor_id("msg", sweep.since), ids.floor_id("msg", sweep.up_to)
        rows = await self._pool.fetch(_OLD, application_id, first, end, BITE)
        return [Expiring(r["id"], r["is_stored"], r["is_pending"], None) for r in rows]

    async def forget(self, expiring: Sequence[Expiring], later: Collection[str], gone: Collection[str]) -> None:
        """Forget payloads, all found in the same way; also, whatever is to be done with them, those that are `gone`.

        Those of `later`, and those that are still to be delivered, are due in an hour instead.
        """
        keys = [each.message_id for each in expiring]
        if expiring[0].expires_at is None:
            await self._pool.execute(_FORGET_OLD, keys, list(later), list(gone))
        else:
            times = [each.expires_at for each in expiring]
            await self._pool.execute(_FORGET_DUE, keys, list(later), list(gone), times)

    async def swept(self, sweep: Sweep) -> None:
        """Everything of it is forgotten, or on the list of what is due."""
        await self._pool.execute(_EXPIRED_TO, sweep.organization_id, sweep.up_to)
