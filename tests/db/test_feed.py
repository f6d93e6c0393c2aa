"""The feed of messages: nothing is skipped, whatever is committed late, and nothing is given twice without need."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest
from sqlalchemy import text

from app import clock, ids
from app.db.message.feed import FeedFilter, FeedPage, FeedPosition, MessageFeed
from app.db.session import Database
from tests import factories


def new_ids(number: int) -> list[str]:
    """Ids in their order: those of four milliseconds have none."""
    return sorted(ids.new_id("msg") for _ in range(number))


_INSERT = "INSERT INTO messages (id, application_id, event_type, payload) VALUES ($1, $2, $3, '{}')"


class Reader:
    """Reads the feed of one application, each time from where it was before."""

    def __init__(self, database: Database, application: str, role: str | None = None) -> None:
        self.database, self.application, self.role = database, application, role
        self.position = FeedPosition.since(None)
        self.seen: list[str] = []

    async def page(self, limit: int = 50, about: FeedFilter | None = None) -> FeedPage:
        async with self.database.transaction() as session:
            if self.role:
                await session.execute(text(f"SET LOCAL ROLE {self.role}"))
            page = await MessageFeed(session).read(self.application, self.position, about or FeedFilter(), limit)
        # As a caller would do it, through the text.
        self.position = FeedPosition.parse(page.position.text)
        self.seen += [row.id for row in page.rows]
        return page

    async def all(self, limit: int = 50) -> list[str]:
        before = len(self.seen)
        while not (await self.page(limit)).done:
            pass
        return self.seen[before:]


@pytest.fixture
def reader(database: Database) -> Reader:
    return Reader(database, ids.new_id("app"))


@asynccontextmanager
async def held_open(database: Database, application: str, message: str) -> AsyncIterator[None]:
    """The message is stored, and committed when this is left."""
    async with database.pool.acquire() as connection, connection.transaction():
        await connection.execute(_INSERT, message, application, "late")
        yield


async def _store(pool: asyncpg.Pool, application: str, *messages: str, event_type: str = "invoice.paid") -> None:
    for message in messages:
        await pool.execute(_INSERT, message, application, event_type)


async def test_all_messages_are_given_once_in_their_order(reader: Reader, database: Database) -> None:
    old = [await factories.record_message(database.pool, reader.application, clock.now() - timedelta(days=40))]
    made = old + new_ids(7)
    await _store(database.pool, reader.application, *made[1:])
    assert await reader.all(limit=3) == made
    assert await reader.all() == []
    more = ids.new_id("msg")
    await _store(database.pool, reader.application, more)
    assert (await reader.all(), reader.seen) == ([more], [*made, more])


async def test_a_message_is_not_skipped_that_is_committed_after_later_ones(reader: Reader, database: Database) -> None:
    low, high = new_ids(2)
    async with held_open(database, reader.application, low):
        await _store(database.pool, reader.application, high)
        # What began later waits for it.
        assert await reader.all() == []
    assert await reader.all() == [low, high]
    assert await reader.all() == []


async def test_a_message_is_not_skipped_whose_transaction_begins_after_later_ids_were_read(
    reader: Reader, database: Database
) -> None:
    low, high = new_ids(2)
    await _store(database.pool, reader.application, high)
    assert await reader.all() == [high]
    await _store(database.pool, reader.application, low)
    assert await reader.all() == [low]
    assert await reader.all() == []


async def test_a_message_is_not_skipped_whose_transaction_was_open_for_long(
    reader: Reader, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is looked back over is counted from when a transaction began, not from when its end was seen."""
    monkeypatch.setattr("app.db.message.feed._BEFORE_TRANSACTION", timedelta(milliseconds=50))
    first = ids.new_id("msg")
    async with held_open(database, reader.application, first):
        second = ids.new_id("msg")
        async with held_open(database, reader.application, second):
            await database.pool.execute("SELECT pg_sleep(0.2)")
            assert await reader.all() == []
            third = ids.new_id("msg")
            await _store(database.pool, reader.application, third)
            assert await reader.all() == []
        assert await reader.all() == []
    assert sorted(await reader.all()) == sorted([first, second, third])


