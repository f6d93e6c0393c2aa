"""A stage for replays: what starts their tasks, does them, and says what became of the deliveries."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from app import clock, ids, tokens
from app.db.ledger.report import Wish, draw_up, ledger_connection
from app.db.session import Database
from app.payload_store.store import open_store
from app.settings import Settings
from tests import factories
from tests.factories import Json
from tests.receiver import Answer, Arrival
from tests.servers import Servers
from tests.worker.stage import Stage, staged, until_done
from worker.background import BackgroundWork
from worker.stored_payloads import StoredPayloads

SINCE: Final = "2000-01-01T00:00:00Z"


@asynccontextmanager
async def theatre(settings: Settings, servers: Servers, payloads: Path) -> AsyncIterator[Stage]:
    """Where a delivery fails for good after two attempts, and payloads of 8 KiB are in a payload store."""
    assert settings.jwt_secret is not None
    name = f"postrider_{ids.new_id('qtask')}"
    values = {
        "db_dsn": await servers.clone(name),
        "retry_schedule": (0,),
        "payload_store": f"file://{payloads}",
        "payload_store_min_bytes": 8192,
    }
    token = tokens.issue(settings.jwt_secret.get_secret_value(), settings.jwt_algorithm, ids.new_id("org"))
    async with staged(Settings.model_validate(settings.model_dump() | values), token) as opened:
        yield opened
    await servers.drop(name)


async def cleared(theatre: Stage) -> Stage:
    """The theatre with an application of its own, and no history."""
    for table in ("background_tasks", "pending_deliveries", "deliveries", "attempts", "messages", "endpoint_health"):
        await theatre.database.pool.execute(f"DELETE FROM {table}")
    await theatre.database.pool.execute("UPDATE endpoints SET deleted_at = now() WHERE deleted_at IS NULL")
    theatre.application = str((await factories.create_application(theatre.client))["id"])
    return theatre


def worker_of(stage: Stage, database: Database | None = None) -> BackgroundWork:
    pool = (database or stage.database).pool
    return BackgroundWork(pool, StoredPayloads(open_store(stage.settings)), lambda shards: None)


async def ask(stage: Stage, endpoint: str, what: str, body: Json, status: int = 202) -> str:
    """Have the API start a task; its id."""
    path = f"/app/{stage.application}/endpoint/{endpoint}/{what}"
    answer = await stage.client.post(path, json=body)
    assert answer.status_code == status, answer.text
    return "" if status == 204 else str(answer.json()["id"])


async def task_of(stage: Stage, task_id: str) -> Json:
    found: Json = (await stage.client.get(f"/background-task/{task_id}")).json()
    return found


async def finish(stage: Stage, task_id: str = "", seconds: float = 10) -> Json:
    """Do what tasks there are, bite by bite, until none is left; what the API shows of one."""
    background = worker_of(stage)
    async with asyncio.timeout(seconds):
        while await stage.database.pool.fetchval("SELECT count(*) FROM background_tasks WHERE status = 'running'"):
            if not await background.bite():
                await asyncio.sleep(0.02)
    return await task_of(stage, task_id) if task_id else {}


async def is_even(stage: Stage) -> bool:
    """Whether all that was accepted is found, and nothing else."""
    assert stage.settings.db_dsn is not None
    async with ledger_connection(stage.settings.db_dsn) as connection:
        ledger = await draw_up(connection, Wish())
    return ledger.total.is_even and not ledger.findings


async def deliver(stage: Stage) -> None:
    async with stage.draining():
        await until_done(stage)


def refusing(messages: Iterable[str]) -> Callable[[Arrival], Answer]:
    """Fails these."""
    fails = set(messages)
    return lambda arrival: Answer(500 if arrival.headers["webhook-id"] in fails else 204)


async def disable(stage: Stage, endpoint: str, *, disabled: bool = True) -> None:
    path = f"/app/{stage.application}/endpoint/{endpoint}"
    assert (await stage.client.patch(path, json={"disabled": disabled})).status_code == 200


def past() -> str:
    return (clock.now() - timedelta(hours=1)).isoformat()


def utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


async def failed(stage: Stage, endpoint: str, at: datetime | None = None) -> str:
    """A message whose delivery failed."""
    message = await factories.record_message(stage.database.pool, stage.application, at)
    await factories.record_delivery(stage.database.pool, stage.application, message, endpoint, 2)
    return message


async def queued(stage: Stage) -> set[str]:
    rows = await stage.database.pool.fetch("SELECT message_id FROM pending_deliveries")
    return {row["message_id"] for row in rows}


async def states_of(stage: Stage, endpoint: str) -> dict[str, int]:
    rows = await stage.database.pool.fetch("SELECT message_id, state FROM deliveries WHERE endpoint_id = $1", endpoint)
    return {row["message_id"]: row["state"] for row in rows}
