"""What the hot path's statements cost: the real ones, against a Postgres with fsync, at several batch sizes."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice, repeat
from pathlib import Path
from time import perf_counter, process_time
from typing import Final, TypeAlias

import asyncpg
import psutil

from app import ids
from app.db.message.new import NewMessage
from app.db.message.publish import Publishing
from app.db.pending_delivery.queue import Attempted, Claimed, DeliveryQueue, Recording, Source
from app.db.shard.model import SHARDS, shard_of

Call: TypeAlias = Callable[[], Awaitable[object]]

SIZES: Final = (1, 4, 16, 64, 256)
_SECONDS: Final = 0.6
_PAYLOAD: Final = b'{"seq":1,"pad":"' + b"x" * 282 + b'"}'
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
_URL: Final = "http://127.0.0.1:9/receiver"


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one statement with `rows` rows: seconds of Postgres' CPU, of the caller's CPU, and of wall time."""

    rows: int
    postgres: float
    caller: float
    wall: float


class Cpu:
    """CPU seconds of Postgres (all of its processes) and of this process, since it was made."""

    def __init__(self, postmaster: int) -> None:
        self._root = psutil.Process(postmaster)
        self._pids = [self._root.pid, *(child.pid for child in self._root.children(recursive=True))]
        self._postgres, self._caller, self._wall = self._used(), process_time(), perf_counter()

    def _used(self) -> float:
        # Nanoseconds, where the usual counters have ticks of ten milliseconds.
        return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in self._pids) / 1e9

    def cost(self, statements: int, rows: int) -> Cost:
        """The share of each of so many statements in what was used."""
        used = (self._used() - self._postgres, process_time() - self._caller, perf_counter() - self._wall)
        return Cost(rows, *(part / statements for part in used))


