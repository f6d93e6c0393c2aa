"""A message that ends each process which sends it: it is found, and put aside, and the others arrive."""

import asyncio

import pytest

from tests.faults.installation import Installation
from tests.faults.launcher import dying_of
from tests.faults.run import Run
from tests.receiver import Answer
from tests.reliability import measured

pytestmark = [pytest.mark.xdist_group("faults"), pytest.mark.measured]

_MOST_DEATHS = 4
_POISON = {"eventType": "invoice.paid", "payload": {"id": "deadly"}}


async def test_a_message_that_ends_each_worker_that_sends_it_is_put_aside_and_the_others_arrive(
    installation: Installation, run: Run
) -> None:
    for worker in list(installation.workers):
        await asyncio.to_thread(worker.end)
    deaths = installation.folder / "deaths of poison"
    deaths.write_bytes(b"")
    run.receiver.answer = lambda _: Answer(after=0.02)
    await run.publish(50)
    poison = (await run.client.post(f"/app/{run.application}/msg", json=_POISON)).json()["id"]
    await run.publish(50)
    worker = installation.start_worker((dying_of, f"deadly:{deaths}"))
    attempts = f"/app/{run.application}/attempt/msg/{poison}"
    async with asyncio.timeout(60):
        while not (found := (await run.client.get(attempts)).json()["data"]):
            await asyncio.sleep(0.05)
        while run.lost:
            await asyncio.sleep(0.05)
    died = deaths.stat().st_size
    await asyncio.to_thread(worker.end)
    assert "put aside" in found[0]["response"]
    assert poison not in run.arrived
    measured(
        40,
        "A message that ends each worker which sends it is put aside, and the others arrive",
        f"after at most {_MOST_DEATHS} deaths (three of them watched)",
        f"{died} deaths, {len(run.lost)} lost",
        holds=died <= _MOST_DEATHS,
    )
