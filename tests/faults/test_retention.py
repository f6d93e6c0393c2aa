"""Retention under load: weeks are dropped while messages come and go, and nobody notices."""

import asyncio
from datetime import timedelta
from typing import Final

import asyncpg
import pytest

from app import clock, ids, weeks
from app.db.partition.retention import forget_history, weeks_of_history
from tests.faults.run import Run
from tests.reliability import measured

_OLD_WEEKS: Final = (15, 16, 17, 18)
_ROWS: Final = 100_000
_PENDING: Final = 500
_SECONDS: Final = 10.0
_RATE: Final = 100.0

_FILL: Final = """
WITH input AS (
    SELECT left($1, 20) || lpad(n::text, 11, '0') AS id, left($2, 22) || lpad(n::text, 11, '0') AS attempt_id, n
    FROM generate_series(1, $3::integer) n
), stored AS (
    INSERT INTO messages (id, application_id, event_type, event_id, payload, deliveries)
    SELECT id, 'app_of_long_ago', 'invoice.paid', id, convert_to(repeat('x', 500), 'UTF8'), 1 FROM input
), named AS (
    INSERT INTO message_event_ids SELECT 'app_of_long_ago', id, id FROM input
), delivered AS (
    INSERT INTO deliveries (message_id, endpoint_id, application_id, state, attempts)
    SELECT id, 'ep', 'app_of_long_ago', 0, 1 FROM input WHERE n > $4::integer
), waiting AS (
    INSERT INTO pending_deliveries (message_id, endpoint_id, application_id, shard, next_attempt_at)
    SELECT id, 'ep', 'app_of_long_ago', 0, now() + interval '1 day' FROM input WHERE n <= $4::integer
)
INSERT INTO attempts (id, message_id, endpoint_id, application_id, url, status, trigger, response_status_code, response,
                      response_duration_ms)
SELECT attempt_id, id, 'ep', 'app_of_long_ago', 'http://127.0.0.1/', 0, 0, 200, 'ok', 3 FROM input
"""
_OF_LONG_AGO: Final = "application_id = 'app_of_long_ago'"


async def _p99(run: Run) -> float:
    """Of publishing at a steady rate, in seconds."""
    run.seconds.clear()
    end = asyncio.Event()
    asyncio.get_running_loop().call_later(_SECONDS, end.set)
    await run.publish_steadily(_RATE, end)
    return sorted(run.seconds)[int(len(run.seconds) * 0.99)]


@pytest.mark.chaos
async def test_old_weeks_are_dropped_under_load(run: Run) -> None:
    pool = await asyncpg.create_pool(run.installation.dsn, min_size=2, max_size=2, command_timeout=60)
    oldest = clock.now() - timedelta(weeks=13)
    for back in _OLD_WEEKS:
        at = clock.now() - timedelta(weeks=back)
        await pool.execute("SELECT ensure_partitions(0, $1)", at)
        first = ids.floor_id("msg", at), ids.floor_id("atmpt", at)
        await pool.execute(_FILL, *first, _ROWS, _PENDING)
    pending = f"SELECT count(*) FROM pending_deliveries WHERE {_OF_LONG_AGO}"
    before = await pool.fetchval(pending)
    await _p99(run)
    base = await _p99(run)
    dropping = asyncio.create_task(forget_history(pool, oldest))
    during = await _p99(run)
    forgotten = await dropping
    base = max(base, await _p99(run))
    after = await pool.fetchval(pending)
    with_message = await pool.fetchval(
        f"SELECT count(*) FROM pending_deliveries p JOIN messages m ON m.id = p.message_id WHERE p.{_OF_LONG_AGO}"
    )
    assert len(forgotten.weeks) == len(_OLD_WEEKS)
    assert min(await weeks_of_history(pool)) > weeks.week_of(oldest)
    assert run.refusals.total() == 0
    measured(
        8,
        f"Dropping four weeks of {_ROWS:,} messages loses nothing that is pending",
        f"{before:,} pending, each with its message",
        f"{after:,} pending, {with_message:,} with their messages",
        holds=before == after == with_message == _PENDING * len(_OLD_WEEKS),
    )
    measured(
        8,
        f"Dropping four weeks is not felt by those who publish ({_RATE:.0f} a second)",
        f"p99 at most 1.5 times that before and after ({base * 1000:.1f} ms)",
        f"{during * 1000:.1f} ms",
        holds=during <= 1.5 * base,
    )
    await pool.execute(f"DELETE FROM pending_deliveries WHERE {_OF_LONG_AGO}")
    await pool.close()
    await run.settle()
