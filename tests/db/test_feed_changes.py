"""The feed of messages: nothing is skipped that is changed while it is read, or beside transactions nobody sees."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from sqlalchemy import BigInteger, literal, select

from app import clock, ids
from app.db.message.feed import FeedPosition, _distance
from app.db.message.mark import Look, Mark
from app.db.session import Database
from tests import factories
from tests.db.test_feed import Reader, new_ids
from tests.servers import Servers

_INSERT = "INSERT INTO messages (id, application_id, event_type, payload) VALUES ($1, $2, 'late', '{}')"
# What resending does to a message.
_CHANGE = "UPDATE messages SET deliveries = deliveries + 1 WHERE id = ANY($1)"
# It may read all, and may not see the transactions of others.
_UNSEEING = "pg_read_all_data"
_NUMBER = "SELECT pg_current_xact_id()"


@pytest.fixture
def reader(database: Database) -> Reader:
    return Reader(database, ids.new_id("app"))


@pytest.fixture
def briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked back over is 50 ms."""
    monkeypatch.setattr("app.db.message.feed._BEFORE_TRANSACTION", timedelta(milliseconds=50))


async def old_messages(reader: Reader, count: int) -> list[str]:
    since = clock.now() - timedelta(minutes=10)
    times = [since + timedelta(seconds=number) for number in range(count)]
    return [await factories.record_message(reader.database.pool, reader.application, at) for at in times]


async def test_a_message_is_not_skipped_that_is_changed_while_its_window_is_read(
    reader: Reader, database: Database
) -> None:
    made = await old_messages(reader, 5)
    assert [row.id for row in (await reader.page(limit=2)).rows] == made[:2]
    await database.pool.execute(_CHANGE, [made[0], made[3]])
    assert await reader.all(limit=2) == made[2:]
    assert await reader.all() == []


async def test_what_is_changed_again_and_again_is_given_again_only_as_long_as_it_is_new(
    reader: Reader, database: Database, briefly: None
) -> None:
    old = await old_messages(reader, 4)
    new = new_ids(4)
    await database.pool.executemany(_INSERT, [(message, reader.application) for message in new])
    async with asyncio.timeout(5):
        while not (await reader.page(limit=1)).done:
            await database.pool.execute(_CHANGE, old + new)
    assert set(reader.seen) == {*old, *new}
    assert [message for message in reader.seen if message in old] == old
    await asyncio.sleep(0.06)
    await reader.all()
    await database.pool.execute(_CHANGE, old + new)
    assert await reader.all() == []


async def test_a_message_is_not_skipped_that_is_committed_beside_a_long_transaction_of_another_database(
    reader: Reader, database: Database, briefly: None, servers: Servers
) -> None:
    elsewhere = await asyncpg.connect(servers.postgres.dsn("postgres"))
    async with elsewhere.transaction():
        await elsewhere.execute(_NUMBER)
        late = ids.new_id("msg")
        await database.pool.execute(_INSERT, late, reader.application)
        await asyncio.sleep(0.1)
        assert await reader.all() == []
    await elsewhere.close()
    assert await reader.all() == [late]


@pytest.mark.parametrize("is_new", [True, False], ids=["a new reader", "one who has read"])
async def test_a_message_is_not_skipped_that_is_committed_beside_a_long_transaction_that_nobody_sees(
    database: Database, briefly: None, is_new: bool
) -> None:
    reader = Reader(database, ids.new_id("app"), _UNSEEING)
    if not is_new:
        assert await reader.all() == []
    async with database.pool.acquire() as connection, connection.transaction():
        await connection.execute(_NUMBER)
        late = ids.new_id("msg")
        await database.pool.execute(_INSERT, late, reader.application)
        await asyncio.sleep(0.1)
        assert await reader.all() == []
    assert await reader.all() == [late]
    assert await reader.all() == []


async def test_who_sees_no_transactions_goes_on_from_what_is_proved(database: Database, briefly: None) -> None:
    """Nobody reads from the beginning for ever because some transaction always runs that cannot be seen."""
    reader = Reader(database, ids.new_id("app"), _UNSEEING)
    began = clock.now() - timedelta(seconds=1)
    async with database.pool.acquire() as first, database.pool.acquire() as second:
        before, behind = first.transaction(), second.transaction()
        await before.start()
        await first.execute(_NUMBER)
        assert await reader.all() == []
        assert reader.position.passed is not None
        assert reader.position.passed.at == datetime.fromtimestamp(0, UTC)
        await behind.start()
        await second.execute(_NUMBER)
        assert await reader.all() == []
        await before.commit()
        assert await reader.all() == []
        assert reader.position.passed.at > began
        await behind.rollback()


async def test_after_a_long_absence_what_cannot_be_compared_is_given_rather_than_skipped(
    reader: Reader, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = new_ids(2)
    await database.pool.execute(_INSERT, first, reader.application)
    assert await reader.all() == [first]
    monkeypatch.setattr("app.db.message.feed._COMPARABLE", 0)
    await database.pool.execute(_INSERT, second, reader.application)
    assert await reader.all() == [first, second]


@pytest.mark.parametrize(("later", "earlier", "between"), [(7, 3, 4), (2**32 + 5, 2**32 - 5, 10), (3, 7, 2**32 - 4)])
async def test_transactions_are_counted_by_the_32_bits_that_rows_know(
    database: Database, later: int, earlier: int, between: int
) -> None:
    known = [literal(xid % 2**32, BigInteger) for xid in (later, earlier)]
    async with database.transaction() as session:
        assert (await session.execute(select(_distance(*known)))).scalar_one() == between


_AT = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("look", "at"),
    [
        (Look(100, Mark(100, _AT), {}), _AT),
        (Look(2**32 + 100, Mark(2**32 + 200, _AT), {"100": _AT.timestamp() - 9}), _AT - timedelta(seconds=9)),
        (Look(100, Mark(200, _AT), {"101": _AT.timestamp()}), datetime.fromtimestamp(0, UTC)),
    ],
    ids=["none was running", "the oldest is seen", "only a later one is seen"],
)
def test_a_marks_time_is_one_that_is_proved(look: Look, at: datetime) -> None:
    assert look.mark([]) == Mark(look.ended, at)


def test_what_was_proved_before_counts_as_far_as_it_reaches() -> None:
    look = Look(100, Mark(200, _AT), {})
    earlier, later = Mark(90, _AT - timedelta(hours=1)), Mark(101, _AT - timedelta(minutes=1))
    assert look.mark([earlier, later, None]) == Mark(100, earlier.at)


@pytest.mark.parametrize(
    "marks",
    [(None, None, None), (Mark(1, _AT), None, None), (None, Mark(2, _AT), None), (None, None, Mark(2**40, _AT))],
)
def test_a_position_is_what_its_text_says(marks: tuple[Mark | None, Mark | None, Mark | None]) -> None:
    position = FeedPosition(ids.new_id("msg"), *marks)
    assert FeedPosition.parse(position.text) == position
    longest = Mark(2**60 - 1, datetime.fromtimestamp((2**44 - 1) / 1000, UTC))
    assert len(FeedPosition(position.after, longest, longest, longest).text) <= 128
