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
        async with successor.alone(one) as begun:
            assert begun == deaths


async def test_a_retry_of_what_this_process_noted_is_no_suspect(table: SuspectsTable) -> None:
    suspects, one = Suspects(table), row()
    for _ in range(2):
        await suspects.watch([one])
        assert not suspects.is_one(one)
        suspects.end(one)


async def test_suspects_are_sent_one_at_a_time(table: SuspectsTable) -> None:
    one, other = row(), row()
    await Suspects(table).watch([one, other])
    suspects = Suspects(table)
    await suspects.watch([one, other])
    async with suspects.alone(one):
        waiting = asyncio.create_task(_begin(suspects, other))
        done, _ = await asyncio.wait({waiting}, timeout=0.1)
        assert not done
    assert await waiting == 1


async def _begin(suspects: Suspects, one: Claimed) -> int:
    async with suspects.alone(one) as begun:
        return begun
