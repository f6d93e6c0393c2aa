"""What a delivery and a list cost as history grows: the same load and the same requests at each size of the tables."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import asyncpg
import uvloop

from app.cli.process import free_port
from benchmarks.filling import Filling
from benchmarks.lists import Lists, ListTime, Place
from benchmarks.load import Load
from benchmarks.run import Figures, Stage, Target, measure, prepare

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
_APPLICATIONS = 400
_WIDE_APPLICATIONS = 20
_ENDPOINTS_OF_WIDE = 60
_MESSAGES = 8_000
_REPEATS = 3
# Into the applications whose history it is, so that each insert goes into the midst of large indexes.
_LOAD = Load("growth", _MESSAGES, 64, applications=_APPLICATIONS)

# Each application at which the lists look gets a random endpoint and message of its own.
_PLACES = """
SELECT o.application_id, o.endpoint_id, m.id
FROM bench_owners o
CROSS JOIN LATERAL (
    SELECT id FROM messages
    WHERE application_id = o.application_id AND id > floor_id('msg', now() - random() * interval '50 days')
    ORDER BY id LIMIT 1
) m
"""
# Copies of each application's one endpoint, until it has $2 of them. They are never sent to.
_WIDEN = """
INSERT INTO endpoints (id, application_id, url, secrets, shard, created_at, updated_at)
SELECT bench_id('ep_', bench_lead(now()), e.id || i), e.application_id, e.url, e.secrets, e.shard, now(), now()
FROM endpoints e CROSS JOIN generate_series(2, $2::integer) AS i WHERE e.application_id = ANY ($1)
"""
_SIZE = """
SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""


@dataclass(frozen=True, slots=True)
class Size:
    """What was measured with so many rows in each of messages, deliveries and attempts."""

    rows: int
    bytes: int
    """Of all tables with their indexes."""
    loads: Sequence[Figures]
    lists: Sequence[ListTime]

    @property
    def cost_us(self) -> dict[str, float]:
        """Per delivery, the median of the loads: elapsed time, and CPU time by role."""
        names = self.loads[0].cpu_us_per_message
        costs = {name: median(load.cpu_us_per_message.get(name, 0.0) for load in self.loads) for name in names}
        return {"elapsed": round(median(1e6 / load.delivered_per_s for load in self.loads), 1)} | costs


def measure_growth(target: Target, sizes: Sequence[int], progress: Callable[[str], None]) -> list[Size]:
    """Fills the tables to each size in turn and measures there. RunError if a run cannot be set up."""
    assert target.dsn is not None
    keys, port = [secrets.token_bytes(24)], free_port()
    progress("creating applications")
    ids = uvloop.run(prepare(target, _LOAD, f"http://127.0.0.1:{port}", keys))
    filling = Filling(target.dsn)
    uvloop.run(filling.begin(ids))
    wide_load = Load("growth: wide", 1, 1, applications=_WIDE_APPLICATIONS)
    wide = uvloop.run(prepare(target, wide_load, f"http://127.0.0.1:{port}", keys))
    stage, measured, before = Stage(ids, keys, port), list[Size](), 0
    _fetch(target.dsn, _WIDEN, wide, _ENDPOINTS_OF_WIDE)
    for rows in sizes:
        _fill(filling, rows, rows - before, progress)
        before = rows
        loads = []
        for number in range(_REPEATS):
            progress(f"{rows:,} rows: load {number + 1} of {_REPEATS}")
            loads.append(uvloop.run(measure(_LOAD, target, stage=stage)))
        places = [Place(*row) for row in _fetch(target.dsn, _PLACES)]
        progress(f"{rows:,} rows: lists")
        times = Lists(target, places, wide, seed=rows).measure()
        measured.append(Size(rows, _fetch(target.dsn, _SIZE)[0][0], loads, times))
    return measured


def _fill(filling: Filling, size: int, rows: int, progress: Callable[[str], None]) -> None:
    uvloop.run(filling.add_history(rows, lambda done: progress(f"filling to {size:,} rows: {done:,} of {rows:,}")))


def _fetch(dsn: str, statement: str, *values: object) -> list[asyncpg.Record]:
    async def fetch() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(dsn)
        try:
            return list(await connection.fetch(statement, *values))
        finally:
            await connection.close()

    return asyncio.run(fetch())