async def test_a_page_of_a_window_is_not_disturbed_by_what_is_committed_meanwhile(
    reader: Reader, database: Database
) -> None:
    late, *made = new_ids(5)
    await _store(database.pool, reader.application, *made)
    assert [row.id for row in (await reader.page(limit=2)).rows] == made[:2]
    await _store(database.pool, reader.application, late)
    assert await reader.all(limit=2) == [*made[2:], late]


async def test_a_feed_is_filtered_and_says_how_far_it_came(
    reader: Reader, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = new_ids(6)
    await _store(database.pool, reader.application, *made[:5])
    await _store(database.pool, reader.application, made[5], event_type="order.made")
    about = FeedFilter(("order.made",))
    monkeypatch.setattr("app.db.history.find_keys.__defaults__", (4,))
    first = await reader.page(about=about)
    assert (first.rows, first.done) == ([], False)
    second = await reader.page(about=about)
    assert ([row.id for row in second.rows], second.done) == ([made[5]], True)


async def test_a_feed_begins_where_it_is_told(reader: Reader, database: Database) -> None:
    now = clock.now()
    old, new = [
        await factories.record_message(database.pool, reader.application, now - age)
        for age in (timedelta(hours=3), timedelta(hours=1))
    ]
    reader.position = FeedPosition.since(now - timedelta(hours=2))
    assert await reader.all() == [new]
    reader.position = FeedPosition.since(None)
    assert await reader.all() == [old, new]
    reader.position = FeedPosition.since(now)
    assert await reader.all() == []
    more = ids.new_id("msg")
    await _store(database.pool, reader.application, more)
    assert await reader.all() == [more]


async def test_the_feed_of_another_application_is_another(reader: Reader, database: Database) -> None:
    await _store(database.pool, ids.new_id("app"), ids.new_id("msg"))
    assert await reader.all() == []


async def test_a_position_of_a_server_that_was_ahead_repeats_rather_than_skips(
    reader: Reader, database: Database
) -> None:
    message = ids.new_id("msg")
    await _store(database.pool, reader.application, message)
    await reader.all()
    after, xid, *rest = reader.position.text.split(".")
    reader.position = FeedPosition.parse(".".join([after, f"{int(xid, 16) + 10_000:x}", *rest]))
    assert await reader.all() == [message]


@pytest.mark.parametrize(
    "rest", ["", ".", ".1", ".1.", ".1.1.1", ".1.1.1.1.1.1.1.1", ".1.fffffffffffff", ".1.1.0.0.fffffffffffffffff.1"]
)
def test_what_is_no_position_is_refused(rest: str) -> None:
    with pytest.raises(ValueError, match=r"position|place in the order"):
        FeedPosition.parse(f"{'' if rest else 'msg_'}1srOrx2ZWZBpBUvZwXKQmoEYga2{rest}")


async def test_many_publishers_at_once_lose_nothing_to_a_reader(reader: Reader, database: Database) -> None:
    rng = random.Random(6)
    stored: list[str] = []

    async def publish() -> None:
        for _ in range(15):
            batch = [ids.new_id("msg") for _ in range(3)]
            await database.pool.execute("SELECT pg_sleep($1)", rng.random() * 0.01)
            async with database.pool.acquire() as connection, connection.transaction():
                for message in batch:
                    await connection.execute(_INSERT, message, reader.application, "invoice.paid")
                await connection.execute("SELECT pg_sleep($1)", rng.random() * 0.02)
            stored.extend(batch)

    async def read() -> None:
        while len(stored) < 180:
            await reader.page(limit=7)

    await asyncio.gather(read(), *(publish() for _ in range(4)))
    await reader.all()
    assert sorted(reader.seen) == sorted(stored)
