"""Background tasks: whose turn it is, how many there may be, and what they leave to deliveries."""

import asyncio
import time
from collections import Counter as Tally
from collections.abc import AsyncIterator

import asyncpg
import pytest

from app import ids
from app.db.background_task import table
from app.db.background_task.bites import Progress, Task, take
from app.db.background_task.model import TaskKind
from app.db.session import Database
from app.errors import Conflict
from app.settings import Settings
from tests.servers import Servers
from tests.worker.counting import KIND, Counter, let_time_pass, secluded, seen, start, work

MANY = """
INSERT INTO background_tasks (id, organization_id, application_id, kind, arguments, next_bite_at)
SELECT 'qtask_' || lpad(i::text, 27, '0'), 'org_' || i % $1::int, 'app_' || i % $2::int, 'application.stats',
       '{}', now()
FROM generate_series(1, $3::int) i
"""


@pytest.fixture(scope="module")
async def own(settings: Settings, servers: Servers) -> AsyncIterator[Database]:
    async with secluded(settings, servers) as database:
        yield database


@pytest.fixture
async def alone(own: Database) -> Database:
    """A database in which nobody else starts tasks, or does them; there are none yet."""
    await own.pool.execute("DELETE FROM background_tasks")
    return own


async def whose(database: Database) -> tuple[str, str | None]:
    """Whose task is next."""
    async with database.pool.acquire() as connection, connection.transaction():
        task = await take(connection, [KIND])
        assert task is not None
        return task.organization_id, task.application_id


async def test_an_organizations_new_tasks_do_not_keep_anothers_from_going_on(alone: Database) -> None:
    other = await start(alone, 100)
    counter = Counter()
    background = work(alone, counter)
    assert await background.bite()  # It is the others that are new.
    flood = ids.new_id("org")
    for _ in range(table.MOST_OF_APPLICATION):
        await start(alone, 1, flood)
    for _ in range(60):
        assert await background.bite()
    # Every second one by the odds; that it is a fifth, at least, is sure enough.
    assert counter.served.count(other) > 12
    assert len(set(counter.served)) > 12


async def test_an_applications_many_tasks_do_not_keep_its_siblings_from_going_on(alone: Database) -> None:
    organization = ids.new_id("org")
    siblings = dict.fromkeys(("app_b", "app_c", "app_d", "app_e"), 1)
    for application, count in {"app_a": 20, **siblings}.items():
        for _ in range(count):
            await start(alone, 1000, organization, application)
    # Of five applications three come into question at a time, others each second.
    served = Tally[str | None]()
    async with asyncio.timeout(30):
        while len(served) < 5:
            served[(await whose(alone))[1]] += 1
            await asyncio.sleep(0.02)


async def test_of_one_organization_three_tasks_are_under_way_at_most(alone: Database) -> None:
    organization = ids.new_id("org")
    for _ in range(6):
        await start(alone, 1, organization)
    entered, leave = list[str](), asyncio.Event()

    async def handle(_connection: asyncpg.Connection, task: Task) -> Progress:
        entered.append(task.id)
        await leave.wait()
        return Progress(None, {})

    bites = [asyncio.create_task(work(alone, handle).bite()) for _ in range(3)]
    async with asyncio.timeout(5):
        while len(entered) < 3:
            await asyncio.sleep(0.01)
    assert not await work(alone, handle).bite()
    other = await start(alone, 1)
    bites.append(asyncio.create_task(work(alone, handle).bite()))
    async with asyncio.timeout(5):
        while other not in entered:
            await asyncio.sleep(0.01)
    leave.set()
    assert all(await asyncio.gather(*bites))
    assert len(set(entered)) == len(entered) == 4


async def test_the_next_one_of_very_many_is_found_soon(alone: Database) -> None:
    await alone.pool.execute(MANY, 1000, 3000, 10_000)
    await alone.pool.execute("ANALYZE background_tasks")
    found, seconds = set(), []
    for _ in range(4):
        begun = time.perf_counter()
        found.add((await whose(alone))[0])
        seconds.append(time.perf_counter() - begun)
    assert len(found) > 1
    assert min(seconds) < 0.25


@pytest.mark.parametrize(
    ("application", "running", "limit"),
    [
        pytest.param("app_a", "app_a", "MOST_OF_APPLICATION", id="of an application"),
        pytest.param(None, None, "MOST_OF_APPLICATION", id="of the organization itself"),
        pytest.param("app_a", "app_b", "MOST_OF_APPLICATIONS", id="of all applications"),
    ],
)
async def test_more_than_so_many_at_once_are_refused(
    alone: Database, monkeypatch: pytest.MonkeyPatch, application: str | None, running: str | None, limit: str
) -> None:
    organization = ids.new_id("org")
    monkeypatch.setattr(table, limit, 2)
    tasks = [await start(alone, 1, organization, running) for _ in range(2)]
    with pytest.raises(Conflict, match="2 background tasks that have not finished yet") as refused:
        await start(alone, 1, organization, application)
    assert refused.value.error_code == "too_many_background_tasks"
    # They are nobody else's concern, nor that of canceling.
    await start(alone, 1, application=application)
    await start(alone, 1, organization, application, TaskKind.CANCEL)
    if running is not None:
        await start(alone, 1, organization)
    await alone.pool.execute("UPDATE background_tasks SET status = 'finished' WHERE id = $1", tasks[0])
    await start(alone, 1, organization, application)
    await start(alone, 1, organization, application, TaskKind.DELETE_ENVIRONMENT)


async def test_a_bite_has_longer_than_a_statement_of_the_hot_path(alone: Database, settings: Settings) -> None:
    task = await start(alone, 1)
    hurried = Database(settings.model_copy(update={"db_dsn": alone._dsn, "db_statement_timeout": 0.5}))
    await hurried.open()

    async def handle(connection: asyncpg.Connection, _task: Task) -> Progress:
        await connection.execute("SELECT pg_sleep(0.8)")
        with pytest.raises(TimeoutError):
            await hurried.pool.execute("SELECT pg_sleep(0.8)")
        return Progress(None, {})

    assert await work(hurried, handle).bite()
    await hurried.close()
    assert (await seen(alone, task))["status"] == "finished"


async def test_a_task_says_that_it_was_the_database(alone: Database) -> None:
    task, background = await start(alone, 2), work(alone, Counter(broken=TimeoutError()))
    for _ in range(8):
        await let_time_pass(alone)
        assert await background.bite()
    ended = await seen(alone, task)
    data = ended["data"]
    assert isinstance(data, dict)
    assert (ended["status"], "The database" in data["error"]) == ("failed", True)


@pytest.mark.parametrize(("size", "bites"), [(4, 1), (6, 2), (20, 2)])
async def test_bites_leave_a_connection_to_deliveries(
    alone: Database, settings: Settings, size: int, bites: int
) -> None:
    for _ in range(4):
        await start(alone, 1)
    pooled = Database(settings.model_copy(update={"db_dsn": alone._dsn, "db_pool_max_size": size}))
    await pooled.open()
    entered, leave = list[str](), asyncio.Event()

    async def handle(_connection: asyncpg.Connection, task: Task) -> Progress:
        entered.append(task.id)
        await leave.wait()
        return Progress(None, {})

    background = work(pooled, handle)
    running = asyncio.create_task(background.run())
    async with asyncio.timeout(5):
        while len(entered) < bites:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    assert await pooled.pool.fetchval("SELECT 1", timeout=1) == 1
    assert len(entered) == bites
    background.stop()
    leave.set()
    await running
    await pooled.close()
