"""What providers post while processes are killed and Redis forgets: it arrives as it was posted, and is one message."""

import asyncio
import random

import pytest
from redis.asyncio import Redis

from tests.faults.installation import MOST_IN_FLIGHT, Installation
from tests.faults.launcher import dying_after_commit
from tests.faults.provider import Provider, provider_of
from tests.faults.run import Run
from tests.reliability import chance, measured

pytestmark = pytest.mark.xdist_group("faults")

_FAULTS = ("api", "worker", "redis")
# What who posts may see of an API that is killed.
_DEATHS = {"ConnectError", "ReadError", "RemoteProtocolError", "WriteError", "503"}


async def strike(installation: Installation, fault: str) -> None:
    """Kill a process that works, and start it anew at once, as its supervisor would; or empty Redis."""
    match fault:
        case "api":
            installation.api.kill()
            installation.start_api()
        case "worker":
            (worker,) = installation.workers
            await asyncio.to_thread(installation.wait_for_worker, worker)
            worker.kill()
            installation.start_worker()
        case _:
            async with Redis.from_url(installation.servers.valkey.dsn) as redis:
                await redis.flushall()


async def strike_again_and_again(installation: Installation, provider: Provider, events: int, each: int) -> None:
    """Each fault so many times, in any order, spread over all events at random."""
    faults = list(_FAULTS) * each
    provider.rng.shuffle(faults)
    moments = sorted(provider.rng.sample(range(events // 20, events * 19 // 20), len(faults)))
    for moment, fault in zip(moments, faults, strict=True):
        await provider.until_accepted(moment)
        await strike(installation, fault)


def lost(provider: Provider) -> set[str]:
    """Events that were answered with 2xx, and did not arrive."""
    return provider.accepted - provider.message_ids.keys()


@pytest.mark.parametrize(("events", "each"), [(1000, 1), pytest.param(5000, 6, marks=pytest.mark.chaos)])
async def test_what_a_source_answered_with_2xx_arrives_as_it_was_posted_whatever_dies(
    installation: Installation, run: Run, events: int, each: int
) -> None:
    async with provider_of(run, chance("inbound")) as provider:
        async with asyncio.TaskGroup() as group:
            group.create_task(provider.post(events))
            group.create_task(strike_again_and_again(installation, provider, events, each))
        await run.settle()
        messages = await provider.messages()
    title = f"{events} events posted to a source, {each} SIGKILLs each of API and worker, {each} x FLUSHALL"
    assert set(provider.refusals) <= _DEATHS
    assert len(provider.accepted) == events
    value = f"{len(lost(provider))} lost, {provider.altered} altered"
    measured(
        43,
        f"{title}: all arrive, byte for byte, with their own signatures",
        "0 lost, 0 altered",
        value,
        holds=value == "0 lost, 0 altered",
    )
    assert provider.repeated > events // 20
    ids = [len(found) for found in provider.message_ids.values()]
    measured(
        43,
        f"{title}: what is sent again is no second message",
        f"{events} messages",
        f"{messages} messages",
        holds=messages == events == sum(ids),
    )
    twice = len(run.receiver.arrivals) - events
    most = each * MOST_IN_FLIGHT
    measured(
        43,
        f"{title}: only what a killed worker had in flight arrives twice",
        f"at most {most} duplicates",
        f"{twice} duplicates",
        holds=0 <= twice <= most,
    )


@pytest.mark.parametrize("deaths", [2, pytest.param(100, marks=pytest.mark.chaos)])
async def test_a_providers_retry_after_its_answer_was_lost_behind_the_commit_is_answered_and_no_second_message(
    installation: Installation, run: Run, deaths: int
) -> None:
    async with provider_of(run, random.Random(deaths)) as provider:
        await asyncio.to_thread(installation.api.end)
        died = installation.folder / "inbound-deaths"
        died.write_bytes(b"")
        installation.start_api((dying_after_commit, f"0.7:{deaths}:{died}"))
        await asyncio.to_thread(installation.wait_for_api)
        async with asyncio.timeout(10 * deaths):
            while died.stat().st_size < deaths:
                await provider.post_one()
        await run.settle(5)
        messages = await provider.messages()
    # One that was stored before its death was seen is sent again, and is the message that it was.
    unanswered = provider.refusals.total() - provider.refusals["ConnectError"]
    assert unanswered >= deaths
    assert (lost(provider), provider.altered) == (set(), 0)
    measured(
        43,
        f"What a provider sends again because the API died between commit and answer, {deaths} times",
        f"{len(provider.accepted)} messages",
        f"{messages} messages",
        holds=messages == len(provider.accepted) == len(provider.events),
    )
    await asyncio.to_thread(installation.api.end)
