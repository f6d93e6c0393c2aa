"""Processes that may open few files: what cannot be done is refused, and goes on once there is room."""

import asyncio
import resource
from contextlib import suppress
from time import monotonic
from urllib.parse import urlsplit

import psutil
import pytest

from tests.faults.installation import Installation, Process
from tests.faults.run import Run
from tests.receiver import Answer
from tests.reliability import measured

pytestmark = [pytest.mark.xdist_group("faults"), pytest.mark.chaos]

_FILES = 256
_CONNECTIONS = 400


def limit(process: Process) -> None:
    psutil.Process(process.popen.pid).rlimit(resource.RLIMIT_NOFILE, (_FILES, _FILES))


async def test_an_api_with_few_files_refuses_and_recovers(installation: Installation, run: Run) -> None:
    await asyncio.to_thread(installation.api.end)
    limit(installation.start_api())
    await asyncio.to_thread(installation.wait_for_api)
    await run.publish(20)
    url = urlsplit(installation.url)
    idle = []
    for _ in range(_CONNECTIONS):
        with suppress(OSError, TimeoutError):
            idle.append(await asyncio.wait_for(asyncio.open_connection(url.hostname, url.port), 1))
    slowest = 0.0
    for _ in range(10):
        began = monotonic()
        with suppress(TimeoutError):
            await asyncio.wait_for(run.try_to_publish(), 10)
        slowest = max(slowest, monotonic() - began)
    for _, writer in idle:
        writer.close()
    began = monotonic()
    await run.publish(50)
    recovered = monotonic() - began
    await run.settle()
    assert installation.api.runs
    measured(
        41,
        f"An API that may open {_FILES} files, with {_CONNECTIONS} connections: who has one is answered",
        "within 5 s",
        f"{slowest:.1f} s",
        holds=slowest <= 5,
    )
    measured(
        41,
        "Once the connections are gone, messages are accepted again",
        "within 5 s",
        f"{recovered:.1f} s",
        holds=recovered <= 5,
    )
    await asyncio.to_thread(installation.api.end)


async def test_a_worker_with_few_files_sends_what_it_can_and_the_rest_later(
    installation: Installation, run: Run
) -> None:
    (worker,) = installation.workers
    limit(worker)
    run.receiver.answer = lambda _: Answer(after=1.0)
    await run.publish(600)
    run.receiver.answer = lambda _: Answer()
    await run.settle(60)
    assert worker.runs
    measured(
        41,
        f"A worker that may open {_FILES} files delivers all the same",
        "0 lost",
        f"{len(run.lost)} lost",
        holds=not run.lost,
    )
    await asyncio.to_thread(worker.end)
