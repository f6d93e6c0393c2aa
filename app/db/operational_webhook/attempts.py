"""The organization is told of each delivery that fails again and again, failed for good, or arrived after all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import asyncpg

from app import ids
from app.db.operational_webhook.outbox import TELLING

FAILURES_UNTIL_TOLD: Final = 4
"""That a delivery is failing is told at this failure of its schedule."""

_TELL: Final = f"""
WITH happened AS (
    SELECT i.id, 'message.attempt.' || i.kind AS event_type, i.application_id,
           jsonb_build_object(
               'endpointId', i.endpoint_id, 'msgId', i.message_id, 'msgEventId', m.event_id,
               'lastAttempt', jsonb_build_object(
                   'id', i.attempt_id, 'responseStatusCode', i.code,
                   -- That of the attempt, which was recorded in this transaction.
                   'timestamp', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))) AS data
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::smallint[])
        AS i(id, kind, application_id, endpoint_id, message_id, attempt_id, code)
    LEFT JOIN messages m ON m.id = i.message_id
), {TELLING}
SELECT count(*) FROM told_deliveries
"""

_FAILED: Final = """
SELECT d.message_id, d.endpoint_id
FROM unnest($1::text[], $2::text[]) AS i(message_id, endpoint_id)
JOIN deliveries d ON d.message_id = i.message_id AND d.endpoint_id = i.endpoint_id
WHERE d.state = 2
"""


NewsKind = Literal["failing", "exhausted", "recovered"]


@dataclass(frozen=True, slots=True)
class News:
    """What the organization is to know of a delivery, and the attempt that it is about."""

    kind: NewsKind
    application_id: str
    endpoint_id: str
    message_id: str
    attempt_id: str
    code: int


async def failed_for_good(
    connection: asyncpg.Connection, deliveries: Sequence[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Those of the deliveries (message, endpoint) that have failed: the organization was told so."""
    rows = await connection.fetch(_FAILED, [key[0] for key in deliveries], [key[1] for key in deliveries])
    return {(row["message_id"], row["endpoint_id"]) for row in rows}


async def tell_of_attempts(connection: asyncpg.Connection, news: Sequence[News]) -> None:
    """In the transaction that records them. Nobody rings for it: it can wait for the sweep."""
    await connection.execute(
        _TELL,
        [ids.new_id("msg") for _ in news],
        [n.kind for n in news],
        [n.application_id for n in news],
        [n.endpoint_id for n in news],
        [n.message_id for n in news],
        [n.attempt_id for n in news],
        [n.code for n in news],
    )
