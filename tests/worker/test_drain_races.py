"""The drain against the clock: answers of Postgres that come late, break off, or find that a shard has been lost."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

import asyncpg
import pytest

from app.db.pending_delivery.queue import Claimed, DeliveryQueue, Payload, Source
from app.settings import Settings
from tests.receiver import Receiver
from tests.worker.stage import Clocked, Stage, sent, staged, until, until_done
from worker.drain import Drain


@pytest.fixture
async def stage(settings: Settings, empty_dsn: str, token: str) -> AsyncIterator[Stage]:
    async with staged(settings.model_copy(update={"db_dsn": empty_dsn}), token) as opened:
        yield opened


class LateQueue(DeliveryQueue):
    """The real queue, whose answers are under way for as long as the test wants."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        super().__init__(pool)
        self.late_readings = False
        self.late_payloads = False
        self.under_way = asyncio.Event()
        self.arrive = asyncio.Event()

    async def due_of_shards(
        self, shards: Mapping[int, Source], without_endpoints: Sequence[str], *, with_payloads: bool = False
    ) -> list[Claimed]:
        # As if they were large: small ones come along, and are not late by themselves.
        with_payloads = with_payloads and not self.late_payloads
        rows = await super().due_of_shards(shards, without_endpoints, with_payloads=with_payloads)
        if self.late_readings and rows:
            self.under_way.set()
            await self.arrive.wait()
        return rows

    async def payloads(self, message_ids: Sequence[str]) -> dict[str, Payload]:
        found = await super().payloads(message_ids)
        if self.late_payloads:
            self.under_way.set()
            await self.arrive.wait()
        return found


class BreakingQueue(DeliveryQueue):
    """The real queue, on a connection that breaks when it is read for those that are behind, a few times."""

    breaks = 0

    async def due_of_endpoints(self, endpoints: Mapping[str, Source]) -> list[Claimed]:
        if self.breaks < 2:
            self.breaks += 1
            raise ConnectionResetError("the test broke the connection")
        return await super().due_of_endpoints(endpoints)


async def test_a_row_that_ends_while_a_reading_is_under_way_is_not_sent_again(stage: Stage, receiver: Receiver) -> None:
    receiver.answer = Clocked(0.3)
    queue = LateQueue(stage.database.pool)
    await stage.publish(await stage.endpoint(receiver.url))
    async with stage.draining(queue=queue):
        await receiver.wait_for(1)
        queue.late_readings = True
        async with asyncio.timeout(2):
            await queue.under_way.wait()
        await until_done(stage)
        await asyncio.sleep(0.05)  # The record's answer reaches the drain too.
        queue.late_readings = False
        queue.arrive.set()
        await asyncio.sleep(0.3)
    assert len(receiver.arrivals) == 1


async def test_what_was_claimed_is_not_stranded_when_the_reading_breaks_off(stage: Stage, receiver: Receiver) -> None:
    receiver.answer = Clocked(0.01)
    queue = BreakingQueue(stage.database.pool)
    slow, other = await stage.endpoint(receiver.url), await stage.endpoint(receiver.url)
    published = await stage.publish(slow, 100) + await stage.publish(other, 5)
    async with stage.draining(queue=queue):
        await receiver.wait_for(10)
        published += await stage.publish(other, 5)
        await until_done(stage, 10)
    assert queue.breaks == 2
    assert sorted(sent(receiver)) == sorted(published)


async def test_stopping_in_the_middle_of_a_reading_starts_nothing_and_gives_the_shards_back(
    stage: Stage, receiver: Receiver
) -> None:
    queue = LateQueue(stage.database.pool)
    queue.late_payloads = True
    await stage.publish(await stage.endpoint(receiver.url), 5)
    async with stage.draining(queue=queue, sweeping=False) as drain:
        async with asyncio.timeout(2):
            await queue.under_way.wait()
        stopping = asyncio.create_task(drain.stop(5))
        await asyncio.sleep(0.1)
        assert not stopping.done(), "the shards were given back while a reading was under way"
        queue.arrive.set()
        await stopping
    assert receiver.arrivals == []
    assert await stage.pending() == 5
    assert await stage.owners() == set()


async def test_nothing_is_sent_from_a_shard_that_was_lost_while_its_payloads_were_read(
    stage: Stage, receiver: Receiver
) -> None:
    queue = LateQueue(stage.database.pool)
    queue.late_payloads = True
    await stage.publish(await stage.endpoint(receiver.url), 5)
    async with stage.draining(queue=queue, sweeping=False) as drain:
        async with asyncio.timeout(2):
            await queue.under_way.wait()
        await stage.database.pool.execute("UPDATE shards SET owner = 'another', leased_until = 'infinity'")
        await drain.renew()
        queue.arrive.set()
        await asyncio.sleep(0.3)
        assert receiver.arrivals == []
        # The other one goes away, and somebody rings.
        await stage.database.pool.execute("UPDATE shards SET owner = NULL, leased_until = '-infinity'")
        queue.late_payloads = False
        drain.ring(range(64))
        await receiver.wait_for(5)
        await until_done(stage)
    assert len(receiver.arrivals) == 5


