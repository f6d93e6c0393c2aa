"""What may have ended its process: noted under watch, sent alone afterwards, and counted."""

import asyncio

import pytest

from app import clock, ids
from app.db.pending_delivery.queue import Claimed
from app.db.pending_delivery.suspects import SuspectsTable
from app.db.session import Database
from worker.suspects import MOST_BEGUN, Suspects


@pytest.fixture
def table(database: Database) -> SuspectsTable:
    return SuspectsTable(database.pool)


def row() -> Claimed:
    return Claimed(
        ids.new_id("msg"), ids.new_id("ep"), ids.new_id("app"), 1, 0, 0, clock.now(), 1, None, False, None, False
    )


async def test_what_ended_is_no_suspect(table: SuspectsTable) -> None:
    suspects, one = Suspects(table), row()
    await suspects.watch([one])
    assert not suspects.is_one(one)
    suspects.end(one)
    await suspects.clear()
    later = Suspects(table)
    await later.watch([one])
    assert not later.is_one(one)


async def test_what_was_in_flight_when_a_process_died_is_a_suspect_and_its_beginnings_are_counted(
    table: SuspectsTable,
) -> None:
    one = row()
    await Suspects(table).watch([one])
    for deaths in range(1, MOST_BEGUN + 1):
        successor, other = Suspects(table), row()
        await successor.watch([one, other])
        assert successor.is_one(one)
        assert not successor.is_one(other)
        async with successor.in_turn(one) as begun:
            assert begun == deaths


async def test_a_retry_of_what_this_process_noted_is_no_suspect(table: SuspectsTable) -> None:
    suspects, one = Suspects(table), row()
    for _ in range(2):
        await suspects.watch([one])
        assert not suspects.is_one(one)
        suspects.end(one)


async def test_suspects_of_one_death_are_sent_together_and_those_of_two_alone(table: SuspectsTable) -> None:
    first, second, other = row(), row(), row()
    await Suspects(table).watch([first, second, other])
    suspects = Suspects(table)
    await suspects.watch([first, second, other])
    # As many as wish together, a few at a time; the next death finds these two begun.
    async with suspects.in_turn(first), suspects.in_turn(second):
        pass
    successor = Suspects(table)
    await successor.watch([first, second, other])
    async with successor.in_turn(first):
        assert await is_waiting(successor, second)
        assert await is_waiting(successor, other)
    async with successor.in_turn(other):
        assert await is_waiting(successor, second), "it would be begun for the third time, beside another suspect"


async def is_waiting(suspects: Suspects, one: Claimed) -> bool:
    task = asyncio.create_task(_begin(suspects, one))
    _, pending = await asyncio.wait({task}, timeout=0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return bool(pending)


async def test_who_gives_up_its_turn_leaves_it_to_others(table: SuspectsTable) -> None:
    first, second = row(), row()
    await Suspects(table).watch([first, second])
    for _ in range(2):
        suspects = Suspects(table)
        await suspects.watch([first, second])
        async with suspects.in_turn(first):
            await is_waiting(suspects, second)
        async with asyncio.timeout(5), suspects.in_turn(second):
            pass


async def _begin(suspects: Suspects, one: Claimed) -> int:
    async with suspects.in_turn(one) as begun:
        return begun
