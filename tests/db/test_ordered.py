"""Positions and lines: what the statement that publishes makes of ordered endpoints, and what parking protects."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest

from app.api.message.models import MessageIn
from app.db.message.new import NewMessage
from app.db.message.publish import Publishing
from app.db.pending_delivery.lines import Line
from app.db.pending_delivery.queue import Claimed, DeliveryQueue, Recording, Source
from app.db.session import Database
from app.db.shard.model import shard_of
from app.settings import Settings
from tests import factories
from tests.db.desk import Desk
from worker.holdings import BEGINNING

DELIVERED, DUE, CANCELED = 0, 1, 4


@pytest.fixture
async def endpoint(client: httpx.AsyncClient, database: Database, desk: Desk) -> str:
    """Ordered, and one line."""
    await database.pool.execute("DELETE FROM pending_deliveries")
    return str((await factories.create_endpoint(client, desk.application, orderedBy="endpoint"))["id"])


async def rows(desk: Desk, endpoint: str, columns: str = "message_id") -> list[Any]:
    """In the order of their positions."""
    found = await desk.pool.fetch(
        f"SELECT {columns} FROM pending_deliveries WHERE endpoint_id = $1 ORDER BY position", endpoint
    )
    return [tuple(row) if "," in columns else row[0] for row in found]


async def due(desk: Desk, endpoint: str) -> list[Claimed]:
    read = await DeliveryQueue(desk.pool).due_of_shards({shard_of(endpoint): Source(BEGINNING, 1000)}, [])
    return [row for row in read if row.endpoint_id == endpoint]


def line_of(row: Claimed) -> Line:
    assert row.line is not None
    return row.line


async def test_messages_of_a_batch_have_positions_in_the_order_in_which_they_arrived(desk: Desk, endpoint: str) -> None:
    batch = [desk.new() for _ in range(300)]
    await desk.publish(*batch)
    assert await rows(desk, endpoint) == [message.id for message in batch]


async def test_what_is_published_after_an_acknowledgement_has_a_higher_position_whichever_process_stored_it(
    database: Database, desk: Desk, endpoint: str
) -> None:
    async def publish(publishing: Publishing, messages: list[NewMessage]) -> None:
        for message in messages:
            await publishing.publish([message])

    chains = [[desk.new() for _ in range(40)] for _ in range(4)]
    # Each chain is published on connections of its own, as other processes do it, and one of the chains on all of them.
    pools = [await asyncpg.create_pool(database._dsn, min_size=1, max_size=1) for _ in range(3)]
    try:
        publishings = [Publishing(pool) for pool in pools]

        async def publish_everywhere(messages: list[NewMessage]) -> None:
            for number, message in enumerate(messages):
                await publishings[number % 3].publish([message])

        last, *others = chains
        await asyncio.gather(
            publish_everywhere(last), *(publish(one, chain) for one, chain in zip(publishings, others, strict=True))
        )
    finally:
        for pool in pools:
            await pool.close()
    in_order = await rows(desk, endpoint)
    for chain in chains:
        ids = {message.id for message in chain}
        assert [one for one in in_order if one in ids] == [message.id for message in chain]


async def test_deliveries_to_other_endpoints_have_no_position_and_use_no_number(
    client: httpx.AsyncClient, desk: Desk
) -> None:
    plain = str((await factories.create_endpoint(client, desk.application))["id"])
    before = await desk.pool.fetchval("SELECT last_value FROM positions")
    await desk.publish(desk.new())
    assert await rows(desk, plain, "position, line") == [(None, None)]
    assert await desk.pool.fetchval("SELECT last_value FROM positions") == before


DEEP = b'{"a":' * 900 + b"1" + b"}" * 900
# Two payloads, the pointer, and whether they are in one line.
LINES: list[tuple[bytes, bytes, str, bool]] = [
    (b'{"k": "x"}', b'{"z": 1, "k":"x"}', "/k", True),
    (b'{"k": "x"}', b'{"k": "y"}', "/k", False),
    (b'{"k": "x"}', b"{}", "/k", False),
    (b'{"a": {"b": ["p", "q"]}}', b'{"a": {"b": [1, "q"]}}', "/a/b/1", True),
    (b'{"a": {"b": ["p", "q"]}}', b'{"a": {"b": [1, "q"]}}', "/a/b/0", False),
    (b'{"a/b": 1, "c~d": 5}', b'{"a/b": 2, "c~d": 5}', "/a~1b", False),
    (b'{"a/b": 1, "c~d": 5}', b'{"a/b": 2, "c~d": 5}', "/c~0d", True),
    (b'{"~1": "x"}', b'{"~1": "y"}', "/~01", False),
    (b'{"": "x"}', b'{"": "y"}', "/", False),
    (b'{"": {"": "x"}}', b'{"": {"": "y"}}', "//", False),
    # How a text is written does not matter, how a number is does.
    (b'{"k": "\\u0061"}', b'{"k": "a"}', "/k", True),
    (b'{"k": 1e400}', b'{"k": 1e401}', "/k", False),
    (b'{"k": 12345678901234567890123}', b'{"k": 12345678901234567890124}', "/k", False),
    (b'{"k": true}', b'{"k": false}', "/k", False),
    # Of two with the same name the last one counts.
    (b'{"k": "x", "k": "y"}', b'{"k": "y"}', "/k", True),
    # What is no text, number or boolean is no key.
    (b'{"k": null}', b"{}", "/k", True),
    (b'{"k": {"x": 1}}', b"{}", "/k", True),
    (b'{"k": ["x"]}', b"{}", "/k", True),
    (b'{"k": "x"}', b"{}", "/k/x", True),
    (b'{"k": ["x"]}', b"{}", "/k/-1", True),
    (b'{"k": ["x"]}', b"{}", "/k/00", True),
    (b'{"k": ["x"]}', b"{}", "/k/99999999999999999999", True),
    # What Postgres cannot hold in a text, elsewhere and in the key itself.
    (b'{"t": "\\u0000", "k": "x"}', b'{"k": "x"}', "/k", True),
    (b'{"t": "\\u0000 \\\\u0000", "k": "x"}', b'{"k": "y"}', "/k", False),
    (b'{"t": "\\u0000", "k": "\\ud83d\\ude00"}', '{"k": "😀"}'.encode(), "/k", True),
    (b'{"k": "a\\u0000"}', b'{"k": "b\\u0000"}', "/k", False),
    (b'{"k": "x", "deep": ' + DEEP + b"}", b'{"k": "x"}', "/k", True),
    (DEEP, b"{}", "/a/a/a", True),
]


@pytest.mark.parametrize(("one", "other", "pointer", "same"), LINES)
async def test_payloads_with_the_same_key_are_in_one_line(
    client: httpx.AsyncClient, desk: Desk, one: bytes, other: bytes, pointer: str, same: bool
) -> None:
    made = str((await factories.create_endpoint(client, desk.application, orderedBy=pointer))["id"])
    for payload in (one, other):
        # As the API takes it.
        body = MessageIn.parse(b'{"eventType": "invoice.paid", "payload": ' + payload + b"}")
        assert await desk.publish(desk.new(payload=body.payload)) == ["Stored"]
    first, second = await rows(desk, made, "line")
    assert (first == second) is same
    assert (second == 0) is (other == b"{}")


@pytest.mark.parametrize("payload", [b"", b"\xff\xfe", b"{", b'{"k": "\\x"}', b"[" * 200_000, b'{"k": "\\ud800"}'])
async def test_a_payload_that_is_no_json_to_postgres_is_in_the_line_without_a_key(desk: Desk, payload: bytes) -> None:
    assert await desk.pool.fetchval("SELECT line_of($1, '/a/b')", payload) == 0


@pytest.mark.parametrize("value", ["key", "", "/a~2", "/a~", "a/b", "/" + "x" * 256, "/a" * 17, 1])
async def test_what_is_no_pointer_is_refused(client: httpx.AsyncClient, desk: Desk, value: object) -> None:
    fields = {"url": factories.URL, "orderedBy": value}
    answer = await client.post(f"/app/{desk.application}/endpoint", json=fields)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "orderedBy"]


async def test_only_the_first_of_a_line_is_not_read_as_waiting(desk: Desk, endpoint: str) -> None:
    batch = [desk.new() for _ in range(3)]
    await desk.publish(*batch)
    read = {row.message_id: row for row in await due(desk, endpoint)}
    assert [read[message.id].waits for message in batch] == [False, True, True]
    assert {row.line for row in read.values()} == {(shard_of(endpoint), endpoint, 0)}


async def test_what_is_parked_is_called_when_the_one_in_front_of_it_has_ended(desk: Desk, endpoint: str) -> None:
    queue = DeliveryQueue(desk.pool)
    await desk.publish(*(desk.new() for _ in range(3)))
    first, second, third = sorted(await due(desk, endpoint), key=lambda row: row.waits)
    await queue.park([second, third])
    assert await rows(desk, endpoint, "isfinite(next_attempt_at)") == [True, False, False]
    # A retry calls nobody.
    await queue.record([Recording(first, DUE, 3600, None)])
    assert await due(desk, endpoint) == await queue.first_of_lines([line_of(first)]) == []
    await desk.pool.execute("UPDATE pending_deliveries SET tries = 0 WHERE message_id = $1", first.message_id)
    await queue.record([Recording(first, DELIVERED, None, None)])
    (called,) = await due(desk, endpoint)
    assert called.message_id in {second.message_id, third.message_id}
    assert not called.waits
    assert await queue.first_of_lines([line_of(called)]) == [called]


async def test_nothing_is_parked_whose_turn_it_is_by_now(desk: Desk, endpoint: str) -> None:
    queue = DeliveryQueue(desk.pool)
    await desk.publish(*(desk.new() for _ in range(3)))
    first, *others = sorted(await due(desk, endpoint), key=lambda row: row.waits)
    await queue.record([Recording(first, DELIVERED, None, None)])
    await queue.park(others)
    assert await rows(desk, endpoint, "isfinite(next_attempt_at)") == [True, False]


async def test_nothing_is_parked_behind_one_that_is_being_taken_out(desk: Desk, endpoint: str) -> None:
    queue = DeliveryQueue(desk.pool)
    await desk.publish(*(desk.new() for _ in range(2)))
    first, second = sorted(await due(desk, endpoint), key=lambda row: row.waits)
    async with desk.pool.acquire() as other, other.transaction():
        await other.execute("DELETE FROM pending_deliveries WHERE message_id = $1", first.message_id)
        async with asyncio.timeout(2):
            await queue.park([second])
    assert await rows(desk, endpoint, "isfinite(next_attempt_at)") == [True]


async def test_a_line_whose_first_is_parked_for_whatever_reason_is_called_by_the_next_arrival(
    desk: Desk, endpoint: str
) -> None:
    queue = DeliveryQueue(desk.pool)
    await desk.publish(desk.new())
    await desk.pool.execute("UPDATE pending_deliveries SET next_attempt_at = 'infinity'")
    await desk.publish(desk.new())
    await queue.park(await due(desk, endpoint))
    assert await rows(desk, endpoint, "isfinite(next_attempt_at)") == [True, False]


async def test_a_long_line_is_looked_up_and_not_read(settings: Settings, desk: Desk, endpoint: str) -> None:
    """The plans of the hot path are made once, whatever the table holds then."""
    for _ in range(4):
        await desk.publish(*(desk.new() for _ in range(500)))
    single = Database(settings.model_copy(update={"db_pool_max_size": 2}))
    await single.open()

    async def entries_read() -> int:
        # Of this connection, which reports what it did when it is asked to.
        await single.pool.execute("SELECT pg_stat_force_next_flush()")
        query = "SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'pending_deliveries'"
        return int(await single.pool.fetchval(query))

    try:
        queue = DeliveryQueue(single.pool)
        first, *others = sorted(await due(desk, endpoint), key=lambda row: row.waits)
        await queue.park(others)
        before = await entries_read()
        await queue.record([Recording(first, DELIVERED, None, None)])
        (second,) = await queue.first_of_lines([line_of(first)])
        await queue.park([second])
        assert 0 < await entries_read() - before < 30
    finally:
        await single.close()