@dataclass(frozen=True, slots=True)
class Stage:
    """An application with one endpoint and one with five, in a migrated database."""

    pool: asyncpg.Pool
    postmaster: int
    organization_id: str
    narrow: str
    wide: str
    endpoint_id: str

    def messages(self, application_id: str, count: int) -> list[NewMessage]:
        return [
            NewMessage(
                id=ids.new_id("msg"),
                organization_id=self.organization_id,
                application_id=application_id,
                uid=None,
                event_type="invoice.paid",
                event_id=None,
                channels=None,
                payload=_PAYLOAD,
                key=None,
                request_hash=None,
            )
            for _ in range(count)
        ]

    async def wal(self) -> int:
        """Bytes of WAL that were ever written."""
        position: int = await self.pool.fetchval("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
        return position

    async def size(self, table: str) -> int:
        """Bytes of a partitioned table, indexes and TOAST included."""
        query = "SELECT sum(pg_total_relation_size(relid))::bigint FROM pg_partition_tree($1::text::regclass)"
        size: int = await self.pool.fetchval(query, table)
        return size


async def build(pool: asyncpg.Pool, postmaster: int) -> Stage:
    """Makes the applications and their endpoints."""
    await pool.execute("INSERT INTO organizations (id) VALUES ($1) ON CONFLICT DO NOTHING", ids.DEFAULT_ORGANIZATION_ID)
    narrow, (endpoint_id,) = await _application(pool, 1)
    wide, _ = await _application(pool, 5)
    return Stage(pool, postmaster, ids.DEFAULT_ORGANIZATION_ID, narrow, wide, endpoint_id)


async def _application(pool: asyncpg.Pool, endpoints: int) -> tuple[str, list[str]]:
    """An application's id, and those of its endpoints."""
    application_id, endpoint_ids = ids.new_id("app"), [ids.new_id("ep") for _ in range(endpoints)]
    await pool.execute(
        "INSERT INTO applications (id, organization_id, name, created_at, updated_at)"
        " VALUES ($1, $2, 'simulation', now(), now())",
        application_id,
        ids.DEFAULT_ORGANIZATION_ID,
    )
    await pool.executemany(
        "INSERT INTO endpoints (id, application_id, url, secrets, shard, created_at, updated_at)"
        " VALUES ($1, $2, $3, '', $4, now(), now())",
        [(endpoint_id, application_id, _URL, shard_of(endpoint_id)) for endpoint_id in endpoint_ids],
    )
    return application_id, endpoint_ids


async def _timed(stage: Stage, rows: int, calls: Iterator[Call], lanes: int = 1) -> Cost:
    """What a call costs: calls are made in so many lanes side by side, for a while or until there are no more."""
    for call in islice(calls, 3):
        await call()
    cpu, ran, until = Cpu(stage.postmaster), 0, perf_counter() + _SECONDS

    async def lane() -> None:
        nonlocal ran
        while perf_counter() < until and (call := next(calls, None)):
            await call()
            ran += 1

    await asyncio.gather(*(lane() for _ in range(lanes)))
    return cpu.cost(ran, rows)


async def publishing(stage: Stage, application_id: str, sizes: Sequence[int] = SIZES, lanes: int = 1) -> list[Cost]:
    """The statement that stores messages, at several sizes of its batch."""
    publisher, costs = Publishing(stage.pool), []
    for size in sizes:
        # Made beforehand: what they cost their sender is not the statement's.
        ready = list(_batches(stage.messages(application_id, min(40_000, 4_000 * lanes * size)), size))
        calls = (partial(publisher.publish, batch) for batch in ready)
        costs.append(await _timed(stage, size, calls, lanes))
    return costs


def _batches(messages: list[NewMessage], size: int) -> Iterator[list[NewMessage]]:
    for start in range(0, len(messages), size):
        yield messages[start : start + size]


async def reading(stage: Stage, shards: int, sizes: Sequence[int]) -> list[Cost]:
    """The statement that reads what is due: one shard holds rows, the others are empty."""
    queue, costs, own = DeliveryQueue(stage.pool), [], shard_of(stage.endpoint_id)
    empty = [shard for shard in await _empty_shards(stage) if shard != own][: shards - 1]
    for size in sizes:
        sources = {own: Source(_BEGINNING, size)} | {shard: Source(_BEGINNING, 1) for shard in empty}
        costs.append(await _timed(stage, size, repeat(partial(queue.due_of_shards, sources, []))))
    return costs


async def _empty_shards(stage: Stage) -> list[int]:
    rows = await stage.pool.fetch("SELECT DISTINCT shard FROM pending_deliveries")
    return [shard for shard in range(SHARDS) if shard not in {row["shard"] for row in rows}]


async def payloads(stage: Stage, sizes: Sequence[int] = SIZES) -> list[Cost]:
    """The statement that fetches the payloads of what is due."""
    queue, costs = DeliveryQueue(stage.pool), []
    for size in sizes:
        wanted = [row.message_id for row in await _due(stage, size)]
        costs.append(await _timed(stage, size, repeat(partial(queue.payloads, wanted))))
    return costs


async def recording(stage: Stage, sizes: Sequence[int] = SIZES) -> list[Cost]:
    """The statement that records what came of deliveries."""
    queue, costs = DeliveryQueue(stage.pool), []
    for size in sizes:
        # The statement needs rows that are there: fewer of them where a batch takes many.
        rows = await _due(stage, max(400, min(10_000, 40 * size)))
        records = [_recording(row) for row in rows]
        batches = [records[start : start + size] for start in range(0, len(records), size)]
        cpu = Cpu(stage.postmaster)
        for batch in batches:
            await queue.record(batch)
        costs.append(cpu.cost(len(batches), size))
    return costs


async def _due(stage: Stage, count: int) -> list[Claimed]:
    source = Source(_BEGINNING, count)
    return await DeliveryQueue(stage.pool).due_of_shards({shard_of(stage.endpoint_id): source}, [])


def _recording(row: Claimed) -> Recording:
    return Recording(row, 0, None, Attempted(ids.new_id("atmpt"), _URL, 0, 200, b"ok", 3))


async def log_bytes(stage: Stage, rows: int, run: Callable[[], Awaitable[int]]) -> tuple[int, float]:
    """(rows, bytes of WAL) of one statement; `run` runs some of them, with so many rows each, and says how many."""
    before = await stage.wal()
    ran = await run()
    return rows, (await stage.wal() - before) / ran


async def publish_log(stage: Stage, application_id: str) -> list[tuple[int, float]]:
    """What the WAL gets from statements that store one message, and a hundred."""
    publisher = Publishing(stage.pool)

    async def run(size: int, statements: int) -> int:
        for batch in _batches(stage.messages(application_id, size * statements), size):
            await publisher.publish(batch)
        return statements

    return [await log_bytes(stage, size, partial(run, size, n)) for size, n in ((1, 300), (100, 60))]


async def record_log(stage: Stage) -> list[tuple[int, float]]:
    """What the WAL gets from statements that record one outcome, and a hundred."""
    queue = DeliveryQueue(stage.pool)

    async def run(records: list[Recording], size: int) -> int:
        for start in range(0, len(records), size):
            await queue.record(records[start : start + size])
        return len(records) // size

    measured = []
    for size, statements in ((1, 300), (100, 60)):
        records = [_recording(row) for row in await _due(stage, size * statements)]
        measured.append(await log_bytes(stage, size, partial(run, records, size)))
    return measured


async def vacuum_rate(stage: Stage) -> float:
    """Dead rows of the queue that a VACUUM removes in a second."""
    await stage.pool.execute("VACUUM pending_deliveries")
    publisher, queue = Publishing(stage.pool), DeliveryQueue(stage.pool)
    for batch in _batches(stage.messages(stage.narrow, 20_000), 500):
        await publisher.publish(batch)
    rows = await _due(stage, 20_000)
    for start in range(0, len(rows), 500):
        await queue.record([_recording(row) for row in rows[start : start + 500]])
    began = perf_counter()
    await stage.pool.execute("VACUUM pending_deliveries")
    return len(rows) / (perf_counter() - began)


async def bytes_kept(stage: Stage) -> tuple[float, float]:
    """Bytes of the tables, with their indexes: of one message, and of one delivery with its attempt."""
    messages = await stage.pool.fetchval("SELECT count(*) FROM messages")
    deliveries = await stage.pool.fetchval("SELECT count(*) FROM deliveries")
    history = await stage.size("deliveries") + await stage.size("attempts")
    return await stage.size("messages") / messages, history / deliveries