async def test_a_shard_is_not_given_back_while_something_of_before_its_loss_is_in_flight(
    stage: Stage, receiver: Receiver
) -> None:
    receiver.answer = Clocked(1.2)
    await stage.publish(await stage.endpoint(receiver.url))
    async with stage.draining(sweeping=False) as drain:
        await receiver.wait_for(1)
        await stage.database.pool.execute("UPDATE shards SET owner = 'another', leased_until = 'infinity'")
        await drain.renew()
        await stage.database.pool.execute("UPDATE shards SET owner = NULL, leased_until = '-infinity'")
        drain.ring(range(64))
        async with asyncio.timeout(1):
            while not await stage.owners():
                await asyncio.sleep(0.005)
        while await stage.pending():
            assert await stage.owners() == {"the drain of the test"}
    assert len(receiver.arrivals) == 1


async def test_a_rows_second_sender_records_nothing(stage: Stage, receiver: Receiver) -> None:
    receiver.answer = Clocked(0.5)
    (message,) = await stage.publish(await stage.endpoint(receiver.url))
    async with stage.draining(sweeping=False):
        await receiver.wait_for(1)
        # Another worker, which took the shard over, was quicker.
        await stage.database.pool.execute("UPDATE pending_deliveries SET tries = 1, next_attempt_at = 'infinity'")
        await asyncio.sleep(0.8)
    assert await stage.states() == {}
    assert await stage.database.pool.fetchval("SELECT count(*) FROM attempts") == 0
    assert (
        await stage.database.pool.fetchval("SELECT tries FROM pending_deliveries WHERE message_id = $1", message) == 1
    )


async def test_the_window_of_a_drain_that_was_full_is_used_again(stage: Stage, receiver: Receiver) -> None:
    receiver.answer = Clocked(0.05)
    for number in range(4):
        await stage.publish(await stage.endpoint(f"{receiver.url}/{number}"), 5)
    async with stage.draining(most=1):
        await until_done(stage)
        await until(lambda: len(receiver.arrivals) == 20)


@pytest.mark.parametrize("table", ["event_types", "organizations", "applications", "endpoints"])
async def test_a_lock_on_what_few_use_does_not_cost_the_leases(stage: Stage, table: str) -> None:
    async with stage.draining(sweeping=False) as drain, stage.database.pool.acquire() as connection:
        async with asyncio.timeout(5):
            while not await stage.owners():
                await asyncio.sleep(0.01)
        await stage.database.pool.execute("UPDATE shards SET leased_until = now() + interval '1 second'")
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            async with asyncio.timeout(1):
                await drain.renew()
        left = "SELECT bool_and(leased_until > now() + interval '2 seconds') FROM shards WHERE owner IS NOT NULL"
        assert await stage.database.pool.fetchval(left)


class LostWhileRead(DeliveryQueue):
    """A shard goes to another process while its endpoints are read that are behind."""

    drain: Drain | None = None
    lost = False

    async def due_of_endpoints(self, endpoints: Mapping[str, Source]) -> list[Claimed]:
        rows = await super().due_of_endpoints(endpoints)
        if self.drain is not None and not self.lost and any(row.waits for row in rows):
            self.lost = True
            shards = {row.shard for row in rows}
            self.drain._holdings.stop_reading(shards)
            await self.drain._let_go(shards)
        return rows


async def test_an_ordered_endpoint_whose_shard_is_lost_while_it_is_read_does_not_end_the_worker(
    stage: Stage, receiver: Receiver
) -> None:
    receiver.answer = Clocked(0.02)
    endpoint = await stage.endpoint(receiver.url, orderedBy="endpoint")
    made = await stage.publish(endpoint, 200)
    await stage.database.pool.execute(
        "UPDATE pending_deliveries p SET position = i.n, line = (i.n - 1) / 2"
        " FROM unnest($1::text[]) WITH ORDINALITY AS i(id, n) WHERE p.message_id = i.id",
        made,
    )
    queue = LostWhileRead(stage.database.pool)
    async with stage.draining(queue=queue) as drain:
        queue.drain = drain
        await until(lambda: queue.lost)
        seen = len(receiver.arrivals)
        drain.ring(range(64))
        await receiver.wait_for(seen + 20)
    assert queue.lost
