"""A lock that somebody holds on a hot table: requests are refused in time, and nothing is left in a bad state."""

import asyncio
from time import monotonic

import httpx
import pytest

from tests.faults import postgres_states
from tests.faults.installation import Installation
from tests.faults.run import Run
from tests.faults.test_postgres import check_refusals
from tests.reliability import measured

pytestmark = [pytest.mark.xdist_group("faults"), pytest.mark.alone]  # It bounds a time.

_ANSWER_SECONDS = 5.0
_READERS = 12


async def slowest_read(run: Run, until: asyncio.Event) -> float:
    """Ask for endpoints all the time, many at once, until told otherwise; the seconds that the slowest answer took."""
    slowest = 0.0

    async def read() -> None:
        nonlocal slowest
        while not until.is_set():
            began = monotonic()
            answer = await run.client.get(f"/app/{run.application}/endpoint")
            slowest = max(slowest, monotonic() - began)
            assert answer.status_code in {200, 503}
            assert answer.status_code == 200 or "retry-after" in answer.headers
            await asyncio.sleep(1)

    await asyncio.gather(*(read() for _ in range(_READERS)))
    return slowest


@pytest.mark.parametrize(
    ("table", "seconds"),
    [
        ("messages", 4.5),
        *(
            pytest.param(table, 20.0, marks=pytest.mark.chaos)
            for table in ("messages", "pending_deliveries", "endpoints", "deliveries")
        ),
    ],
)
async def test_while_a_table_is_locked_requests_are_refused_in_time_and_all_goes_on_afterwards(
    installation: Installation, run: Run, table: str, seconds: float
) -> None:
    run.client.timeout = httpx.Timeout(30)
    workers = list(installation.workers)
    until = asyncio.Event()
    publishing = asyncio.create_task(run.publish_steadily(20, until))
    reading = asyncio.create_task(slowest_read(run, until))
    await run.until_acknowledged(20)
    async with postgres_states.locked(installation, table):
        await asyncio.sleep(seconds)
    began = monotonic()
    await run.publish(20)
    recovered = monotonic() - began
    until.set()
    await publishing
    slowest = max([await reading, *run.refusal_seconds])
    await run.settle()
    check_refusals(run)
    # What nobody reads or writes who publishes or lists endpoints, is only in the worker's way.
    assert run.refusals or table == "deliveries", "nobody had to wait for the lock"
    assert run.duplicates == 0
    assert installation.api.runs
    assert workers == installation.workers
    assert (await run.client.get("/health")).status_code == 200
    measured(
        36,
        f"With {table} locked for {seconds:.0f} s, requests are answered, with 503 if need be",
        "within 5 s",
        f"{slowest:.2f} s",
        holds=slowest <= _ANSWER_SECONDS,
    )
    measured(
        36,
        f"After {table} was locked for {seconds:.0f} s, messages are accepted again",
        "within 3 s",
        f"{recovered:.2f} s",
        holds=recovered <= 3,
    )
