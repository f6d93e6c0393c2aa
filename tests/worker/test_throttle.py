"""The rate of an application holds over all of its endpoints, in whichever shards and workers they are."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest

from app import ids, tokens
from app.db.endpoint_health.table import EndpointHealth, EndpointHealthTable
from app.db.pending_delivery.queue import Claimed, DeliveryQueue, Source
from app.db.throttle.table import Asking, ThrottlesTable
from app.settings import Settings
from tests import factories
from tests.receiver import Answer, Arrival, Receiver
from tests.servers import Servers
from tests.worker.stage import Stage, staged, until_done


@pytest.fixture(scope="module")
async def theatre(settings: Settings, servers: Servers) -> AsyncIterator[Stage]:
    assert settings.jwt_secret is not None
    name = f"postrider_{ids.new_id('qtask')}"
    token = tokens.issue(settings.jwt_secret.get_secret_value(), settings.jwt_algorithm, ids.new_id("org"))
    async with staged(settings.model_copy(update={"db_dsn": await servers.clone(name)}), token) as opened:
        yield opened
    await servers.drop(name)


@pytest.fixture
async def stage(theatre: Stage) -> Stage:
    """With an application of its own, and nothing that waits."""
    for table in ("pending_deliveries", "endpoint_health", "throttles"):
        await theatre.database.pool.execute(f"DELETE FROM {table}")
    await theatre.database.pool.execute("UPDATE applications SET rate_limit = NULL")
    theatre.application = str((await factories.create_application(theatre.client))["id"])
    return theatre


class Timed:
    """Keeps when requests came, by path."""

    def __init__(self, receiver: Receiver) -> None:
        self.times: list[tuple[float, str]] = []
        receiver.answer = self

    def __call__(self, arrival: Arrival) -> Answer:
        self.times.append((monotonic(), arrival.path))
        return Answer()

    def of(self, prefix: str) -> list[float]:
        return [at for at, path in self.times if path.startswith(prefix)]

    def most_within(self, seconds: float, prefix: str = "/limited") -> int:
        """The most that came in any span of so many seconds."""
        times = self.of(prefix)
        return max((sum(begin <= at < begin + seconds for at in times) for begin in times), default=0)


async def throttle(stage: Stage, rate: int | None) -> None:
    answer = await stage.client.patch(f"/app/{stage.application}", json={"throttleRate": rate})
    assert answer.status_code == 200


async def limited_endpoints(stage: Stage, receiver: Receiver, count: int, messages: int) -> list[str]:
    endpoints = [await stage.endpoint(f"{receiver.url}/limited/{number}") for number in range(count)]
    for endpoint in endpoints:
        await stage.publish(endpoint, messages)
    return endpoints


@pytest.mark.parametrize(
    ("rate", "seconds"),
    [(50, 1.0), *(pytest.param(rate, 10.0, marks=pytest.mark.chaos) for rate in (1, 7, 50, 400))],
)
async def test_an_applications_rate_holds_over_its_endpoints_and_over_workers(
    stage: Stage, receiver: Receiver, rate: int, seconds: float
) -> None:
    timed = Timed(receiver)
    await throttle(stage, rate)
    await limited_endpoints(stage, receiver, 12, round(rate * (seconds + 3) / 12) + 1)
    async with AsyncExitStack() as stack:
        for number in range(3):
            await stack.enter_async_context(stage.draining(name=f"worker {number}"))
        await asyncio.sleep(0.5)
        begun = len(timed.times)
        await asyncio.sleep(seconds)
        count = len(timed.times) - begun
    assert 0.9 * rate * seconds - 1 <= count <= 1.1 * rate * seconds + 1
    assert timed.most_within(1.0) <= 1.3 * rate + 1
    assert timed.most_within(0.1) <= rate


async def test_a_throttled_application_does_not_slow_its_neighbour(stage: Stage, receiver: Receiver) -> None:
    timed = Timed(receiver)
    await throttle(stage, 5)
    await limited_endpoints(stage, receiver, 3, 300)
    stage.application = str((await factories.create_application(stage.client))["id"])
    free = await stage.endpoint(f"{receiver.url}/free")
    await stage.publish(free, 300)
    async with stage.draining():
        started = monotonic()
        async with asyncio.timeout(5):
            while len(timed.of("/free")) < 300:
                await asyncio.sleep(0.01)
        took = monotonic() - started
    assert took < 3
    assert len(timed.of("/limited")) <= 5 * took + 5


# Its bounds are of time: while others compute, they would say something of those.
@pytest.mark.alone
async def test_a_throttled_backlog_is_not_read_in_circles(stage: Stage, receiver: Receiver) -> None:
    rows = 0

    class Counting(DeliveryQueue):
        async def due_of_shards(
            self, shards: Mapping[int, Source], without_endpoints: Sequence[str], *, with_payloads: bool = False
        ) -> list[Claimed]:
            nonlocal rows
            found = await super().due_of_shards(shards, without_endpoints, with_payloads=with_payloads)
            rows += len(found)
            return found

        async def due_of_endpoints(self, endpoints: Mapping[str, Source]) -> list[Claimed]:
            nonlocal rows
            found = await super().due_of_endpoints(endpoints)
            rows += len(found)
            return found

    timed = Timed(receiver)
    await throttle(stage, 20)
    await limited_endpoints(stage, receiver, 30, 100)
    async with stage.draining(queue=Counting(stage.database.pool)):
        await asyncio.sleep(0.3)
        rows, begun = 0, len(timed.times)
        await asyncio.sleep(0.7)
        sent, read = len(timed.times) - begun, rows
    assert 10 <= sent <= 18
    assert read < 10 * sent
    # Of all that waits the oldest goes first.
    assert {path for _, path in timed.times} == {"/limited/0"}


async def test_a_rate_that_is_changed_or_taken_away_counts_from_then_on(stage: Stage, receiver: Receiver) -> None:
    timed = Timed(receiver)
    await throttle(stage, 10)
    await limited_endpoints(stage, receiver, 2, 200)
    async with stage.draining():
        await asyncio.sleep(0.5)
        assert len(timed.times) <= 10
        await throttle(stage, None)
        async with asyncio.timeout(5):
            while await stage.pending():
                await asyncio.sleep(0.02)
    assert len(timed.times) == 400


async def test_a_message_now_and_then_is_not_held_up_by_a_rate(stage: Stage, receiver: Receiver) -> None:
    timed = Timed(receiver)
    await throttle(stage, 20)
    endpoint = await stage.endpoint(f"{receiver.url}/limited")
    async with stage.draining() as drain:
        for count in range(1, 6):
            published = monotonic()
            await stage.publish(endpoint)
            drain.ring(range(64))
            async with asyncio.timeout(5):
                while len(timed.times) < count:
                    await asyncio.sleep(0.002)
            assert timed.times[-1][0] - published < 0.15
            await asyncio.sleep(0.1)


async def test_what_is_canceled_does_not_use_up_the_rate(stage: Stage, receiver: Receiver) -> None:
    timed = Timed(receiver)
    await throttle(stage, 40)
    gone, kept = await limited_endpoints(stage, receiver, 2, 10)
    await stage.publish(gone, 300)
    await stage.client.delete(f"/app/{stage.application}/endpoint/{gone}")
    async with stage.draining(), asyncio.timeout(5):
        while await stage.pending():
            await asyncio.sleep(0.02)
    assert len(timed.times) == 10
    assert kept


async def status(stage: Stage, endpoint: str) -> dict[str, str]:
    answer = await stage.client.get(f"/app/{stage.application}/endpoint/{endpoint}/rate-limit-status")
    assert answer.status_code == 200
    found: dict[str, str] = answer.json()
    return found


@pytest.mark.parametrize("of_application", [True, pytest.param(False, marks=pytest.mark.chaos)])
async def test_an_endpoint_says_whether_a_rate_holds_it_up_and_since_when(
    stage: Stage, receiver: Receiver, of_application: bool
) -> None:
    own = {} if of_application else {"throttleRate": 5}
    limited = await stage.endpoint(f"{receiver.url}/limited", **own)
    if of_application:
        await throttle(stage, 5)
    idle = await stage.endpoint(f"{receiver.url}/idle", throttleRate=100)
    await stage.publish(limited, 8)
    begun = datetime.now(UTC)
    async with stage.draining(sweeping=False) as drain:
        await receiver.wait_for(2)
        await drain.renew()
        # It has not lasted for long.
        assert await status(stage, limited) == {"status": "Ok"}
        await asyncio.sleep(1.05)
        await drain.renew()
        found = await status(stage, limited)
        assert found["status"] == "RateLimited"
        assert begun <= datetime.fromisoformat(found["throttledSince"]) <= begun + timedelta(seconds=1)
        assert await status(stage, idle) == {"status": "Ok"}
        await receiver.wait_for(8)
        await until_done(stage)
        async with asyncio.timeout(2):
            while await stage.database.pool.fetchval("SELECT throttled_since FROM endpoint_health") is not None:
                await drain.renew()
        assert await status(stage, limited) == {"status": "Ok"}


async def test_what_a_dead_worker_said_of_a_rate_counts_while_something_is_due_and_there_is_a_rate(
    stage: Stage,
) -> None:
    limited = await stage.endpoint(factories.URL)
    table = EndpointHealthTable(stage.database.pool)
    await table.store([EndpointHealth(limited, throttled_since=datetime(2026, 1, 1, tzinfo=UTC).timestamp())])
    said = {"status": "RateLimited", "throttledSince": "2026-01-01T00:00:00Z"}
    await throttle(stage, 2)
    assert await status(stage, limited) == {"status": "Ok"}
    await stage.publish(limited)
    assert await status(stage, limited) == said
    await throttle(stage, None)
    assert await status(stage, limited) == {"status": "Ok"}
    await stage.client.patch(f"/app/{stage.application}/endpoint/{limited}", json={"throttleRate": 1})
    assert await status(stage, limited) == said
    await stage.client.patch(f"/app/{stage.application}/endpoint/{limited}", json={"disabled": True})
    assert await status(stage, limited) == {"status": "Ok"}
    missing = await stage.client.get(f"/app/{stage.application}/endpoint/nobody/rate-limit-status")
    assert missing.status_code == 404


# Its bounds are of time: while others compute, they would say something of those.
@pytest.mark.alone
async def test_no_moment_is_given_out_twice_and_a_clock_that_was_set_back_stops_nobody(stage: Stage) -> None:
    await throttle(stage, 100)
    table = ThrottlesTable(stage.database.pool, 0.25, 0.1)
    asking = [Asking(stage.application, 0.01, 7)]
    given = [found[stage.application] for found in await asyncio.gather(*(table.ask(asking) for _ in range(20)))]
    assert sum(each.count for each in given) <= 40
    row = await stage.database.pool.fetchrow("SELECT extract(epoch FROM due - now())::float8 AS ahead FROM throttles")
    assert row["ahead"] <= 0.27
    await stage.database.pool.execute("UPDATE throttles SET due = now() + interval '1 hour'")
    [late] = (await table.ask(asking)).values()
    assert (late.count, late.first) == (7, 0)
    assert await stage.database.pool.fetchval("SELECT due < now() + interval '1 second' FROM throttles")
    assert await table.ask([Asking("app_gone", 0.01, 7)]) == {}


async def test_a_crash_of_the_database_forgets_the_throttles_and_no_more(stage: Stage) -> None:
    await throttle(stage, 100)
    table = ThrottlesTable(stage.database.pool, 0.25, 0.1)
    await table.ask([Asking(stage.application, 0.01, 50)])
    await stage.database.pool.execute("TRUNCATE throttles")
    assert (await table.ask([Asking(stage.application, 0.01, 50)]))[stage.application].count == 26
