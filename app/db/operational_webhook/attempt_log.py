"""The log of attempts: organizations that subscribe to `message.attempt.log` are told of each, many in one message.

What is recorded is noted in the same transaction, and what is noted is taken out by the transaction that stores the
message which tells of it, so that a crash loses none. Where nobody subscribes nothing is noted.
"""

from typing import Final

import asyncpg

from app import ids
from app.db.operational_webhook.outbox import LOG_EVENT_TYPE, TELLING_ORGANIZATION

_MOST_IN_ONE: Final = 200

# An index holds just these.
_SUBSCRIBERS: Final = f"""
SELECT DISTINCT o.id
FROM endpoints e JOIN organizations o ON o.operational_application_id = e.application_id
WHERE e.event_types @> '{{{LOG_EVENT_TYPE}}}' AND e.deleted_at IS NULL AND NOT e.disabled
"""
NOTING: Final = """, noted AS (
    INSERT INTO attempt_logs (attempt_id, organization_id, application_id, endpoint_id, message_id, status,
                              response_status_code, attempts, started_at, ended_at)
    SELECT k.attempt_id, a.organization_id, k.application_id, k.endpoint_id, k.message_id, k.status, k.code, c.attempts,
           now() - make_interval(secs => k.milliseconds / 1000.0), now()
    FROM kept k
    JOIN outcomes c ON c.message_id = k.message_id AND c.endpoint_id = k.endpoint_id
    -- What is sent to the operational endpoints themselves is not told: there would be no end to it.
    JOIN applications a ON a.id = k.application_id AND NOT a.operational AND a.organization_id = ANY ($14::text[])
    WHERE k.attempt_id IS NOT NULL
)"""
"""The end of the statement that records (`kept`, `outcomes`): keep what the organizations in $14 are to be told."""

_NOTED: Final = "SELECT DISTINCT organization_id FROM attempt_logs"
_TELL: Final = f"""
WITH taken AS (
    DELETE FROM attempt_logs WHERE attempt_id IN (
        SELECT attempt_id FROM attempt_logs WHERE organization_id = $1
        ORDER BY ended_at, attempt_id LIMIT {_MOST_IN_ONE} FOR UPDATE SKIP LOCKED)
    RETURNING *
), happened AS (
    SELECT $2::text AS id, '{LOG_EVENT_TYPE}' AS event_type, $1::text AS organization_id,
           jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
               'orgId', t.organization_id, 'appId', t.application_id, 'appUid', a.uid, 'endpointId', t.endpoint_id,
               'msgId', t.message_id, 'msgEventId', m.event_id, 'msgCreated', {{created}}, 'eventType', m.event_type,
               'attemptId', t.attempt_id, 'attemptStart', {{started}}, 'attemptEnd', {{ended}},
               'attemptCount', t.attempts, 'status', t.status, 'responseStatusCode', t.response_status_code
           )) ORDER BY t.ended_at, t.attempt_id) AS data
    FROM taken t
    LEFT JOIN applications a ON a.id = t.application_id
    LEFT JOIN messages m ON m.id = t.message_id
    HAVING count(*) > 0
), {TELLING_ORGANIZATION}
SELECT (SELECT count(*) FROM taken) AS taken, ARRAY(SELECT DISTINCT shard FROM told_deliveries) AS shards
"""


def _written(time: str) -> str:
    """A time in JSON, as RFC 3339 has it."""
    return f"""to_char({time} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


# The message of an attempt is there for as long as the attempt is; if it is not, it was created before it.
_TELL_WRITTEN: Final = _TELL.format(
    created=_written("coalesce(m.created_at, t.started_at)"),
    started=_written("t.started_at"),
    ended=_written("t.ended_at"),
)


async def subscribers(pool: asyncpg.Pool) -> list[str]:
    """The organizations that want to be told of all attempts."""
    return [row["id"] for row in await pool.fetch(_SUBSCRIBERS)]


async def tell_of_noted(pool: asyncpg.Pool) -> set[int]:
    """Tell all organizations of what was noted for them; the shards in which that is due. May stop at any time.

    What cannot be stored for one is no reason to keep it from the others: the first error is raised at the end.
    """
    shards: set[int] = set()
    errors: list[asyncpg.PostgresError] = []
    for row in await pool.fetch(_NOTED):
        try:
            shards |= await _tell(pool, row["organization_id"])
        except asyncpg.PostgresError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return shards


async def _tell(pool: asyncpg.Pool, organization_id: str) -> set[int]:
    shards: set[int] = set()
    taken = _MOST_IN_ONE
    while taken == _MOST_IN_ONE:
        told = await pool.fetchrow(_TELL_WRITTEN, organization_id, ids.new_id("msg"))
        taken = told["taken"]
        shards.update(told["shards"])
    return shards
