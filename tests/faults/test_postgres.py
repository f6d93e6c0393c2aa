"""Postgres restarted in the middle of a run: callers are told to come again, and everything recovers by itself."""

import asyncio

import pytest

from tests.faults.installation import Installation
from tests.faults.run import Run
from tests.receiver import Answer

pytestmark = pytest.mark.xdist_group("faults")


async def test_a_restart_of_postgres_loses_nothing_that_was_acknowledged(installation: Installation, run: Run) -> None:
    run.receiver.answer = lambda _: Answer(after=0.02)
    (worker,) = installation.workers
    publishing = asyncio.create_task(run.publish(1000))
    await run.until_acknowledged(400)
    await asyncio.to_thread(installation.servers.postgres.stop)
    await asyncio.sleep(1)
    installation.servers.postgres.start()
    await publishing
    await run.settle()
    assert run.refusals.keys() == {"503"}
    assert run.duplicates == 0, "outcomes wait for Postgres in the worker's memory"
    assert installation.api.runs
    assert worker.runs
