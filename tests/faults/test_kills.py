"""Random processes killed at random moments, under load and with three endpoints."""

import asyncio
import random
from collections.abc import AsyncIterator
from time import monotonic

import pytest

from tests.faults.installation import MOST_IN_FLIGHT, Installation, Process
from tests.faults.run import Run, running
from tests.receiver import Answer
from tests.reliability import chance, measured, minutes

pytestmark = pytest.mark.xdist_group("faults")

_ENDPOINTS = 3
_ROOM_MIB = 30.0
# Less than half a minute is not worth a comparison of memory: what a process has not needed yet is not there.
_RATE = 50
_DEATHS = ("api", "worker", "beat", "all")


@pytest.fixture
async def fanned(installation: Installation) -> AsyncIterator[Run]:
    """A run with three endpoints, against everything: API, two workers, beat."""
    installation.ensure(workers=2)
    beat = installation.start_beat()
    async with running(installation, endpoints=_ENDPOINTS) as started:
        yield started
    if beat.runs or installation.beat.runs:
        await asyncio.to_thread(installation.beat.end)


def victims(installation: Installation, death: str, rng: random.Random) -> list[Process]:
    match death:
        case "api":
            return [installation.api]
        case "worker":
            return [rng.choice(installation.workers)]
        case "beat":
            return [installation.beat]
        case _:
            return [installation.api, *installation.workers, installation.beat]


def restart(installation: Installation) -> None:
    """As whoever supervises them would: what is dead is started anew, at once."""
    if not installation.api.runs:
        installation.start_api()
    while len(installation.workers) < 2:
        installation.start_worker()
    if not installation.beat.runs:
        installation.start_beat()


async def kill_at_random(installation: Installation, run: Run, rng: random.Random, death: str) -> int:
    """Kill what that death takes at a random moment; how many were in flight at most, and so may come twice."""
    await asyncio.sleep(rng.uniform(0.2, 1.0))
    doomed = victims(installation, death, rng)
    workers = sum(process in installation.workers for process in doomed)
    for process in doomed:
        process.kill()
    restart(installation)
    return workers * MOST_IN_FLIGHT


def memory(installation: Installation) -> dict[str, float]:
    """MiB of the API, and of the largest worker."""
    return {"API": installation.api.memory, "worker": max(worker.memory for worker in installation.workers)}


@pytest.mark.parametrize(
    "deaths",
    [
        pytest.param(["worker", "all"], id="two"),
        pytest.param(["api"] * 15 + ["worker"] * 25 + ["beat"] * 5 + ["all"] * 5, id="fifty", marks=pytest.mark.chaos),
    ],
)
async def test_kills_lose_nothing_and_repeat_only_what_was_in_flight(
    installation: Installation, fanned: Run, deaths: list[str]
) -> None:
    rng = chance("kills")
    fanned.receiver.answer = lambda _: Answer(after=rng.uniform(0, 0.1))
    until = asyncio.Event()
    publishing = asyncio.create_task(fanned.publish_steadily(_RATE, until))
    most = 0
    for death in rng.sample(deaths, len(deaths)):
        before = len(fanned.acknowledged)
        most += await kill_at_random(installation, fanned, rng, death)
        # The next one once this one is over, so that each kill hits something that works.
        await fanned.until_acknowledged(before + _RATE // 2)
    until.set()
    await publishing
    await fanned.settle(30)
    assert set(fanned.refusals) <= {"ConnectError", "ReadError", "RemoteProtocolError", "WriteError", "503"}
    published = next(fanned.keys)
    kills = len(deaths)
    measured(
        9,
        f"SIGKILL of random processes, {kills} times, {_ENDPOINTS} endpoints: {published} messages arrive",
        "0 lost",
        f"{len(fanned.lost)} lost",
        holds=not fanned.lost,
    )
    measured(
        31,
        f"SIGKILL of random processes, {kills} times: only what was in flight arrives twice",
        f"at most {most} duplicates",
        f"{fanned.duplicates} duplicates",
        holds=fanned.duplicates <= most,
    )
    measured(
        34,
        f"What was sent again with its idempotency key while the API was killed is one message ({published})",
        f"{published} messages",
        f"{len(fanned.acknowledged)} messages",
        holds=len(fanned.acknowledged) == published,
    )


@pytest.mark.chaos
async def test_minutes_of_kills_lose_nothing(installation: Installation, fanned: Run) -> None:
    rng = chance("minutes of kills")
    fanned.receiver.answer = lambda _: Answer(after=rng.uniform(0, 0.1))
    until = asyncio.Event()
    publishing = asyncio.create_task(fanned.publish_steadily(_RATE, until))
    ends, kills = monotonic() + 60 * minutes(), 0
    while monotonic() < ends:
        await kill_at_random(installation, fanned, rng, rng.choice(_DEATHS[:3]))
        kills += 1
        await asyncio.sleep(4)
    until.set()
    await publishing
    await fanned.settle(30)
    deliveries = len(fanned.acknowledged) * _ENDPOINTS
    share = fanned.duplicates / deliveries
    title = f"{minutes():g} minutes of kills ({kills}), {_RATE} messages/s to {_ENDPOINTS} endpoints"
    measured(9, title, "0 lost", f"{len(fanned.lost)} lost", holds=not fanned.lost)
    # Each kill of a worker repeats what it had in flight: at this rate about eight deliveries.
    measured(9, f"{title}: what arrives twice", "at most 1 %", f"{share:.2%}", holds=share <= 0.01)


@pytest.mark.chaos
async def test_memory_is_what_it_was_once_a_fault_is_over(installation: Installation, fanned: Run) -> None:
    await fanned.publish(3000)
    await fanned.settle()
    before = memory(installation)
    for _ in range(3):
        publishing = asyncio.create_task(fanned.publish(1500, 120))
        await fanned.until_acknowledged(len(fanned.acknowledged) + 500)
        await asyncio.to_thread(installation.servers.postgres.stop)
        await asyncio.sleep(5)
        await asyncio.to_thread(installation.servers.postgres.start)
        await publishing
        await fanned.settle()
    after = memory(installation)
    for name, mib in before.items():
        grown = after[name] - mib
        measured(
            9,
            f"Memory of the {name} after three outages of Postgres under load",
            f"at most {_ROOM_MIB:.0f} MiB more",
            f"{grown:+.0f} MiB ({mib:.0f} before)",
            holds=grown <= _ROOM_MIB,
        )
