"""A worker whose event loop has ended, or stands still: that is seen from outside, and others go on."""

import asyncio
import signal
from pathlib import Path
from time import monotonic, time

import pytest

from tests.faults.installation import Installation, Process
from tests.faults.launcher import breaking_loop, freezing_loop
from tests.faults.run import Run
from tests.reliability import measured

# That a loop which ends is noticed has a test of its own that is quick (tests/worker/test_runtime.py).
pytestmark = [pytest.mark.xdist_group("faults"), pytest.mark.chaos]

# As old as the health check of docker-compose.yml lets the file grow.
_STALE_SECONDS = 10.0


def started(installation: Installation, how: str, trigger: Path) -> Process:
    worker = installation.start_worker((breaking_loop if how == "ends" else freezing_loop, str(trigger)))
    installation.wait_for_worker(worker)
    return worker


async def test_a_worker_whose_loop_has_ended_ends_with_a_failure(installation: Installation, run: Run) -> None:
    trigger = installation.folder / "break"
    worker = await asyncio.to_thread(started, installation, "ends", trigger)
    trigger.touch()
    began = monotonic()
    code = await asyncio.to_thread(worker.popen.wait, 20)
    seconds = monotonic() - began
    trigger.unlink()
    assert code != 0
    await run.publish(50)
    await run.settle()
    measured(
        43,
        "A worker whose event loop has died ends, with a failure",
        "within 5 s",
        f"{seconds:.1f} s",
        holds=seconds <= 5,
    )


async def test_a_worker_whose_loop_stands_still_is_unhealthy_and_others_take_over(
    installation: Installation, run: Run
) -> None:
    trigger = installation.folder / "freeze"
    worker = await asyncio.to_thread(started, installation, "freezes", trigger)
    until = asyncio.Event()
    publishing = asyncio.create_task(run.publish_steadily(50, until))
    await asyncio.sleep(2)
    trigger.touch()
    await asyncio.sleep(_STALE_SECONDS + 2)
    age = time() - worker.health.stat().st_mtime
    until.set()
    await publishing
    await run.settle(15)
    worker.send(signal.SIGKILL)
    worker.popen.wait()
    trigger.unlink()
    measured(
        43,
        "The health file of a worker whose loop stands still grows old, and the check of it fails",
        f"after {_STALE_SECONDS:.0f} s",
        f"{age:.0f} s old after {_STALE_SECONDS + 2:.0f} s",
        holds=age > _STALE_SECONDS,
    )
