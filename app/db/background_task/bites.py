"""Background tasks as the worker sees them: take one, do a bite of it, keep how far it came; all in one transaction.

Who does a bite holds the task's row: nobody else takes it up meanwhile, and once its connection is gone, everybody may.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import asyncpg
import orjson
from pydantic.alias_generators import to_snake

from app import ids
from app.db.background_task.model import HIDDEN, TaskKind, TaskStatus
from app.db.broadcast.bites import end_broadcast
from app.db.operational_webhook.outbox import TELLING_ORGANIZATION
from app.payload_store.stored import StoredPayload

# Of one organization, so many at once, over all workers: what they do is more than others should wait for.
MOST_OF_ORGANIZATION: Final = 3
# A bite takes far less. Then the connection ends, the row is free, and somebody else does it: also if this machine is
# gone, or stands still.
_LONGEST_STATEMENT: Final = "20s"
# Seconds; longer than Postgres waits, whose word is the better one. The hot path's limit would be too short: of a bite
# nobody waits for the answer.
_PATIENCE: Final = 25.0
_LONGEST_SILENCE: Final = "10s"
# Unlike the hot path's, its statements are planned each time, for what the tables hold now: that is a small part of it.
_BOUND: Final = f"""
SELECT set_config('statement_timeout', '{_LONGEST_STATEMENT}', true),
       set_config('idle_in_transaction_session_timeout', '{_LONGEST_SILENCE}', true),
       set_config('plan_cache_mode', 'force_custom_plan', true)
"""

# What it protects: one bite of a task at a time, and everybody's turn. Each organization is as likely to be next as any
# other, however many tasks it has. Of its tasks that are not waiting a few come into question, for all workers alike:
# first one of each application, whose last bite is longest ago; where there are more applications, others each second.
# What may run at once (table.py) bounds how many rows this reads.
_TAKE: Final = f"""
WITH RECURSIVE busy AS (
    (SELECT organization_id FROM background_tasks WHERE status = 'running' ORDER BY organization_id LIMIT 1)
    UNION ALL
    SELECT (SELECT t.organization_id FROM background_tasks t
            WHERE t.status = 'running' AND t.organization_id > b.organization_id
            ORDER BY t.organization_id LIMIT 1)
    FROM busy b WHERE b.organization_id IS NOT NULL
), candidate AS MATERIALIZED (
    SELECT t.id, b.turn, t.place, random() AS lot
    FROM (SELECT organization_id, random() AS turn FROM busy) b CROSS JOIN LATERAL (
        SELECT d.id, d.place FROM (
            SELECT t.id, t.application_id,
                   row_number() OVER (PARTITION BY t.application_id ORDER BY t.next_bite_at, t.id) AS place
            FROM background_tasks t
            WHERE t.status = 'running' AND t.organization_id = b.organization_id AND t.next_bite_at <= now()
              AND t.kind = ANY ($1::text[])
        ) d
        ORDER BY d.place, hashtextextended(coalesce(d.application_id, ''), extract(epoch FROM now())::bigint)
        LIMIT {MOST_OF_ORGANIZATION}
    ) t
    -- More than there are workers who hold some.
    ORDER BY b.turn, t.place, lot LIMIT 100
)
SELECT t.id, t.organization_id, t.application_id, t.kind, t.arguments::text, t.cursor::text, t.data::text
FROM candidate c JOIN background_tasks t ON t.id = c.id
WHERE t.status = 'running' AND t.next_bite_at <= now()
ORDER BY c.turn, c.place, c.lot LIMIT 1 FOR UPDATE OF t SKIP LOCKED
"""

_KEEP: Final = """
UPDATE background_tasks
SET cursor = $2::jsonb, data = $3::jsonb, failures = 0, updated_at = now(),
    next_bite_at = clock_timestamp() + make_interval(secs => $4)
WHERE id = $1
"""

_END: Final = f"""
WITH ended AS (
    UPDATE background_tasks SET status = $2, data = $3::jsonb, updated_at = now() WHERE id = $1
    RETURNING id, organization_id, kind, status
), happened AS (
    SELECT $4::text AS id, 'background_task.finished' AS event_type, organization_id,
           jsonb_build_object('taskId', id, 'task', kind, 'status', status, 'data', $5::jsonb) AS data
    FROM ended WHERE kind <> ALL ($6::text[])
), {TELLING_ORGANIZATION}
SELECT DISTINCT shard FROM told_deliveries
"""

# Ever later: what is the matter may pass. Once that was not so for some minutes, a task is ended.
MOST_FAILURES: Final = 8
_FAIL: Final = """
UPDATE background_tasks
SET failures = failures + 1, next_bite_at = clock_timestamp() + make_interval(secs => power(2, least(failures, 8)))
WHERE id = $1 AND status = 'running' RETURNING failures
"""
_LOCK: Final = "SELECT data::text FROM background_tasks WHERE id = $1 AND status = 'running' FOR UPDATE"

# What ended so many days ago, in bites.
_PURGE: Final = """
DELETE FROM background_tasks WHERE id = ANY (ARRAY(
    SELECT id FROM background_tasks
    WHERE id < $1 AND status <> 'running' AND updated_at < now() - make_interval(days => $2) ORDER BY id LIMIT $3))
