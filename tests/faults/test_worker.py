"""Workers that are killed, ended, suspended, and more than one: nothing is lost, and what is sent twice is bounded."""

import asyncio
import signal
from datetime import timedelta
from time import monotonic

import asyncpg
import pytest

from tests.faults.installation import MOST_IN_FLIGHT, Installation, Process
from tests.faults.run import Run
from tests.receiver import Answer
from tests.reliability import measured

pytestmark = pytest.mark.xdist_group("faults")

LEASE_SECONDS = 10


async def shards_owned(installation: Installation) -> int:
    connection = await asyncpg.connect(installation.dsn)
    try:
        owned: int = await connection.fetchval("SELECT count(*) FROM shards WHERE owner IS NOT NULL")
    finally:
        await connection.close()
    return owned


async def pid_of_owner(installation: Installation) -> int | None:
    """The process that owns a shard, as its lease names it; None if nobody does."""
    connection = await asyncpg.connect(installation.dsn)
    try:
        owner = await connection.fetchval("SELECT owner FROM shards WHERE owner IS NOT NULL AND leased_until > now()")
    finally:
        await connection.close()
    return int(owner.split(":")[1]) if owner else None


def owner_of(workers: list[Process], pid: int | None) -> tuple[Process, Process]:
    """The worker with that pid, and the other one."""
    first, second = workers
    return (first, second) if first.popen.pid == pid else (second, first)


async def test_a_worker_that_is_told_to_end_records_what_is_in_flight_and_gives_its_shards_back(
    installation: Installation, run: Run
) -> None:
    run.receiver.answer = lambda _: Answer(after=0.3)
    publishing = asyncio.create_task(run.publish(400))
    await run.until_acknowledged(200)
    (worker,) = installation.workers
    assert await asyncio.to_thread(worker.end) == 0
    assert await shards_owned(installation) == 0
    await publishing
    installation.start_worker()
    await run.settle()
    assert run.duplicates == 0


async def test_two_workers_share_the_work_without_sending_anything_twice(installation: Installation, run: Run) -> None:
    installation.ensure(workers=2)
    await run.publish(800)
    await run.settle()
    assert run.duplicates == 0


async def test_another_worker_takes_over_from_a_killed_one_at_once(installation: Installation, run: Run) -> None:
    installation.ensure(workers=2)
    run.receiver.answer = lambda _: Answer(after=0.05)
    publishing = asyncio.create_task(run.publish(600))
    await run.until_acknowledged(300)
    owner, other = owner_of(installation.workers, await pid_of_owner(installation))
    owner.kill()
    async with asyncio.timeout(3):
        while await pid_of_owner(installation) != other.popen.pid:
            await asyncio.sleep(0.05)
    await publishing
    await run.settle()
    assert run.duplicates <= MOST_IN_FLIGHT


async def test_the_lease_of_a_worker_that_was_killed_on_another_host_runs_out(
    installation: Installation, run: Run
) -> None:
    run.receiver.answer = lambda _: Answer(after=0.05)
    publishing = asyncio.create_task(run.publish(300))
    await run.until_acknowledged(150)
    (worker,) = installation.workers
    worker.send(signal.SIGSTOP)
    # Who is to take over is there before the lease is given its few seconds.
    installation.wait_for_worker(installation.start_worker())
    connection = await asyncpg.connect(installation.dsn)
    try:
        # A name that says nothing to anybody here, and a lease that it has renewed some seconds ago.
        await connection.execute(
            "UPDATE shards SET owner = 'elsewhere:1:00000000:1:another boot/1/1', leased_until = now() + interval '4 s'"
            " WHERE owner IS NOT NULL"
        )
        worker.kill()
        await publishing
        held: timedelta = await connection.fetchval("SELECT max(leased_until) - now() FROM shards WHERE owner ~ '^els'")
        assert held.total_seconds() > 0, "the worker took too long to start: nothing was put to the test"
        arrived = len(run.receiver.arrivals)
        await asyncio.sleep(held.total_seconds() - 0.1)
        assert len(run.receiver.arrivals) == arrived
    finally:
        await connection.close()
    await run.settle(5)
    assert run.duplicates <= MOST_IN_FLIGHT


async def expire_leases(installation: Installation) -> None:
    """By the database's clock the leases are over, as they are some seconds after their owner was suspended."""
    connection = await asyncpg.connect(installation.dsn)
    try:
        await connection.execute("UPDATE shards SET leased_until = now() - interval '1 s' WHERE owner IS NOT NULL")
    finally:
        await connection.close()


@pytest.mark.parametrize("rounds", [1, pytest.param(5, marks=pytest.mark.chaos)])
async def test_a_worker_that_was_suspended_for_longer_than_its_lease_records_nothing_twice(
    installation: Installation, run: Run, rounds: int
) -> None:
    installation.ensure(workers=2)
    run.receiver.answer = lambda _: Answer(after=0.5)
    for _ in range(rounds):
        before = run.duplicates
        publishing = asyncio.create_task(run.publish(400))
        await run.until_acknowledged(len(run.acknowledged) + 200)
        async with asyncio.timeout(10):
            while (pid := await pid_of_owner(installation)) is None:
                await asyncio.sleep(0.02)
        owner, _other = owner_of(installation.workers, pid)
        owner.send(signal.SIGSTOP)
        if rounds == 1:
            await expire_leases(installation)
        await publishing
        await run.settle(LEASE_SECONDS + 5)
        repeated = run.duplicates - before
        owner.send(signal.SIGCONT)
        await run.publish(100)
        await run.settle()
        assert 0 < repeated <= MOST_IN_FLIGHT, "nothing was in flight, so that nothing was put to the test"
        assert owner.runs
    most = 2 * MOST_IN_FLIGHT * rounds
    measured(
        32,
        f"A worker that wakes up after its lease has passed to another records nothing twice ({rounds} times)",
        f"1 final state each, at most {most} duplicates",
        f"1 final state each, {run.duplicates} duplicates",
        holds=run.duplicates <= most,
    )


@pytest.mark.chaos
async def test_workers_that_are_ended_under_load_lose_and_repeat_nothing(installation: Installation, run: Run) -> None:
    installation.ensure(workers=2)
    run.receiver.answer = lambda _: Answer(after=0.1)
    until = asyncio.Event()
    publishing = asyncio.create_task(run.publish_steadily(100, until))
    longest = 0.0
    for _ in range(20):
        await asyncio.to_thread(installation.wait_for_worker, installation.start_worker())
        began = monotonic()
        assert await asyncio.to_thread(installation.workers[0].end) == 0
        longest = max(longest, monotonic() - began)
    until.set()
    await publishing
    await run.settle()
    measured(
        33,
        f"20 workers replaced under load, one after the other ({len(run.acknowledged)} messages)",
        "0 lost, 0 duplicates",
        f"{len(run.lost)} lost, {run.duplicates} duplicates",
        holds=not run.lost and run.duplicates == 0,
    )
    measured(33, "A worker that is told to end does so", "within 25 s", f"{longest:.1f} s", holds=longest <= 25)
