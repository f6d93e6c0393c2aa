"""Several workers: each drains its share of the shards, and what is handed over is not sent twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from time import monotonic

import pytest

from app.settings import Settings
from tests.receiver import Answer, Receiver
from tests.worker.stage import Clocked, Stage, sent, staged, until, until_done

_SHARDS = 12


@pytest.fixture
async def stage(empty_dsn: str, settings: Settings, token: str) -> AsyncIterator[Stage]:
    async with staged(settings.model_copy(update={"db_dsn": empty_dsn, "retry_schedule": (1,)}), token) as started:
        yield started


async def endpoints(stage: Stage, url: str, count: int = _SHARDS, **fields: int) -> list[str]:
    """So many endpoints, each in a shard of its own."""
    made = [await stage.endpoint(url, **fields) for _ in range(count)]
    await stage.database.pool.execute(
        "UPDATE endpoints e SET shard = i.shard - 1 FROM unnest($1::text[]) WITH ORDINALITY AS i(id, shard)"
        " WHERE e.id = i.id",
        made,
    )
    return made


async def drained(stage: Stage) -> Counter[str]:
    """How many of the shards with endpoints each worker drains."""
    rows = await stage.database.pool.fetch(
        "SELECT owner FROM shards WHERE owner IS NOT NULL AND leased_until > now() AND shard < $1", _SHARDS
    )
    return Counter(row["owner"] for row in rows)


async def until_drained(stage: Stage, seconds: float, **wanted: int) -> None:
    """TimeoutError if it does not come about."""
    async with asyncio.timeout(seconds):
        while await drained(stage) != wanted:
            await asyncio.sleep(0.02)


async def have_been_busy(stage: Stage, shards: int = _SHARDS) -> None:
    """As if so many shards, those with endpoints, had been drained for a while."""
    await stage.database.pool.execute(
        "UPDATE shards SET busy_since = now() - interval '1 minute' WHERE owner <> '' AND shard < $1", shards
    )


async def test_who_joins_gets_a_share_and_who_ends_gives_it_back_and_nothing_is_sent_twice(
    stage: Stage, receiver: Receiver
) -> None:
    receiver.answer = lambda _: Answer(after=0.1)
    made = await endpoints(stage, receiver.url)
    for endpoint_id in made:
        await stage.publish(endpoint_id, 400)
    async with stage.draining(name="first", most=24):
        await until_drained(stage, 2, first=_SHARDS)
        await have_been_busy(stage)
        async with stage.draining(name="second", most=24):
            await until_drained(stage, 5, first=_SHARDS // 2, second=_SHARDS // 2)
            async with stage.draining(name="third", most=24):
                await until_drained(stage, 5, first=4, second=4, third=4)
            assert (await drained(stage))["third"] == 0
        await until_drained(stage, 2, first=_SHARDS)
    assert await stage.pending() > 0, "it was over before the last of them was given back"
    assert len(sent(receiver)) == len(set(sent(receiver)))


async def test_what_is_in_flight_in_a_shard_that_is_given_away_is_recorded_and_not_sent_again(
    stage: Stage, receiver: Receiver
) -> None:
    receiver.answer = lambda _: Answer(after=2.5 if len(receiver.arrivals) <= 10 else 0)
    slow, quick = await endpoints(stage, receiver.url, 2)
    await stage.publish(slow, 5)
    await stage.publish(quick, 5)
    async with stage.draining(name="first"):
        await receiver.wait_for(10)
        since = monotonic()
        await stage.publish(slow, 20)
        await stage.publish(quick, 20)
        await have_been_busy(stage, 2)
        async with stage.draining(name="second"):
            await until_drained(stage, 3, first=1, second=1)
            assert monotonic() - since < 2.4, "nothing was in flight any more: nothing was put to the test"
            await until_done(stage)
    assert len(sent(receiver)) == len(set(sent(receiver))) == 50
    assert set((await stage.states()).values()) == {(0, 1)}


async def test_what_did_not_end_in_a_worker_that_ends_is_due_at_once(stage: Stage, receiver: Receiver) -> None:
    receiver.answer = lambda _: Answer(after=60)
    (endpoint_id,) = await endpoints(stage, receiver.url, 1)
    await stage.publish(endpoint_id, 3)
    async with stage.draining(name="first") as drain:
        await receiver.wait_for(3)
        await drain.stop(1.5)  # Longer than the second after which what is in flight is put off.
        due = "SELECT count(*) FROM pending_deliveries WHERE next_attempt_at <= now()"
        assert await stage.database.pool.fetchval(due) == 3


async def test_a_rate_limit_holds_while_its_shard_goes_from_worker_to_worker(stage: Stage, receiver: Receiver) -> None:
    clocked = Clocked(0.01)
    receiver.answer = clocked
    (endpoint_id,) = await endpoints(stage, receiver.url, 1, throttleRate=2)
    await stage.publish(endpoint_id, 20)
    for name in ["first", "second", "first"]:
        async with stage.draining(name=name):
            await asyncio.sleep(
                0.8
            )  # Each could send again before the half of a second is over that the last one began.
    assert len(clocked.times) >= 3, "none of them sent anything"
    spans = [
        (later - earlier, places)
        for places in range(1, len(clocked.times))
        for earlier, later in zip(clocked.times, clocked.times[places:], strict=False)
    ]
    # Less what a send may be early, and what two may differ by in their way to the receiver.
    assert all(span > places / 2 - 0.02 - 0.03 for span, places in spans), clocked.times


async def test_a_worker_that_hangs_is_not_waited_for(stage: Stage, receiver: Receiver) -> None:
    (endpoint_id,) = await endpoints(stage, receiver.url, 1)
    await stage.database.pool.execute("INSERT INTO workers (name, seen_at) SELECT 'hanging', now()")
    await stage.database.pool.execute("UPDATE shards SET owner = 'hanging', leased_until = now() + interval '0.5 s'")
    await stage.publish(endpoint_id)
    before = monotonic()
    async with stage.draining(name="living"):
        await until(lambda: bool(receiver.arrivals), 3)
    assert monotonic() - before > 0.4, "its lease had not run out"
