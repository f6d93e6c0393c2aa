"""Runs of several customers beside each other."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.transformation import pool as pools
from app.transformation.contract import Draft, Failed, Limits, Result, Transformation, Transformed
from app.transformation.pool import Busy, TransformationPool, process_sandbox

DRAFT = Draft("https://example.com/in", b"{}", "invoice.paid")
GOOD = Transformation("function handler(webhook) { return webhook }")
HOSTILE = Transformation("while (1);")


async def test_one_customers_hostile_code_delays_nobody_for_long() -> None:
    pool = TransformationPool(Limits(), threads=2)
    await pool.run("warm", GOOD, DRAFT)
    hostile = [asyncio.create_task(pool.run("hostile", HOSTILE, DRAFT)) for _ in range(6)]
    await asyncio.sleep(0)
    good = [await pool.run(f"good {number}", GOOD, DRAFT) for number in range(3)]
    assert all(isinstance(result, Transformed) for result in good)
    # Of those at most one went before each of the others.
    assert sum(task.done() for task in hostile) <= 3
    results: list[Result] = await asyncio.gather(*hostile)
    assert all(isinstance(result, Failed) for result in results)


async def test_the_loop_goes_on_while_code_runs() -> None:
    pool = TransformationPool(Limits(fuel=10**13, seconds=0.2), threads=1)
    await pool.run("warm", GOOD, DRAFT)
    running = asyncio.create_task(pool.run("a", HOSTILE, DRAFT))
    turns = 0
    while not running.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert turns > 20


async def test_who_would_wait_behind_too_many_of_its_own_is_told() -> None:
    pool = TransformationPool(Limits(), threads=1)
    first = [asyncio.create_task(pool.run("a", HOSTILE, DRAFT, 2)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await pool.run("a", GOOD, DRAFT, 2)
    assert isinstance(await pool.run("b", GOOD, DRAFT, 2), Transformed)
    await asyncio.gather(*first)
    assert isinstance(await pool.run("a", GOOD, DRAFT, 2), Transformed)


async def test_who_stops_waiting_leaves_its_place() -> None:
    pool = TransformationPool(Limits(), threads=1)
    tasks = [asyncio.create_task(pool.run("a", HOSTILE, DRAFT)) for _ in range(3)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(await pool.run("a", GOOD, DRAFT, 1), Transformed)


def _clocks() -> int:
    return sum(thread.name == "transformation clock" for thread in threading.enumerate())


def test_threads_that_want_the_sandbox_at_once_make_one() -> None:
    process_sandbox()
    before, start = _clocks(), threading.Barrier(8)

    def make() -> int:
        start.wait()
        return id(process_sandbox())

    pools._sandbox.cache_clear()
    with ThreadPoolExecutor(8) as threads:
        made = {task.result() for task in [threads.submit(make) for _ in range(8)]}
    assert made == {id(process_sandbox())}
    assert _clocks() == before + 1


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("function handler(w) { throw 'it is not called' }", None),
        ("const handler = (w) => w", None),
        ("def handler(w): return w", "line 1: SyntaxError"),
        ("var a = 1;\nvar b = ;", "line 2: SyntaxError"),
        ("const handle = (w) => w", "must declare a function named handler"),
        ("const handler = 'no function'", "must declare a function named handler"),
        ("null.x; function handler(w) { return w }", "line 1: TypeError"),
        ("while (true);", "too long"),
        ("function handler(w) { return w }\0", "NUL"),
    ],
)
async def test_code_that_could_never_work_is_told_from_code_that_may(code: str, reason: str | None) -> None:
    failed = await TransformationPool(Limits()).check("a", code)
    assert failed is None if reason is None else failed is not None and reason in failed.reason
