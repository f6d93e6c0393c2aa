"""A worker that is killed in the middle of a background task: another one goes on, and each message is sent once."""

import asyncio

import asyncpg
import pytest

from app import ids
from tests import factories
from tests.faults.installation import MOST_IN_FLIGHT, Installation
from tests.faults.run import Run
from tests.receiver import Answer

pytestmark = pytest.mark.xdist_group("faults")

_MESSAGES = 2_600
_PUBLISHED = """
INSERT INTO messages (id, application_id, event_type, payload, deliveries)
SELECT i, $2, 'invoice.paid', '{}', 0 FROM unnest($1::text[]) i
"""
_TASK = "SELECT status, data FROM background_tasks WHERE id = $1"


@pytest.mark.chaos
async def test_a_replay_survives_the_death_of_its_worker(installation: Installation, run: Run) -> None:
    connection = await asyncpg.connect(installation.dsn)
    # Published before there was an endpoint that wanted them.
    published = {ids.new_id("msg") for _ in range(_MESSAGES)}
    await connection.execute(_PUBLISHED, list(published), run.application)
    late = (await factories.create_endpoint(run.client, run.application, f"{run.receiver.url}/late"))["id"]
    run.receiver.answer = lambda _: Answer(after=0.01)
    path = f"/app/{run.application}/endpoint/{late}/replay-missing"
    task = (await run.client.post(path, json={"since": "2000-01-01T00:00:00Z"})).json()["id"]
    await run.receiver.wait_for(100, 20)
    assert (await connection.fetchrow(_TASK, task))["status"] == "running"
    installation.workers[0].kill()
    await run.publish(20)
    installation.ensure(workers=1)
    async with asyncio.timeout(30):
        while (row := await connection.fetchrow(_TASK, task))["status"] == "running":
            await asyncio.sleep(0.05)
    assert row["status"] == "finished"
    assert f'"messagesSent": {_MESSAGES}' in row["data"]
    await run.settle()
    assert published <= run.arrived.keys()
    assert run.duplicates <= MOST_IN_FLIGHT
    await connection.close()
