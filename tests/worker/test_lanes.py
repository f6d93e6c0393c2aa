"""What one endpoint is sent, counted by its receiver: rate, concurrency, breaker, Retry-After."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from time import monotonic
from typing import Final

import pytest

from app.db.pending_delivery.queue import Claimed, DeliveryQueue, Source
from app.delivery.breaker import BreakerPolicy
from app.settings import Settings
from tests.receiver import Answer, Arrival, Receiver
from tests.worker.stage import Stage, staged

QUICK: Final = BreakerPolicy(failures=3, failing_for=0.1, probe_every=0.4)


@pytest.fixture
async def stage(settings: Settings, empty_dsn: str, token: str) -> AsyncIterator[Stage]:
    """Where a failed delivery is due again at once, for a long time."""
    own = settings.model_copy(update={"db_dsn": empty_dsn, "retry_schedule": (0,) * 99})
    async with staged(own, token) as opened:
        yield opened


async def drained(stage: Stage, seconds: float = 15.0) -> None:
    """Returns once nothing is pending. TimeoutError if something always is."""
    async with asyncio.timeout(seconds):
        while await stage.pending():
            await asyncio.sleep(0.02)


async def test_over_any_second_no_more_arrives_than_the_rate_allows(stage: Stage, receiver: Receiver) -> None:
    times: list[float] = []

    def answer(_arrival: Arrival) -> Answer:
        times.append(monotonic())
        # Retries count too.
        return Answer(500 if len(times) == 3 else 204)

    receiver.answer = answer
    endpoint = await stage.endpoint(receiver.url, throttleRate=20)
    await stage.publish(endpoint, 50)
    async with stage.draining():
        await receiver.wait_for(50)
        await drained(stage)
    assert len(times) == 51
    for begin, end in zip(times, times[21:], strict=False):
        assert end - begin > 0.95, "22 requests within a second, of an endpoint that wants 20"
    assert times[-1] - times[0] < 4.5, "much slower than the rate allows"


async def test_a_limited_endpoint_does_not_slow_its_neighbour(stage: Stage, receiver: Receiver) -> None:
    limited = await stage.endpoint(receiver.url + "/limited", throttleRate=2)
    free = await stage.endpoint(receiver.url + "/free")
    await stage.publish(limited, 30)
    await stage.publish(free, 30)
    async with stage.draining():
        started = monotonic()
        while sum(arrival.path == "/free" for arrival in receiver.arrivals) < 30:
            await asyncio.sleep(0.01)
        assert monotonic() - started < 2.5
        assert sum(arrival.path == "/limited" for arrival in receiver.arrivals) <= 6


async def test_a_slow_receiver_is_sent_more_at_once_as_long_as_it_bears_it(stage: Stage, receiver: Receiver) -> None:
    receiver.answer = lambda _arrival: Answer(after=0.2)
    endpoint = await stage.endpoint(receiver.url)
    await stage.publish(endpoint, 600)
    async with stage.draining(most=500, ceiling=400):
        started = monotonic()
        await receiver.wait_for(600)
    # With the 16 that it begins with it would take 7.5 seconds.
    assert monotonic() - started < 4.5


async def test_a_receiver_that_asks_for_a_pause_gets_it_for_all_that_is_sent_to_it(
    stage: Stage, receiver: Receiver
) -> None:
    times: list[float] = []

    def answer(_arrival: Arrival) -> Answer:
        times.append(monotonic())
        return Answer(503, {"retry-after": "2"}) if len(times) == 1 else Answer()

    receiver.answer = answer
    endpoint = await stage.endpoint(receiver.url)
    await stage.publish(endpoint)
    async with stage.draining() as drain:
        await receiver.wait_for(1)
        await asyncio.sleep(0.1)
        await stage.publish(endpoint, 5)
        drain.ring(range(64))
        await receiver.wait_for(6)
    assert all(time - times[0] > 1.9 for time in times[1:])


async def test_an_endpoint_that_fails_steadily_costs_a_probe_now_and_then_and_resumes_by_itself(
    stage: Stage, receiver: Receiver
) -> None:
    broken = True
    receiver.answer = lambda _arrival: Answer(500 if broken else 204)
    endpoint = await stage.endpoint(receiver.url)
    await stage.publish(endpoint, 3)
    async with stage.draining(policy=QUICK) as drain:
        while not await stage.database.pool.fetchval("SELECT opened_at IS NOT NULL FROM endpoint_health"):
            await asyncio.sleep(0.02)
        seen = len(receiver.arrivals)
        await stage.publish(endpoint, 200)
        drain.ring(range(64))
        await asyncio.sleep(2.0)
        probes = len(receiver.arrivals) - seen
        assert 2 <= probes <= 7, f"{probes} requests in 2 s while the breaker is open"
        broken = False
        await drained(stage)
        await drain.renew()
    health = await stage.database.pool.fetchrow("SELECT opened_at, consecutive_failures FROM endpoint_health")
    assert tuple(health) == (None, 0)


async def test_a_restart_does_not_forget_that_the_breaker_is_open(stage: Stage, receiver: Receiver) -> None:
    receiver.answer = lambda _arrival: Answer(500)
    endpoint = await stage.endpoint(receiver.url)
    await stage.publish(endpoint, 5)
    async with stage.draining(policy=QUICK):
        await receiver.wait_for(3)
        await asyncio.sleep(0.3)
        await receiver.wait_for(5)
    assert await stage.database.pool.fetchval("SELECT opened_at IS NOT NULL FROM endpoint_health")
    await stage.publish(endpoint, 100)
    seen = len(receiver.arrivals)
    async with stage.draining(policy=BreakerPolicy(failures=3, failing_for=0.1, probe_every=1.0)):
        await asyncio.sleep(1.5)
    assert len(receiver.arrivals) - seen <= 4


async def test_an_endpoint_that_has_failed_for_too_long_is_disabled_and_its_deliveries_end(
    stage: Stage, receiver: Receiver
) -> None:
    receiver.answer = lambda _arrival: Answer(500)
    endpoint = await stage.endpoint(receiver.url)
    await stage.publish(endpoint, 20)
    policy = BreakerPolicy(failures=100, failing_for=100, disable_after=0.2)
    async with stage.draining(policy=policy):
        async with asyncio.timeout(10):
            while not await stage.database.pool.fetchval("SELECT disabled FROM endpoints WHERE id = $1", endpoint):
                await asyncio.sleep(0.05)
                await stage.database.pool.execute("UPDATE pending_deliveries SET next_attempt_at = now()")
        await stage.database.pool.execute("UPDATE pending_deliveries SET next_attempt_at = now()")
        await drained(stage)
    assert {state for state, _ in (await stage.states()).values()} <= {2, 4}


# Its bounds are of time: while others compute, they would say something of those.
@pytest.mark.alone
async def test_changing_an_endpoint_closes_its_breaker(stage: Stage, receiver: Receiver) -> None:
    broken = True
    receiver.answer = lambda _arrival: Answer(500 if broken else 204)
    endpoint = await stage.endpoint(receiver.url)
    await stage.publish(endpoint, 5)
    async with stage.draining(policy=BreakerPolicy(failures=3, failing_for=0.0, probe_every=60)) as drain:
        await receiver.wait_for(3)
        # Everything waits for a probe that is due in a minute: no row of the endpoint is read any more.
        await stage.publish(endpoint, 5)
        await stage.database.pool.execute("UPDATE pending_deliveries SET next_attempt_at = now()")
        while not await stage.database.pool.fetchval("SELECT opened_at IS NOT NULL FROM endpoint_health"):
            await asyncio.sleep(0.02)
        drain.ring(range(64))
        await asyncio.sleep(0.3)
        broken = False
        path = f"/app/{stage.application}/endpoint/{endpoint}"
        assert (await stage.client.patch(path, json={"description": "mended"})).status_code == 200
        await stage.database.pool.execute("UPDATE pending_deliveries SET next_attempt_at = now()")
        await drained(stage, seconds=5)


async def test_a_resend_does_not_wait_for_a_probe_of_the_breaker(stage: Stage, receiver: Receiver) -> None:
    receiver.answer = lambda _arrival: Answer(500)
    endpoint = await stage.endpoint(receiver.url)
    await stage.publish(endpoint, 5)
    # The breaker is open, the next probe is due in an hour, and there are more than the lane would take.
    policy = BreakerPolicy(failures=3, failing_for=0.0, probe_every=3600)
    async with stage.draining(policy=policy) as drain:
        while not await stage.database.pool.fetchval("SELECT opened_at IS NOT NULL FROM endpoint_health"):
            await asyncio.sleep(0.02)
        wanted, *others = await stage.publish(endpoint, 100)
        drain.ring(range(64))
        await asyncio.sleep(0.3)
        seen = len(receiver.arrivals)
        path = f"/app/{stage.application}/msg/{wanted}/endpoint/{endpoint}/resend"
        assert (await stage.client.post(path)).status_code == 202
        drain.ring(range(64))
        await receiver.wait_for(seen + 1, seconds=2)
        await asyncio.sleep(0.2)
    assert [arrival.headers["webhook-id"] for arrival in receiver.arrivals[seen:]].count(wanted) >= 1
    assert not {arrival.headers["webhook-id"] for arrival in receiver.arrivals} & set(others)


class CountingQueue(DeliveryQueue):
    """The real queue, which counts how often it is read."""

    readings = 0

    async def due_of_shards(
        self, shards: Mapping[int, Source], without_endpoints: Sequence[str], *, with_payloads: bool = False
    ) -> list[Claimed]:
        self.readings += 1
        return await super().due_of_shards(shards, without_endpoints, with_payloads=with_payloads)


async def test_an_endpoint_that_wants_nothing_for_a_while_is_not_asked_after_all_the_time(
    stage: Stage, receiver: Receiver
) -> None:
    receiver.answer = lambda _arrival: Answer(503, {"retry-after": "60"})
    queue = CountingQueue(stage.database.pool)
    endpoint = await stage.endpoint(receiver.url)
    await stage.publish(endpoint, 50)
    async with stage.draining(queue=queue):
        await receiver.wait_for(1)
        await asyncio.sleep(1.2)
        before = queue.readings
        await asyncio.sleep(0.8)
        assert queue.readings - before <= 8


async def test_a_slow_endpoint_gets_the_rate_that_it_allows_and_no_more(stage: Stage, receiver: Receiver) -> None:
    times: list[float] = []

    def answer(_arrival: Arrival) -> Answer:
        times.append(monotonic())
        return Answer(after=0.3)

    receiver.answer = answer
    endpoint = await stage.endpoint(receiver.url, throttleRate=40)
    await stage.publish(endpoint, 70)
    async with stage.draining(most=80, ceiling=60):
        await receiver.wait_for(70)
    for begin, end in zip(times, times[41:], strict=False):
        assert end - begin > 0.95, "42 requests within a second, of an endpoint that wants 40"
    # Twelve at once are enough for that; with no more than eight it would take 2.6 seconds.
    assert times[-1] - times[0] < 2.4
