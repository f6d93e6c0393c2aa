"""An API process that is killed: what a client saw acknowledged is delivered."""

import asyncio

import pytest

from tests.faults.installation import Installation
from tests.faults.run import Run

pytestmark = pytest.mark.xdist_group("faults")


async def test_what_was_acknowledged_before_the_api_was_killed_is_delivered(
    installation: Installation, run: Run
) -> None:
    publishing = asyncio.create_task(run.publish(1000))
    await run.until_acknowledged(400)
    installation.api.kill()
    installation.start_api()
    await publishing
    await run.settle()
    assert run.refusals, "the API was not killed in the middle of anything"
    assert run.duplicates == 0
