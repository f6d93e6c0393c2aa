"""An API that dies between a commit and what follows it: the answer, and the ring for the workers."""

import asyncio
from collections.abc import Callable
from typing import Final

import httpx
import pytest

from tests.faults.installation import Installation
from tests.faults.launcher import dying_after_commit
from tests.faults.run import Run
from tests.reliability import measured

pytestmark = pytest.mark.xdist_group("faults")
NAME: Final = "survivor "


@pytest.mark.parametrize("deaths", [3, pytest.param(200, marks=pytest.mark.chaos)])
async def test_what_was_committed_when_the_api_died_is_delivered_once_and_answered_at_the_next_try(
    installation: Installation, run: Run, deaths: int
) -> None:
    await asyncio.to_thread(installation.api.end)
    died = installation.folder / "deaths"
    died.write_bytes(b"")
    installation.start_api((dying_after_commit, f"0.7:{deaths}:{died}"))
    await asyncio.to_thread(installation.wait_for_api)
    until = asyncio.Event()
    publishing = asyncio.create_task(run.publish_steadily(10, until))
    async with asyncio.timeout(10 * deaths):
        while died.stat().st_size < deaths:
            assert not publishing.done()
            await asyncio.sleep(0.01)
    until.set()
    await publishing
    await run.settle(5)
    assert run.refusals, "nobody was waiting for an answer"
    published = next(run.keys)
    measured(
        2,
        f"An API that dies between commit and answer, {deaths} times: all is delivered within 5 s",
        "0 lost",
        f"{len(run.lost)} lost",
        holds=not run.lost,
    )
    measured(
        34,
        f"What was sent again with its idempotency key after such a death is one message ({deaths} deaths)",
        f"{published} messages",
        f"{len(run.acknowledged)} messages",
        holds=len(run.acknowledged) == published and run.duplicates == 0,
    )
    died.write_bytes(b"")
    created = await create_until(run, lambda: died.stat().st_size == deaths)
    answer = await run.client.get("/app", params={"limit": 250, "order": "descending"})
    stored = [app["name"] for app in answer.json()["data"] if app["name"].startswith(NAME)]
    measured(
        34,
        f"What else was created by a request that was made again with its key after such a death ({deaths} deaths)",
        f"{len(created)} applications",
        f"{len(stored)} applications",
        holds=sorted(stored) == sorted(created),
    )
    await asyncio.to_thread(installation.api.end)


async def create_until(run: Run, enough: Callable[[], bool]) -> list[str]:
    """Create applications, each by as many requests with its key as it takes to get an answer; their names."""
    created: list[str] = []
    while not enough():
        name = f"{NAME}{len(created)}"
        while True:
            try:
                answer = await run.client.post("/app", json={"name": name}, headers={"Idempotency-Key": name})
            except httpx.TransportError:
                await asyncio.sleep(0.02)
                continue
            assert (answer.status_code, answer.json()["name"]) == (201, name)
            created.append(name)
            break
    return created