"""


@dataclass(frozen=True, slots=True)
class Task:
    """A task whose next bite is to be done. All that it holds is JSON."""

    id: str
    organization_id: str
    application_id: str | None
    kind: TaskKind
    arguments: Mapping[str, object]
    cursor: Mapping[str, object] | None
    """What the last bite left; None: this is the first."""
    data: Mapping[str, object]
    """What the last bite left; empty at first."""
    payloads: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """By message: those that an earlier try of this bite asked for (WantsPayloads)."""
    forgotten: Collection[str] = frozenset()
    """The messages whose payloads an earlier try of this bite had forgotten in the payload store (WantsForgotten)."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a bite has done. It is kept by the transaction in which that was done."""

    cursor: Mapping[str, object] | None
    """From where the next bite goes on; None: the task is finished."""
    data: Mapping[str, object]
    """What came of the task so far, as the API shows it."""
    shards: Collection[int] = ()
    """Those in which something is due by it."""
    wait: float = 0.0
    """Seconds to leave the task alone before the next bite."""


@dataclass(frozen=True, slots=True)
class WantsPayloads:
    """The bite needs payloads from the payload store: it is undone, and tried again with them."""

    payloads: Sequence[StoredPayload]


@dataclass(frozen=True, slots=True)
class WantsForgotten:
    """Payloads are to leave the payload store before the bite is done: it is undone, and tried again without them."""

    message_ids: Sequence[str]


class Unhurried:
    """A connection of the hot path's pool whose statements have as long as a bite may take."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def execute(self, query: str, *arguments: object) -> str:
        """As asyncpg's."""
        status: str = await self._connection.execute(query, *arguments, timeout=_PATIENCE)
        return status

    async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """As asyncpg's."""
        rows: list[asyncpg.Record] = await self._connection.fetch(query, *arguments, timeout=_PATIENCE)
        return rows

    async def fetchrow(self, query: str, *arguments: object) -> asyncpg.Record | None:
        """As asyncpg's."""
        return await self._connection.fetchrow(query, *arguments, timeout=_PATIENCE)

    async def fetchval(self, query: str, *arguments: object) -> object:
        """As asyncpg's."""
        return await self._connection.fetchval(query, *arguments, timeout=_PATIENCE)


class TaskFailed(Exception):
    """The task cannot be carried out. The text tells its owner why, and what to do; what was done stays done."""


async def take(connection: asyncpg.Connection, kinds: Collection[str]) -> Task | None:
    """The task of one of these kinds whose turn it is, held until the transaction ends; None if there is none."""
    await connection.execute(_BOUND)
    row = await connection.fetchrow(_TAKE, list(kinds))
    if row is None:
        return None
    arguments, cursor, data = (orjson.loads(row[name] or "null") for name in ("arguments", "cursor", "data"))
    kind = TaskKind(row["kind"])
    return Task(row["id"], row["organization_id"], row["application_id"], kind, arguments, cursor, data)


async def keep(connection: asyncpg.Connection, task: Task, progress: Progress) -> Collection[int]:
    """Keep how far a task came. The shards in which something is due by it."""
    if progress.cursor is None:
        return {*progress.shards, *await end(connection, task.id, TaskStatus.FINISHED, progress.data)}
    await connection.execute(_KEEP, task.id, _json(progress.cursor), _json(progress.data), progress.wait)
    return progress.shards


async def end(
    connection: asyncpg.Connection, task_id: str, status: TaskStatus, data: Mapping[str, object]
) -> Collection[int]:
    """End a task, and tell the organization. The shards in which the news of it are due."""
    # In the events of the Svix API the same has other names.
    told = _json({to_snake(name): value for name, value in data.items()})
    rows = await connection.fetch(_END, task_id, status, _json(data), ids.new_id("msg"), told, sorted(HIDDEN))
    return [row["shard"] for row in rows]


async def note_failure(connection: asyncpg.Connection, task_id: str) -> int | None:
    """A bite failed, and its transaction was undone: it is tried again later. How often it failed in a row.

    None if the task has ended meanwhile. In a transaction of its own.
    """
    failures: int | None = await connection.fetchval(_FAIL, task_id)
    return failures


async def give_up(connection: asyncpg.Connection, task_id: str, reason: str) -> Collection[int]:
    """End a task that cannot be carried out. In a transaction of its own."""
    data: str | None = await connection.fetchval(_LOCK, task_id)
    if data is None:
        return ()
    # A broadcast that failed publishes no more: its payload is not to stay as long as the task is shown.
    await end_broadcast(connection, task_id)
    return await end(connection, task_id, TaskStatus.FAILED, {**orjson.loads(data), "error": reason})


async def purge_tasks(pool: asyncpg.Pool, days: int, bite: int = 1000) -> None:
    """Delete tasks that ended more than so many days ago."""
    async with pool.acquire() as connection:
        now = await connection.fetchval("SELECT now()")
        before = ids.floor_id("qtask", now - timedelta(days=days))
        while (await connection.execute(_PURGE, before, days, bite)) == f"DELETE {bite}":
            pass


def _json(value: Mapping[str, object]) -> str:
    return orjson.dumps(value).decode()
