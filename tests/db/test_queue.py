"""The queue as the worker sees it: what is due, in which order, and which outcomes count."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from app import clock, ids
from app.db.pending_delivery.queue import Attempted, Claimed, DeliveryQueue, Recording, Source
from app.db.session import Database
from app.db.shard.model import shard_of
from tests import factories

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
DELIVERED, DUE, FAILED, CANCELED = 0, 1, 2, 4


@dataclass(frozen=True)
class Line:
    """The queue of one endpoint, which nobody else reads."""

    queue: DeliveryQueue
    pool: asyncpg.Pool
    application: str
    endpoint: str

    @property
    def shard(self) -> int:
        return shard_of(self.endpoint)

    async def wait(self, seconds: float = 0, tries: int = 0) -> str:
        """A message that is to be tried so many seconds from now."""
        message = await factories.record_message(self.pool, self.application)
        at = clock.now() + timedelta(seconds=seconds)
        await factories.queue_delivery(self.pool, self.application, message, self.endpoint, at, tries)
        return message

    async def due(self, since: datetime = BEGINNING, room: int = 1000, without: tuple[str, ...] = ()) -> list[Claimed]:
        """Of this endpoint, read by shard."""
        rows = await self.queue.due_of_shards({self.shard: Source(since, room)}, without)
        return [row for row in rows if row.endpoint_id == self.endpoint]

    async def due_of_endpoint(self, since: datetime = BEGINNING, room: int = 1000) -> list[Claimed]:
        return await self.queue.due_of_endpoints({self.endpoint: Source(since, room)})

    async def claim(self, tries: int = 0) -> Claimed:
        message = await self.wait(-1, tries)
        (claimed,) = [row for row in await self.due() if row.message_id == message]
        return claimed

    async def rows(self, table: str, claimed: Claimed) -> list[dict[str, Any]]:
        query = f"SELECT * FROM {table} WHERE message_id = $1 AND endpoint_id = $2"
        return [dict(row) for row in await self.pool.fetch(query, *claimed.key)]


@pytest.fixture
async def line(client: httpx.AsyncClient, database: Database, application: str) -> Line:
    # Other tests of this process leave rows, and one in 64 of them is in the same shard.
    await database.pool.execute("DELETE FROM pending_deliveries")
    endpoint = (await factories.create_endpoint(client, application))["id"]
    return Line(DeliveryQueue(database.pool), database.pool, application, endpoint)


def attempted(status: int = 0, code: int = 200) -> Attempted:
    return Attempted(ids.new_id("atmpt"), "http://127.0.0.1/", status, code, b"\x00\xff", 12, b"\x11\x01\x00\x00\x00")


def messages(rows: list[Claimed]) -> list[str]:
    return [row.message_id for row in rows]


async def test_what_is_due_is_read_oldest_first_and_what_is_not_is_not(line: Line) -> None:
    made = {seconds: await line.wait(seconds) for seconds in (-1, 60, -30, -2, 0.5)}
    expected = [made[seconds] for seconds in (-30, -2, -1)]
    assert messages(await line.due()) == expected
    assert messages(await line.due_of_endpoint()) == expected


async def test_a_row_is_read_with_what_sending_it_needs(client: httpx.AsyncClient, line: Line) -> None:
    message = await line.wait(-1, tries=3)
    await client.patch(f"/app/{line.application}/endpoint/{line.endpoint}", json={"description": "changed"})
    (row,) = await line.due()
    assert (row.message_id, row.endpoint_id, row.application_id) == (message, line.endpoint, line.application)
    assert (row.shard, row.tries, row.trigger, row.revision, row.canceled) == (line.shard, 3, 0, 2, False)
    assert timedelta(0) < clock.now() - row.next_attempt_at < timedelta(seconds=10)
    assert await line.due_of_endpoint() == [row]


async def test_reading_goes_on_from_a_time_and_that_time_itself_is_read_again(line: Line) -> None:
    for seconds in (-3, -2, -1):
        await line.wait(seconds)
    _, second, third = await line.due()
    assert await line.due(since=second.next_attempt_at) == [second, third]
    assert await line.due_of_endpoint(since=third.next_attempt_at) == [third]


async def test_no_more_is_read_than_there_is_room_for(line: Line) -> None:
    made = [await line.wait(-100_000 - number) for number in range(5)]
    assert messages(await line.due(room=2)) == made[:2:-1]
    assert messages(await line.due_of_endpoint(room=3)) == made[:1:-1]
    assert await line.due(room=0) == []


async def test_endpoints_that_are_left_out_take_no_room(line: Line) -> None:
    message = await line.wait(-1)
    assert await line.due(without=(line.endpoint,)) == []
    # As somebody who was behind does; its rows, however old, are not what the room is for.
    other = ids.new_id("ep")
    assert messages(await line.due(without=(other,))) == [message]


async def test_many_shards_are_read_at_once_each_with_its_own_source(client: httpx.AsyncClient, line: Line) -> None:
    lines = [line]
    while len({one.shard for one in lines}) < 3:
        made = (await factories.create_endpoint(client, line.application))["id"]
        if shard_of(made) not in {one.shard for one in lines}:
            lines.append(replace(line, endpoint=made))
    waiting = [[await one.wait(-100_000), await one.wait(-99_000)] for one in lines]
    sources = {one.shard: Source(BEGINNING, room) for one, room in zip(lines, (0, 1, 2), strict=True)}
    read = messages(await line.queue.due_of_shards(sources, []))
    assert sorted(read) == sorted([waiting[1][0], *waiting[2]])
    assert await line.queue.due_of_shards({}, []) == []
    assert await line.queue.due_of_endpoints({}) == []


@pytest.mark.parametrize(("change", "canceled"), [({"disabled": True}, True), (None, True), ({"version": 2}, False)])
async def test_what_waits_for_an_endpoint_that_is_disabled_or_deleted_is_read_as_canceled(
    client: httpx.AsyncClient, line: Line, change: dict[str, Any] | None, canceled: bool
) -> None:
    path = f"/app/{line.application}/endpoint/{line.endpoint}"
    # Queued after the change, as by a publish that was under way.
    assert (await (client.delete(path) if change is None else client.patch(path, json=change))).is_success
    await line.wait(-1)
    (row,) = await line.due()
    assert row.canceled is canceled


async def test_a_resend_that_was_asked_for_before_the_endpoint_was_disabled_is_not_canceled(
    client: httpx.AsyncClient, line: Line
) -> None:
    message = await factories.record_message(line.pool, line.application)
    resent = await client.post(f"/app/{line.application}/msg/{message}/endpoint/{line.endpoint}/resend")
    assert resent.status_code == 202
    await client.patch(f"/app/{line.application}/endpoint/{line.endpoint}", json={"disabled": True})
    (row,) = await line.due()
    assert (row.trigger, row.tries, row.canceled) == (1, -1, False)


async def test_payloads_are_read_byte_for_byte_and_missing_ones_are_none(line: Line) -> None:
    exact = b'{"a": 1.10, "a":1e400 }'
    kept = await factories.record_message(line.pool, line.application, payload=exact)
    expunged = await factories.record_message(line.pool, line.application, payload=None)
    read = await line.queue.payloads([kept, expunged, ids.new_id("msg")])
    assert read == {kept: exact, expunged: None}


@pytest.mark.parametrize("state", [DELIVERED, FAILED])
async def test_an_outcome_that_ends_a_delivery_takes_it_out_of_the_queue_into_history(line: Line, state: int) -> None:
    claimed = await line.claim()
    attempt = attempted(state, 204)
    assert await line.queue.record([Recording(claimed, state, None, attempt)]) == {claimed.key}
    assert await line.rows("pending_deliveries", claimed) == []
    (delivery,) = await line.rows("deliveries", claimed)
    assert (delivery["state"], delivery["attempts"], delivery["application_id"]) == (state, 1, line.application)
    (tried,) = await line.rows("attempts", claimed)
    assert timedelta(0) <= clock.now() - tried.pop("created_at") < timedelta(seconds=10)
    assert tried == {
        "id": attempt.id,
        "message_id": claimed.message_id,
        "endpoint_id": line.endpoint,
        "application_id": line.application,
        "url": "http://127.0.0.1/",
        "status": state,
        "trigger": 0,
        "response_status_code": 204,
        "response": b"\x00\xff",
        "response_duration_ms": 12,
        "exchange": attempt.exchange,
    }


async def test_a_retry_waits_for_its_time_with_one_more_try_counted(line: Line) -> None:
    claimed = await line.claim(tries=2)
    await line.queue.record([Recording(claimed, DUE, 90.5, attempted(2, 500))])
    (pending,) = await line.rows("pending_deliveries", claimed)
    assert (pending["tries"], pending["trigger"], pending["shard"]) == (3, 0, line.shard)
    wait = pending["next_attempt_at"] - clock.now()
    assert timedelta(seconds=80) < wait <= timedelta(seconds=90.5)
    (delivery,) = await line.rows("deliveries", claimed)
    assert (delivery["state"], delivery["attempts"]) == (DUE, 1)
    assert await line.due() == []


async def test_attempts_add_up_over_the_retries(line: Line) -> None:
    claimed = await line.claim()
    for tries, (state, delay) in enumerate([(DUE, 0.0), (DUE, 0.0), (DELIVERED, None)]):
        now = replace(claimed, tries=tries)
        assert await line.queue.record([Recording(now, state, delay, attempted(2 if state else 0))]) == {now.key}
    (delivery,) = await line.rows("deliveries", claimed)
    assert (delivery["state"], delivery["attempts"]) == (DELIVERED, 3)
    assert len(await line.rows("attempts", claimed)) == 3


async def test_a_canceled_delivery_ends_without_an_attempt(line: Line) -> None:
    claimed = await line.claim()
    assert await line.queue.record([Recording(claimed, CANCELED, None, None)]) == {claimed.key}
    assert await line.rows("pending_deliveries", claimed) == []
    assert await line.rows("attempts", claimed) == []
    (delivery,) = await line.rows("deliveries", claimed)
    assert (delivery["state"], delivery["attempts"]) == (CANCELED, 0)


@pytest.mark.parametrize("late", [Recording(None, DELIVERED, None, None), Recording(None, DUE, 5.0, None)])  # type: ignore[arg-type]
async def test_a_late_record_of_a_worker_that_lost_its_lease_is_refused_whole(line: Line, late: Recording) -> None:
    zombie = await line.claim()
    await line.queue.record([Recording(zombie, DUE, 0.0, attempted(2, 500))])
    before = [await line.rows(table, zombie) for table in ("pending_deliveries", "deliveries", "attempts")]
    kept = await line.queue.record([replace(late, claimed=zombie, attempt=attempted())])
    assert kept == set()
    assert [await line.rows(table, zombie) for table in ("pending_deliveries", "deliveries", "attempts")] == before


async def test_what_was_ended_is_not_ended_again(line: Line) -> None:
    claimed = await line.claim()
    ended = [Recording(claimed, DELIVERED, None, attempted())]
    assert await line.queue.record(ended) == {claimed.key}
    assert await line.queue.record([replace(ended[0], attempt=attempted(2, 500), state=FAILED)]) == set()
    (delivery,) = await line.rows("deliveries", claimed)
    assert (delivery["state"], delivery["attempts"]) == (DELIVERED, 1)


async def test_of_many_records_those_that_are_late_do_not_fail_the_others(line: Line) -> None:
    claims = [await line.claim() for _ in range(6)]
    await line.queue.record([Recording(claims[0], DELIVERED, None, attempted())])
    stale = replace(claims[1], tries=7)
    outcomes: list[tuple[Claimed, int, float | None]] = [
        (claims[0], FAILED, None),
        (stale, DELIVERED, None),
        (claims[2], DELIVERED, None),
        (claims[3], DUE, 5.0),
        (claims[4], CANCELED, None),
        (claims[5], FAILED, None),
    ]
    recordings = [
        Recording(claimed, state, delay, None if state == CANCELED else attempted())
        for claimed, state, delay in outcomes
    ]
    assert await line.queue.record(recordings) == {claimed.key for claimed in claims[2:]}
    assert await line.rows("pending_deliveries", claims[1]) != []
    states = [row["state"] for claimed in claims for row in await line.rows("deliveries", claimed)]
    assert states == [DELIVERED, DELIVERED, DUE, CANCELED, FAILED]
    assert await line.queue.record([]) == set()
