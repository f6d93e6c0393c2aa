"""Postgres restarted, killed and cut off under load: callers are told to come again, and all recovers."""

import asyncio
from time import monotonic

import pytest

from tests.faults import postgres_states
from tests.faults.installation import Installation, Process
from tests.faults.run import Run
from tests.receiver import Answer
from tests.reliability import chance, measured

pytestmark = pytest.mark.xdist_group("faults")

_RECOVERY_SECONDS = 3.0


async def seconds_to_recover(run: Run) -> float:
    """From now until a message is accepted, and what is accepted from now on is delivered."""
    began = monotonic()
    async with asyncio.timeout(30):
        accepted = len(run.acknowledged)
        while len(run.acknowledged) == accepted:
            await asyncio.sleep(0.005)
        arrived = len(run.receiver.arrivals)
        while len(run.receiver.arrivals) == arrived:
            await asyncio.sleep(0.005)
    return monotonic() - began


def check_refusals(run: Run, others: set[str] | None = None) -> None:
    """Who was refused was told when to come again."""
    assert run.refusals.keys() <= {"503"} | (others or set())
    assert run.without_retry_after == 0


@pytest.mark.parametrize(
    ("restarts", "down"),
    [(1, 1.0), pytest.param(3, 3.0, marks=pytest.mark.chaos), pytest.param(1, 60.0, marks=pytest.mark.chaos)],
)
async def test_a_restart_of_postgres_loses_nothing_that_was_acknowledged(
    installation: Installation, run: Run, restarts: int, down: float
) -> None:
    run.receiver.answer = lambda _: Answer(after=0.02)
    workers = list(installation.workers)
    until = asyncio.Event()
    publishing = asyncio.create_task(run.publish_steadily(150, until))
    longest = 0.0
    for _ in range(restarts):
        await run.until_acknowledged(len(run.acknowledged) + 150)
        await asyncio.to_thread(installation.servers.postgres.stop)
        await asyncio.sleep(down)
        await asyncio.to_thread(installation.servers.postgres.start)
        longest = max(longest, await seconds_to_recover(run))
    until.set()
    await publishing
    await run.settle()
    check_refusals(run)
    assert run.refusals, "nothing was published meanwhile"
    assert run.duplicates == 0, "outcomes wait for Postgres in the worker's memory"
    assert_alive(installation, workers)
    slowest = max(run.refusal_seconds)
    measured(
        35, "While Postgres is away, messages are refused with 503", "within 1 s", f"{slowest:.2f} s", holds=slowest < 1
    )
    measured(
        35,
        f"After Postgres was away for {down:.0f} s, messages are accepted and delivered again",
        "within 3 s",
        f"{longest:.1f} s",
        holds=longest < _RECOVERY_SECONDS,
    )


@pytest.mark.parametrize(("kills", "messages"), [(1, 500), pytest.param(12, 20_000, marks=pytest.mark.chaos)])
async def test_what_was_acknowledged_survives_the_kill_of_every_process_of_postgres(
    installation: Installation, run: Run, kills: int, messages: int
) -> None:
    rng = chance("kill postgres")
    workers = list(installation.workers)
    publishing = asyncio.create_task(run.publish(messages, 600))
    moments = sorted(rng.sample(range(messages // 10, messages), kills))
    for count in moments:
        await run.until_acknowledged(count, 300)
        await asyncio.to_thread(postgres_states.kill, installation.servers.postgres)
        await asyncio.to_thread(installation.servers.postgres.start)
    await publishing
    await run.settle(60)
    check_refusals(run)
    assert run.refusals, "nothing was published meanwhile"
    assert run.duplicates == 0, "outcomes wait for Postgres in the worker's memory"
    assert_alive(installation, workers)
    measured(
        1,
        f"What was answered with 202 survives kill -9 of every process of Postgres ({len(run.acknowledged)} "
        f"messages, {kills} kills)",
        "0 lost",
        f"{len(run.lost)} lost",
        holds=not run.lost,
    )


@pytest.mark.parametrize("rounds", [2, pytest.param(60, marks=pytest.mark.chaos)])
async def test_ending_every_connection_again_and_again_loses_nothing(
    installation: Installation, run: Run, rounds: int
) -> None:
    workers = list(installation.workers)
    until = asyncio.Event()
    publishing = asyncio.create_task(run.publish_steadily(150, until))
    ended = 0
    for _ in range(rounds):
        await asyncio.sleep(0.4)
        ended += await postgres_states.end_connections(installation)
    until.set()
    await publishing
    await run.settle()
    check_refusals(run)
    assert run.duplicates == 0
    assert_alive(installation, workers)
    assert ended >= rounds
    measured(
        35, f"Every connection to Postgres ended, {rounds} times", "0 lost", f"{len(run.lost)} lost", holds=not run.lost
    )


@pytest.mark.chaos
async def test_a_postgres_that_answers_nothing_is_given_up_in_time(installation: Installation, run: Run) -> None:
    workers = list(installation.workers)
    until = asyncio.Event()
    publishing = asyncio.create_task(run.publish_steadily(150, until))
    await run.until_acknowledged(100)
    async with postgres_states.frozen(installation.servers.postgres):
        await asyncio.sleep(20)
    recovered = await seconds_to_recover(run)
    until.set()
    await publishing
    await run.settle()
    check_refusals(run)
    assert_alive(installation, workers)
    slowest = max(run.refusal_seconds)
    measured(
        36,
        "While Postgres answers nothing at all (SIGSTOP), a message is refused with 503",
        "within 5.5 s",
        f"{slowest:.2f} s",
        holds=slowest < 5.5,
    )
    measured(
        36,
        "After Postgres answered nothing for 20 s, messages are accepted and delivered again",
        "within 3 s",
        f"{recovered:.1f} s",
        holds=recovered < _RECOVERY_SECONDS,
    )


def assert_alive(installation: Installation, workers: list[Process]) -> None:
    """Nobody had to be started anew."""
    assert installation.api.runs
    assert workers == installation.workers
