"""Leases: a shard has one owner at a time, and is free again when that one gives it up or is gone."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import httpx
import pytest

from app import clock, ids
from app.db.session import Database
from app.db.shard.model import SHARDS, shard_of
from app.db.shard.table import LEASE_SECONDS, ShardLeases
from app.settings import Settings
from tests import factories


@pytest.fixture
async def pool(empty_dsn: str, settings: Settings) -> AsyncIterator[asyncpg.Pool]:
    """A database whose leases no worker of another test takes."""
    opened = Database(settings.model_copy(update={"db_dsn": empty_dsn}))
    await opened.open()
    yield opened.pool
    await opened.close()


@pytest.fixture
def mine(pool: asyncpg.Pool) -> ShardLeases:
    return ShardLeases(pool, "mine")


@pytest.fixture
def other(pool: asyncpg.Pool) -> ShardLeases:
    return ShardLeases(pool, "other")


async def _expire(pool: asyncpg.Pool, shard: int) -> None:
    await pool.execute("UPDATE shards SET leased_until = now() - interval '1 ms' WHERE shard = $1", shard)


async def _seconds_left(pool: asyncpg.Pool, shard: int) -> float:
    left: timedelta = await pool.fetchval("SELECT leased_until - now() FROM shards WHERE shard = $1", shard)
    return left.total_seconds()


async def _queue(pool: asyncpg.Pool, shard: int, seconds: float) -> None:
    at = clock.now() + timedelta(seconds=seconds)
    await pool.execute(
        "INSERT INTO pending_deliveries (message_id, endpoint_id, application_id, shard, next_attempt_at)"
        " VALUES ($1, $2, $3, $4, $5)",
        *(ids.new_id("msg"), ids.new_id("ep"), ids.new_id("app"), shard, at),
    )


async def test_the_migrations_made_every_shard(pool: asyncpg.Pool, mine: ShardLeases) -> None:
    assert await mine.acquire(range(SHARDS + 10)) == set(range(SHARDS))


async def test_a_shard_is_leased_to_one_for_a_while(pool: asyncpg.Pool, mine: ShardLeases, other: ShardLeases) -> None:
    assert await mine.acquire([1, 2]) == {1, 2}
    assert LEASE_SECONDS - 2 < await _seconds_left(pool, 1) <= LEASE_SECONDS
    assert await other.acquire([1, 2, 3]) == {3}
    assert await mine.acquire([1, 3]) == {1}
    assert await mine.acquire([]) == set()


async def test_of_many_who_want_the_same_shards_each_gets_others(pool: asyncpg.Pool) -> None:
    wanted = range(SHARDS)
    owners = [ShardLeases(pool, f"owner-{number}") for number in range(8)]
    got = await asyncio.gather(*(owner.acquire(wanted) for owner in owners))
    taken = [shard for shards in got for shard in shards]
    assert len(taken) == len(set(taken))
    # Whoever met a lock went on without waiting; what is left is there for the next who asks.
    left = await owners[0].acquire(set(wanted) - set(taken))
    assert set(taken) | left == set(wanted)


async def test_a_lease_that_ran_out_passes_to_who_asks_and_cannot_be_renewed_then(
    pool: asyncpg.Pool, mine: ShardLeases, other: ShardLeases
) -> None:
    await mine.acquire([1, 2])
    await _expire(pool, 1)
    assert await other.acquire([1, 2]) == {1}
    assert await mine.renew([1, 2]) == {2}
    assert await mine.acquire([1]) == set()


async def test_renewing_makes_a_lease_last_even_one_that_ran_out_if_nobody_took_it(
    pool: asyncpg.Pool, mine: ShardLeases, other: ShardLeases
) -> None:
    await mine.acquire([1])
    await _expire(pool, 1)
    assert await mine.renew([1, 5]) == {1}
    assert await _seconds_left(pool, 1) > LEASE_SECONDS - 2
    assert await other.acquire([1]) == set()


async def test_a_released_shard_is_free_at_once_and_only_its_owner_can_release_it(
    mine: ShardLeases, other: ShardLeases
) -> None:
    await mine.acquire([1, 2])
    await other.release([1, 2])
    assert await other.acquire([1, 2]) == set()
    await mine.release([1])
    assert await mine.renew([1, 2]) == {2}
    assert await other.acquire([1, 2]) == {1}


async def test_what_is_due_and_nobody_drains_is_found(
    pool: asyncpg.Pool, mine: ShardLeases, other: ShardLeases
) -> None:
    for shard, seconds in ((1, -5), (2, 60), (3, -5), (4, -5)):
        await _queue(pool, shard, seconds)
    await mine.acquire([3, 4])
    assert await other.due_without_owner() == {1}
    await _expire(pool, 3)
    await mine.release([4])
    assert await other.due_without_owner() == {1, 3, 4}


async def test_the_shard_of_an_endpoint_is_kept_in_its_row(client: httpx.AsyncClient, database: Database) -> None:
    application = (await factories.create_application(client))["id"]
    endpoint = (await factories.create_endpoint(client, application))["id"]
    kept = await database.pool.fetchval("SELECT shard FROM endpoints WHERE id = $1", endpoint)
    assert kept == shard_of(endpoint)


async def _have_been_busy(pool: asyncpg.Pool) -> None:
    await pool.execute("UPDATE shards SET busy_since = now() - interval '3 seconds' WHERE busy_since IS NOT NULL")


async def test_what_is_offered_goes_to_who_has_too_few_and_after_a_second_to_anybody(
    pool: asyncpg.Pool, mine: ShardLeases, other: ShardLeases
) -> None:
    await mine.acquire([1, 2, 3])
    await mine.offer([1, 2, 4])
    assert await other.acquire([1, 2, 3]) == set()
    assert await other.take_offered(1) == {1}
    assert await other.take_offered(9) == {2}
    assert await _seconds_left(pool, 2) > LEASE_SECONDS - 2
    await other.offer([2])
    assert 0 < await _seconds_left(pool, 2) <= 1
    await _expire(pool, 2)
    assert await other.take_offered(9) == set()
    assert await mine.acquire([2]) == {2}


async def test_all_that_a_process_holds_is_given_back_at_once(mine: ShardLeases, other: ShardLeases) -> None:
    await mine.acquire([1, 2])
    await other.acquire([3])
    await mine.release_all()
    assert await other.acquire(range(1, 5)) == {1, 2, 3, 4}


async def test_what_has_been_drained_for_a_while_without_a_break_is_busy_whoever_drained_it(
    pool: asyncpg.Pool, mine: ShardLeases, other: ShardLeases
) -> None:
    await mine.acquire([1, 2, 3])
    assert (await mine.beat()).busy == {}
    await _have_been_busy(pool)
    await mine.offer([1, 2])
    await other.take_offered(1)
    assert (await mine.beat()).busy == {1: "other", 2: None, 3: "mine"}
    await mine.release([3])
    await mine.acquire([3])
    assert 3 not in (await mine.beat()).busy, "it had nothing to do in between"


async def test_workers_that_were_seen_a_moment_ago_are_counted(
    pool: asyncpg.Pool, mine: ShardLeases, other: ShardLeases
) -> None:
    assert (await mine.beat()).workers == 1
    await other.beat()
    assert (await mine.beat()).workers == 2
    await pool.execute("UPDATE workers SET seen_at = now() - interval '4 seconds'")
    assert (await mine.beat()).workers == 1
    await pool.execute("UPDATE workers SET seen_at = now() - interval '2 minutes'")
    assert (await mine.beat()).workers == 1
    assert await pool.fetchval("SELECT count(*) FROM workers") == 1
    await other.beat()
    await other.leave()
    assert (await mine.beat()).workers == 1


async def test_the_leases_of_the_dead_end_at_once(pool: asyncpg.Pool, mine: ShardLeases, other: ShardLeases) -> None:
    await other.beat()
    await other.acquire([1, 2])
    await _queue(pool, 1, seconds=-1)
    assert (await mine.beat()).others == ["other"]
    await mine.bury(["other"])
    census = await mine.beat()
    assert (census.workers, census.others) == (1, [])
    assert await mine.due_without_owner() == {1}
    assert await mine.acquire([1, 2]) == {1, 2}
    assert await other.renew([1, 2]) == set()
