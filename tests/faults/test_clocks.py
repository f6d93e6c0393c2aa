"""Machines whose clocks are wrong, and jump: the database's decides, and nobody else notices."""

import asyncio
import struct
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from time import monotonic, time

import asyncpg
import pytest

from tests.faults.installation import Installation
from tests.faults.launcher import jumping_clock
from tests.faults.run import Run, running
from tests.receiver import Answer, Arrival
from tests.reliability import measured

pytestmark = [pytest.mark.xdist_group("faults"), pytest.mark.measured]

_OFF = 600.0
# Seconds that the receiver wants to be left alone, and until the latest retry: its second, jitter, the way, the pause.
_PAUSE = 2
_LATEST = 2.5 + _PAUSE
_MESSAGES = 60

_FORM = """
SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE abs(extract(epoch FROM created_at - now())) > 60)
FROM messages WHERE application_id = $1
"""


@dataclass
class Clock:
    """How many seconds a process's clock is off."""

    file: Path

    def jump_to(self, seconds: float) -> None:
        with self.file.open("r+b" if self.file.exists() else "wb") as file:
            file.write(struct.pack("d", seconds))


@pytest.fixture
async def clocks(installation: Installation) -> AsyncIterator[tuple[Clock, Clock]]:
    """The clocks of the API and of the one worker; one is ahead, the other is behind."""
    ahead, behind = (Clock(installation.folder / f"clock-{name}") for name in ("api", "worker"))
    ahead.jump_to(_OFF)
    behind.jump_to(-_OFF)
    installation.ensure(workers=1)
    for process in (installation.api, *installation.workers):
        process.end()
    installation.start_api((jumping_clock, str(ahead.file)))
    worker = installation.start_worker((jumping_clock, str(behind.file)))
    installation.wait_for_api()
    installation.wait_for_worker(worker)
    yield ahead, behind
    for process in (installation.api, *installation.workers):
        process.end()


async def test_clocks_that_are_wrong_and_jump_change_neither_retries_nor_pauses_nor_signatures(
    installation: Installation, clocks: tuple[Clock, Clock]
) -> None:
    api_clock, worker_clock = clocks
    came: defaultdict[str, list[float]] = defaultdict(list)
    stamps: list[float] = []
    paused: list[float] = []

    def answer(arrival: Arrival) -> Answer:
        times = came[arrival.headers["webhook-id"]]
        times.append(monotonic())
        stamps.append(abs(float(arrival.headers["webhook-timestamp"]) - time()))
        if len(came) == _MESSAGES // 2 and not paused:
            # Everybody is to wait; meanwhile the worker's clock goes back by twenty minutes.
            paused.append(monotonic())
            return Answer(503, {"retry-after": str(_PAUSE)})
        return Answer(500 if len(times) == 1 and len(came) % 3 == 0 else 204)

    async with running(installation) as run:
        run.receiver.answer = answer
        until = asyncio.Event()
        publishing = asyncio.create_task(run.publish_steadily(30, until))
        await run.until_acknowledged(10)
        api_clock.jump_to(-_OFF)
        worker_clock.jump_to(_OFF)
        while not paused:
            await asyncio.sleep(0.01)
        worker_clock.jump_to(-_OFF)
        await run.until_acknowledged(_MESSAGES)
        until.set()
        await publishing
        await settle(run, came)
        check(came, paused[0])
        latest = max(times[1] - times[0] for times in came.values() if len(times) > 1)
        measured(
            38,
            f"With clocks that are {_OFF / 60:.0f} minutes off and jump, a retry comes when it is due",
            f"1 to {_LATEST} s",
            f"at most {latest:.2f} s",
            holds=latest <= _LATEST,
        )
        measured(
            38,
            "What a worker with a wrong clock signs has the right time",
            "2 s off",
            f"{max(stamps):.1f} s off",
            holds=max(stamps) <= 2,
        )
        await check_rows(installation, run)
        assert any("clock is -600 s off" in worker.log.read_text() for worker in installation.workers)


async def settle(run: Run, came: dict[str, list[float]]) -> None:
    """All arrived, and the pause was no longer than what was asked for."""
    async with asyncio.timeout(15):
        while not run.acknowledged <= came.keys():
            await asyncio.sleep(0.05)
    await run.settle(10)


def check(came: dict[str, list[float]], paused: float) -> None:
    """Nothing was sent in the pause but what was under way, and all retries waited their second."""
    after = sorted(moment - paused for times in came.values() for moment in times if moment > paused)
    assert [moment for moment in after if 0.3 < moment < _PAUSE - 0.1] == []
    waits = [later - earlier for times in came.values() for earlier, later in pairwise(times)]
    assert min(waits) > 0.5, waits


async def check_rows(installation: Installation, run: Run) -> None:
    """Identifiers are unique, times are the database's."""
    connection = await asyncpg.connect(installation.dsn)
    try:
        rows, identifiers, odd = await connection.fetchrow(_FORM, run.application)
    finally:
        await connection.close()
    assert rows == identifiers == len(run.acknowledged)
    assert odd == 0
