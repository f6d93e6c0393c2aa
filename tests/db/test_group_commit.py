"""Group commit: who arrives together goes together, everybody gets their own result, and nobody is forgotten."""

import asyncio
from collections.abc import Sequence

import pytest

from app.db.group_commit import Bounds, GroupCommit, Late, Overloaded


class Disk:
    """Writes batches when it is told to: keeps what it got, and doubles each number."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.at_once = self.most_at_once = 0
        self.go = asyncio.Event()
        self.go.set()

    async def write(self, batch: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(batch))
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            await self.go.wait()
        finally:
            self.at_once -= 1
        if 666 in batch:
            raise ValueError("666 spoils its batch")
        return [KeyError(item) if item < 0 else 2 * item for item in batch]


@pytest.fixture
async def disk() -> Disk:
    return Disk()


async def test_a_lone_caller_waits_for_nobody(disk: Disk) -> None:
    group: GroupCommit[int, int] = GroupCommit(disk.write)
    async with asyncio.timeout(1):
        assert await group.put(21) == 42
    assert disk.batches == [[21]]


async def test_callers_of_one_turn_share_a_batch_and_get_their_own_results(disk: Disk) -> None:
    group: GroupCommit[int, int] = GroupCommit(disk.write)
    assert await asyncio.gather(*map(group.put, range(100))) == [2 * item for item in range(100)]
    assert disk.batches == [list(range(100))]


async def test_while_batches_are_written_the_next_one_gathers_in_order(disk: Disk) -> None:
    group: GroupCommit[int, int] = GroupCommit(disk.write, lanes=2)
    disk.go.clear()
    callers = []
    for item in range(10):
        callers.append(asyncio.create_task(group.put(item)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert disk.batches == [[0], [1]]
    disk.go.set()
    assert await asyncio.gather(*callers) == [2 * item for item in range(10)]
    assert disk.batches == [[0], [1], list(range(2, 10))]
    assert disk.most_at_once == 2


async def test_no_batch_is_larger_than_the_most(disk: Disk) -> None:
    group: GroupCommit[int, int] = GroupCommit(disk.write, most=7)
    assert await asyncio.gather(*map(group.put, range(40, 65))) == [2 * item for item in range(40, 65)]
    assert [len(batch) for batch in disk.batches] == [7, 7, 7, 4]


async def test_an_exception_reaches_its_batch_and_no_other(disk: Disk) -> None:
    group: GroupCommit[int, int] = GroupCommit(disk.write, most=2, lanes=1)
    results = await asyncio.gather(*map(group.put, [1, 2, 666, 3, 4]), return_exceptions=True)
    assert results[:2] == [2, 4]
    assert [str(result) for result in results[2:4]] == ["666 spoils its batch"] * 2
    assert results[4] == 8


async def test_an_exception_among_the_results_reaches_the_caller_of_that_item_only(disk: Disk) -> None:
    group: GroupCommit[int, int] = GroupCommit(disk.write)
    results = await asyncio.gather(*map(group.put, [1, -1, 2]), return_exceptions=True)
    assert (results[0], results[2]) == (2, 4)
    assert isinstance(results[1], KeyError)
    assert disk.batches == [[1, -1, 2]]


async def test_a_writer_that_loses_results_fails_its_callers_instead_of_letting_them_wait() -> None:
    async def forget(batch: Sequence[int]) -> list[int]:
        return list(batch)[1:]

    group: GroupCommit[int, int] = GroupCommit(forget)
    async with asyncio.timeout(1):
        results = await asyncio.gather(*map(group.put, [1, 2]), return_exceptions=True)
    assert isinstance(results[1], ValueError)


async def test_a_caller_that_leaves_takes_nothing_from_the_others(disk: Disk) -> None:
    group: GroupCommit[int, int] = GroupCommit(disk.write)
    disk.go.clear()
    leaving, staying = asyncio.create_task(group.put(1)), asyncio.create_task(group.put(2))
    while not disk.batches:
        await asyncio.sleep(0)
    leaving.cancel()
    disk.go.set()
    assert await staying == 4
    assert disk.batches == [[1, 2]]
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_too_many_who_wait_are_sent_away_at_once(disk: Disk) -> None:
    group: GroupCommit[int, int] = GroupCommit(disk.write, lanes=1, waiting=5)
    disk.go.clear()
    first = asyncio.create_task(group.put(0))
    while not disk.batches:
        await asyncio.sleep(0)
    waiting = [asyncio.create_task(group.put(item)) for item in range(1, 6)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await group.put(6)
    disk.go.set()
    assert await asyncio.gather(first, *waiting) == [0, 2, 4, 6, 8, 10]


async def test_draining_waits_for_everything_that_was_put(disk: Disk) -> None:
    group: GroupCommit[int, int] = GroupCommit(disk.write, most=3, lanes=1)
    callers = [asyncio.create_task(group.put(item)) for item in range(10)]
    await asyncio.sleep(0)
    await group.drain()
    assert [item for batch in disk.batches for item in batch] == list(range(10))
    assert await asyncio.gather(*callers) == [2 * item for item in range(10)]


def bounded(
    disk: Disk, *, line: float = 60.0, seconds: float = 60.0, waiting: int = 1000, batch: int = 1000, **limits: int
) -> GroupCommit[int, int]:
    """A group commit in which an item weighs as many bytes as it says."""
    return GroupCommit(disk.write, bounds=Bounds(line, seconds, abs, waiting, batch), **limits)


async def test_who_waits_in_line_for_longer_than_allowed_is_sent_away_and_nothing_is_written_for_them(
    disk: Disk,
) -> None:
    group = bounded(disk, line=0.1, lanes=1)
    disk.go.clear()
    first = asyncio.create_task(group.put(1))
    while not disk.batches:
        await asyncio.sleep(0)
    async with asyncio.timeout(1):
        with pytest.raises(Overloaded):
            await group.put(2)
    disk.go.set()
    assert await first == 2
    assert await group.put(3) == 6
    assert disk.batches == [[1], [3]]


async def test_whose_commit_does_not_end_is_told_so_in_time_and_the_lane_is_free_once_it_does(disk: Disk) -> None:
    group = bounded(disk, seconds=0.1, lanes=1)
    disk.go.clear()
    results = await asyncio.gather(group.put(1), group.put(2), return_exceptions=True)
    assert [type(result) for result in results] == [Late, Late]
    waiting = asyncio.create_task(group.put(3))
    await asyncio.sleep(0)
    assert disk.batches == [[1, 2]]
    disk.go.set()
    assert await waiting == 6


async def test_as_many_may_wait_as_were_lately_committed_in_the_time_that_they_may_wait_for() -> None:
    async def write(batch: Sequence[int]) -> list[int]:
        await asyncio.sleep(0.02 * len(batch))
        return list(batch)

    # 50 in a second, so that no more than the half can be served within half a second.
    bounds: Bounds[int] = Bounds(0.5, 60.0, abs, 10_000, 10_000)
    group: GroupCommit[int, int] = GroupCommit(write, most=5, lanes=1, waiting=1000, bounds=bounds)
    callers = [asyncio.create_task(group.put(1)) for _ in range(60)]
    await asyncio.sleep(0.4)
    assert group.is_full, "forty wait, and less than thirty will be served in time"
    with pytest.raises(Overloaded):
        await group.put(1)
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert {type(result) for result in results} == {int, Overloaded}
    assert not group.is_full
    assert await group.put(2) == 2


async def test_those_who_wait_hold_no_more_bytes_than_allowed(disk: Disk) -> None:
    group = bounded(disk, waiting=100, lanes=1)
    disk.go.clear()
    callers = [asyncio.create_task(group.put(1))]
    while not disk.batches:
        await asyncio.sleep(0)
    callers += [asyncio.create_task(group.put(60)) for _ in range(2)]
    await asyncio.sleep(0)
    assert group.is_full
    with pytest.raises(Overloaded):
        await group.put(1)
    disk.go.set()
    assert await asyncio.gather(*callers) == [2, 120, 120]
    assert await group.put(99) == 198, "what was written is not held any more"


async def test_a_batch_is_full_when_it_has_its_bytes_however_few_items_that_are(disk: Disk) -> None:
    group = bounded(disk, batch=100)
    assert await asyncio.gather(*map(group.put, [60, 30, 50, 500, 1])) == [120, 60, 100, 1000, 2]
    assert disk.batches == [[60, 30], [50], [500], [1]]
