"""What the worker needs of an endpoint to send to it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import asyncpg

from app import ids
from app.db.operational_webhook.outbox import TELLING

_SENDING: Final = """
SELECT e.id, e.revision, e.url, e.timeout_seconds, e.headers, e.secrets, e.authentication, e.client_identity,
       e.server_authorities, t.sealed,
       -- Looked up only for those that have code, which alone is judged by it.
       CASE WHEN t.sealed IS NULL THEN false ELSE EXISTS (
           SELECT FROM applications a JOIN organizations o ON o.id = a.organization_id
           WHERE a.id = e.application_id AND o.settings @> '{"enforceHttps": true}') END
FROM endpoints e LEFT JOIN endpoint_transformations t ON t.endpoint_id = e.id AND t.enabled
WHERE e.id = ANY ($1::text[])
"""

# What it protects: of all who see an endpoint fail one disables it, the organization is told once, its audit log says
# so, and a crash cannot come between these. Whoever changed or enabled the endpoint since it was sent to (`revision`)
# wants it tried again.
_DISABLE: Final = f"""
WITH disabled AS (
    UPDATE endpoints SET disabled = true, disabled_reason = $3, updated_at = now()
    WHERE id = $1 AND revision = $2 AND NOT disabled AND deleted_at IS NULL
      AND NOT EXISTS (
          SELECT FROM applications a JOIN organizations o ON o.id = a.organization_id
          WHERE a.id = application_id AND o.settings ->> 'disableEndpointOnFailure' = 'false')
    RETURNING id, uid, application_id
), happened AS (
    SELECT $4::text AS id, 'endpoint.disabled' AS event_type, application_id,
           jsonb_build_object('endpointId', id, 'endpointUid', uid, 'failSince', $5::text, 'trigger', 'automatic',
                              'reason', $3::text) AS data
    FROM disabled
), audited AS (
    INSERT INTO audit_entries (id, organization_id, application_id, actor_kind, operation, target, changes)
    SELECT $6, a.organization_id, CASE WHEN NOT a.operational THEN a.id END, 'system', 'system.endpoint.disable', d.id,
           jsonb_build_array(jsonb_build_object('entity', 'endpoint', 'id', d.id, 'fields', jsonb_build_object(
               'disabled', jsonb_build_object('before', false, 'after', true),
               'disabled_reason', jsonb_build_object('after', $3::text))))
    FROM disabled d JOIN applications a ON a.id = d.application_id
), {TELLING}
SELECT EXISTS (SELECT FROM disabled) AS disabled, ARRAY(SELECT DISTINCT shard FROM told_deliveries) AS shards
"""


@dataclass(frozen=True, slots=True)
class SendingSettings:
    """An endpoint's settings as of `revision`; what is bytes is sealed. `transformation`: None unless it is enabled.

    `https_for_code`: whether its organization lets the transformation choose https URLs only.
    """

    id: str
    revision: int
    url: str
    timeout_seconds: int | None
    headers: bytes | None = field(repr=False)
    secrets: bytes = field(repr=False)
    authentication: bytes | None = field(repr=False)
    client_identity: bytes | None = field(repr=False)
    server_authorities: str | None = field(repr=False)
    transformation: bytes | None = field(repr=False)
    https_for_code: bool


async def sending_settings(pool: asyncpg.Pool, endpoint_ids: Sequence[str]) -> list[SendingSettings]:
    """The settings of some endpoints, of whichever organizations: the worker delivers for all of them."""
    return [SendingSettings(*row) for row in await pool.fetch(_SENDING, endpoint_ids)]


async def disable(
    pool: asyncpg.Pool, endpoint_id: str, revision: int, reason: str, failing_since: datetime | None
) -> set[int] | None:
    """Send nothing to an endpoint any more, until its owner enables it again, and tell the organization.

    The shards in which the news of it is due. None if it is disabled already, or was changed since that revision.
    """
    since = None if failing_since is None else failing_since.astimezone(UTC).isoformat().replace("+00:00", "Z")
    row = await pool.fetchrow(_DISABLE, endpoint_id, revision, reason, ids.new_id("msg"), since, ids.new_id("audit"))
    return set(row["shards"]) if row["disabled"] else None
