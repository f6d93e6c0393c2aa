"""The organization is told of each delivery that failed for good."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from app import ids
from app.db.operational_webhook.outbox import TELLING

_TELL: Final = f"""
WITH happened AS (
    SELECT i.id, 'message.attempt.exhausted' AS event_type, i.application_id,
           jsonb_build_object(
               'endpointId', i.endpoint_id, 'msgId', i.message_id, 'msgEventId', m.event_id,
               'lastAttempt', jsonb_build_object(
                   'id', i.attempt_id, 'responseStatusCode', i.code,
                   -- That of the attempt, which was recorded in this transaction.
                   'timestamp', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))) AS data
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::smallint[])
        AS i(id, application_id, endpoint_id, message_id, attempt_id, code)
    LEFT JOIN messages m ON m.id = i.message_id
), {TELLING}
SELECT count(*) FROM told_deliveries
"""


@dataclass(frozen=True, slots=True)
class Exhausted:
    """A delivery that failed for good, and its last attempt."""

    application_id: str
    endpoint_id: str
    message_id: str
    attempt_id: str
    code: int


async def tell_of_exhausted(connection: asyncpg.Connection, exhausted: Sequence[Exhausted]) -> None:
    """In the transaction that records them. Nobody rings for it: it can wait for the sweep."""
    await connection.execute(
        _TELL,
        [ids.new_id("msg") for _ in exhausted],
        [e.application_id for e in exhausted],
        [e.endpoint_id for e in exhausted],
        [e.message_id for e in exhausted],
        [e.attempt_id for e in exhausted],
        [e.code for e in exhausted],
    )
