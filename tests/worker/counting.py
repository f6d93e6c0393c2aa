"""A stage for background tasks: a database of their own, and tasks that count."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg
import orjson

from app import ids
from app.db.background_task.bites import Progress, Task
from app.db.background_task.model import TaskKind
from app.db.background_task.table import BackgroundTasksTable
from app.db.session import Database, tasks_after_commit
from app.settings import Settings
from tests.servers import Servers
from worker.background import BackgroundWork, Handler
from worker.stored_payloads import StoredPayloads

KIND = TaskKind.APPLICATION_STATS


@dataclass
class Counter:
    """Counts to the task's `to`, one in each bite, and keeps who was served."""

    served: list[str] = field(default_factory=list)
    broken: Exception | None = None
    wait: float = 0.0

    async def __call__(self, connection: asyncpg.Connection, task: Task) -> Progress:
        self.served.append(task.id)
        if self.broken is not None:
            raise self.broken
        counted = (task.cursor or {"at": 0})["at"]
        assert isinstance(counted, int)
        counted += 1
        # Something of its own, to be undone with the bite.
        await connection.execute("UPDATE background_tasks SET arguments = arguments || '{\"bitten\": 1}'")
        done = counted == task.arguments["to"]
        return Progress(None if done else {"at": counted}, {"counted": counted}, wait=self.wait)


@asynccontextmanager
async def secluded(settings: Settings, servers: Servers) -> AsyncIterator[Database]:
    """A database in which nobody else starts tasks, or does them."""
    name = f"postrider_{ids.new_id('qtask')}"
    database = Database(settings.model_copy(update={"db_dsn": await servers.clone(name)}))
    await database.open()
    yield database
    await database.close()
    await servers.drop(name)


async def start(
    database: Database,
    to: int,
    organization: str | None = None,
    application: str | None = None,
    kind: TaskKind = KIND,
) -> str:
    """A task that ends at `to`; of an organization of its own if none is named."""
    async with database.transaction() as session:
        tasks = BackgroundTasksTable(session)
        row = await tasks.start(organization or ids.new_id("org"), application, kind, {"to": to})
        assert tasks_after_commit(session)
        return row.id


def work(database: Database, handler: Handler) -> BackgroundWork:
    return BackgroundWork(database.pool, StoredPayloads(None), lambda shards: None, {KIND: handler})


async def seen(database: Database, task_id: str) -> Mapping[str, object]:
    row = await database.pool.fetchrow("SELECT * FROM background_tasks WHERE id = $1", task_id)
    return {**row, "data": orjson.loads(row["data"])}


async def let_time_pass(database: Database) -> None:
    await database.pool.execute("UPDATE background_tasks SET next_bite_at = now()")
