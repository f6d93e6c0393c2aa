"""Background tasks: bites, failures, and what becomes of the tasks of a worker that is gone. Turns: test_turns.py."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from app import ids
from app.db.background_task.bites import Progress, Task, TaskFailed, WantsPayloads, purge_tasks
from app.db.session import Database
from app.payload_store.stored import StoredPayload
from app.settings import Settings
from tests.servers import Servers
from tests.worker.counting import KIND, Counter, let_time_pass, secluded, seen, start, work
from worker.background import BackgroundWork
from worker.stored_payloads import StoredPayloads


@pytest.fixture(scope="module")
async def own(settings: Settings, servers: Servers) -> AsyncIterator[Database]:
    async with secluded(settings, servers) as database:
        yield database


@pytest.fixture
async def alone(own: Database) -> Database:
    """A database in which nobody else starts tasks, or does them; there are none yet."""
    await own.pool.execute("DELETE FROM background_tasks")
    return own


async def test_a_task_is_done_bite_by_bite_and_then_finished(alone: Database) -> None:
    task, background = await start(alone, 3), work(alone, Counter())
    for counted in (1, 2, 3):
        assert (await seen(alone, task))["status"] == "running"
        assert await background.bite()
        assert (await seen(alone, task))["data"] == {"counted": counted}
    assert (await seen(alone, task))["status"] == "finished"
    assert not await background.bite()


async def test_a_task_that_waits_is_in_nobodys_way(alone: Database) -> None:
    organization, counter = ids.new_id("org"), Counter(wait=60)
    background = work(alone, counter)
    waiting = [await start(alone, 2, organization) for _ in range(4)]
    for _ in waiting:
        assert await background.bite()
    assert sorted(counter.served) == sorted(waiting)
    assert not await background.bite()


async def test_two_workers_never_do_one_task_at_once(alone: Database) -> None:
    task, entered, leave = await start(alone, 1), asyncio.Event(), asyncio.Event()

    async def handle(_connection: asyncpg.Connection, _task: Task) -> Progress:
        entered.set()
        await leave.wait()
        return Progress(None, {})

    first = asyncio.create_task(work(alone, handle).bite())
    await entered.wait()
    assert not await work(alone, handle).bite()
    leave.set()
    assert await first
    assert (await seen(alone, task))["status"] == "finished"


async def test_what_a_dead_worker_had_begun_is_undone_and_goes_on_elsewhere(alone: Database) -> None:
    task, entered = await start(alone, 1), asyncio.Event()

    async def hang(connection: asyncpg.Connection, _task: Task) -> Progress:
        await connection.execute("UPDATE background_tasks SET cursor = '{\"at\": 77}'")
        entered.set()
        await asyncio.Event().wait()
        raise AssertionError

    dead = Database(Settings(db_dsn=alone._dsn, redis_dsn="redis://127.0.0.1:1", jwt_secret="s" * 64, main_secret="m"))
    await dead.open()
    bite = asyncio.create_task(work(dead, hang).bite())
    await entered.wait()
    dead.pool.terminate()
    background = work(alone, Counter())
    async with asyncio.timeout(5):
        while not await background.bite():
            await asyncio.sleep(0.01)
    assert (await seen(alone, task))["data"] == {"counted": 1}
    bite.cancel()
    await asyncio.gather(bite, return_exceptions=True)
    await dead.close()


async def test_a_bite_that_fails_is_undone_and_tried_again_later(alone: Database) -> None:
    task, counter = await start(alone, 2), Counter(broken=ValueError("a bug"))
    background = work(alone, counter)
    assert await background.bite()
    assert not await background.bite()  # Not at once.
    assert (await seen(alone, task))["failures"] == 1
    assert "bitten" not in str((await seen(alone, task))["arguments"])
    counter.broken = None
    await let_time_pass(alone)
    assert await background.bite()
    assert (await seen(alone, task))["failures"] == 0


async def test_a_task_whose_bites_always_fail_ends_with_a_reason(alone: Database) -> None:
    task, counter = await start(alone, 2), Counter()
    background = work(alone, counter)
    assert await background.bite()
    counter.broken = asyncpg.DataError("a value that does not fit")
    for _ in range(8):
        assert (await seen(alone, task))["status"] == "running"
        await let_time_pass(alone)
        assert await background.bite()
    ended = await seen(alone, task)
    assert ended["status"] == "failed"
    data = ended["data"]
    assert isinstance(data, dict)
    assert data["counted"] == 1
    assert "start the task again" in data["error"]


async def test_a_task_that_cannot_be_carried_out_says_why_at_once(alone: Database) -> None:
    task = await start(alone, 2)
    assert await work(alone, Counter(broken=TaskFailed("The endpoint was deleted."))).bite()
    ended = await seen(alone, task)
    assert (ended["status"], ended["data"]) == ("failed", {"error": "The endpoint was deleted."})


async def test_a_kind_that_this_release_does_not_know_is_left_alone(alone: Database) -> None:
    task = await start(alone, 2)
    background = BackgroundWork(alone.pool, StoredPayloads(None), lambda shards: None, {})
    assert not await background.bite()
    assert (await seen(alone, task))["status"] == "running"


async def test_a_bite_gets_the_payloads_that_it_wants_without_a_transaction_meanwhile(alone: Database) -> None:
    task = await start(alone, 2)

    class Store(StoredPayloads):
        async def get(self, stored: StoredPayload) -> bytes:
            # Nobody holds the task.
            await alone.pool.execute("SELECT FROM background_tasks FOR UPDATE NOWAIT")
            return stored.message_id.encode()

    async def handle(_connection: asyncpg.Connection, task: Task) -> Progress | WantsPayloads:
        if "msg_1" not in task.payloads:
            return WantsPayloads([StoredPayload("msg_1", 5, b"")])
        return Progress(None, {"read": task.payloads["msg_1"].decode()})

    background = BackgroundWork(alone.pool, Store(None), lambda shards: None, {KIND: handle})
    assert await background.bite()
    assert (await seen(alone, task))["data"] == {"read": "msg_1"}


async def test_a_ring_has_a_task_begun_at_once_and_stopping_lets_the_bite_end(alone: Database) -> None:
    background = work(alone, Counter())
    running = asyncio.create_task(background.run())
    await asyncio.sleep(0.05)  # It has looked, and waits.
    task = await start(alone, 3)
    background.ring()
    async with asyncio.timeout(0.8):
        while (await seen(alone, task))["status"] != "finished":
            await asyncio.sleep(0.01)
    background.stop()
    async with asyncio.timeout(1):
        await running


async def test_ended_tasks_are_forgotten_after_a_while_and_running_ones_never(alone: Database) -> None:
    background = work(alone, Counter())
    old, recent, running = [await start(alone, to) for to in (1, 1, 10_000)]
    ended = "SELECT count(*) FROM background_tasks WHERE status = 'finished'"
    # Whose turn it is, is drawn by lot.
    while await alone.pool.fetchval(ended) < 2:
        assert await background.bite()
    aged = "UPDATE background_tasks SET id = 'qtask_0' || substr(id, 8), updated_at = now() - interval '31 days'"
    await alone.pool.execute(f"{aged} WHERE id = ANY ($1::text[])", [old, running])
    await purge_tasks(alone.pool, 30, bite=1)
    left = {row["id"] for row in await alone.pool.fetch("SELECT id FROM background_tasks")}
    assert left == {recent, f"qtask_0{running[7:]}"}
