"""Canceling: that nothing slips through, and that lines are not read again and again."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Final

import pytest

from app import clock, ids
from app.db.pending_delivery import cancel
from app.settings import Settings
from tests.receiver import Receiver
from tests.servers import Servers
from tests.worker import replaying
from tests.worker.ordering import numbered, publish
from tests.worker.replaying import ask, cleared, is_even, queued, states_of, worker_of
from tests.worker.stage import Stage
from worker import replays

PARKED: Final = """
INSERT INTO pending_deliveries (message_id, endpoint_id, application_id, shard, next_attempt_at, position, line)
SELECT 'msg_' || lpad(i::text, 27, '0'), e.id, e.application_id, e.shard, 'infinity', i, i % 2
FROM generate_series(1, $2::int) i, endpoints e WHERE e.id = $1
"""
PARKED_YOUNG: Final = """
INSERT INTO pending_deliveries (message_id, endpoint_id, application_id, shard, next_attempt_at, position, line)
SELECT i.id, e.id, e.application_id, e.shard, 'infinity', 100 + place, place % 2
FROM unnest($2::text[]) WITH ORDINALITY AS i(id, place), endpoints e WHERE e.id = $1
"""
READ: Final = """
SELECT (idx_tup_fetch + seq_tup_read)::int FROM pg_stat_xact_user_tables WHERE relname = 'pending_deliveries'
"""
LATER: Final = "UPDATE pending_deliveries SET tries = tries + 1, next_attempt_at = now() + interval '1 hour'"
STATUS: Final = "SELECT status FROM background_tasks"


@pytest.fixture(scope="module")
async def theatre(
    settings: Settings, servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    async with replaying.theatre(settings, servers, tmp_path_factory.mktemp("payloads")) as opened:
        yield opened


@pytest.fixture
async def stage(theatre: Stage) -> Stage:
    return await cleared(theatre)


async def call_off(stage: Stage, endpoint: str) -> None:
    """Ask to cancel all that is pending."""
    await asyncio.sleep(0.01)
    await ask(stage, endpoint, "cancel-msgs", {"createdBefore": clock.now().isoformat()}, 204)


@pytest.mark.parametrize("ordered", [False, True])
async def test_what_is_recorded_meanwhile_is_canceled_afterwards(
    stage: Stage, receiver: Receiver, ordered: bool
) -> None:
    endpoint = await stage.endpoint(receiver.url, **({"orderedBy": "endpoint"} if ordered else {}))
    (message,) = await publish(stage, *numbered(1))
    background, pool = worker_of(stage), stage.database.pool
    async with pool.acquire() as recorder, recorder.transaction():
        await recorder.execute(LATER)
        await call_off(stage, endpoint)
        # Once through the lines, once by time; then it waits.
        assert [await background.bite() for _ in range(3)] == [True, True, False]
        assert await pool.fetchval(STATUS) == "running"
    async with asyncio.timeout(10):
        while await pool.fetchval(STATUS) == "running":
            await background.bite()
    assert await queued(stage) == set()
    assert await states_of(stage, endpoint) == {message: 4}
    assert await is_even(stage)


async def test_all_that_is_parked_is_canceled_and_looked_at_once(
    stage: Stage, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "_CANCEL_BITE", 5)
    endpoint, pool = await stage.endpoint(receiver.url, orderedBy="/key"), stage.database.pool
    await pool.execute(PARKED, endpoint, 20)
    await pool.execute("UPDATE pending_deliveries SET next_attempt_at = now() WHERE position <= 2")
    await call_off(stage, endpoint)
    # Those that are younger stay.
    young = [ids.new_id("msg") for _ in range(2)]
    await pool.execute(PARKED_YOUNG, endpoint, young)
    background, left = worker_of(stage), [22]
    while await background.bite():
        left.append(await stage.pending())
    # Line by line; the young one at the end of the first is looked at, too.
    assert left[:6] == [22, 17, 12, 8, 3, 2]
    assert all(after <= before for before, after in pairwise(left))
    assert await queued(stage) == set(young)
    # And what is now the first of its line is called.
    assert await pool.fetchval("SELECT count(*) FROM pending_deliveries WHERE isfinite(next_attempt_at)") == 2


async def test_a_walk_among_parked_ones_reads_no_more_than_it_looks_at(stage: Stage, receiver: Receiver) -> None:
    endpoint, pool = await stage.endpoint(receiver.url, orderedBy="/key"), stage.database.pool
    await pool.execute(PARKED, endpoint, 5000)
    await pool.execute("ANALYZE pending_deliveries")
    at = (stage.application, endpoint, "msg_")
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL plan_cache_mode = 'force_custom_plan'")
        read = [await connection.fetchval(READ) or 0]
        walked = await cancel.cancel_in_lines(connection, *at, cancel.LinePlace(0, 1000), 10)
        read.append(await connection.fetchval(READ) or 0)
        by_time = await cancel.cancel_by_time(connection, *at, replays._BEGINNING_OF_TIME, 10)
        read.append(await connection.fetchval(READ) or 0)
    assert (walked.reached, by_time.reached) == (cancel.LinePlace(0, 1020), None)
    assert all(after - before <= 20 for before, after in pairwise(read)), read
