"""Forgetting all payloads of an application: all of them, in bites, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app import ids, tokens
from app.payload_store.store import open_store
from app.settings import Settings
from tests import factories
from tests.receiver import Receiver
from tests.servers import Servers
from tests.worker.stage import Stage, staged
from worker.background import BackgroundWork
from worker.stored_payloads import StoredPayloads

LARGE = {"id": "in_1", "text": "x" * 10_000}


@pytest.fixture(scope="module")
async def theatre(
    servers: Servers, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    """With a folder as payload store, and a database in which nobody else has tasks."""
    assert settings.jwt_secret is not None
    name = f"postrider_{ids.new_id('qtask')}"
    values = {
        "db_dsn": await servers.clone(name),
        "payload_store": f"file://{tmp_path_factory.mktemp('store') / 'payloads'}",
        "payload_store_min_bytes": 8192,
    }
    token = tokens.issue(settings.jwt_secret.get_secret_value(), settings.jwt_algorithm, ids.new_id("org"))
    async with staged(Settings.model_validate(settings.model_dump() | values), token) as opened:
        yield opened
    await servers.drop(name)


@pytest.fixture
async def stage(theatre: Stage) -> Stage:
    """With an application of its own."""
    theatre.application = str((await factories.create_application(theatre.client))["id"])
    return theatre


def _place(stage: Stage) -> Path:
    assert stage.settings.payload_store is not None
    return Path(stage.settings.payload_store.get_secret_value().removeprefix("file://"))


def _files(stage: Stage) -> set[str]:
    return {path.name for path in _place(stage).rglob("msg_*")}


async def _purge(stage: Stage) -> str:
    begun = await stage.client.post(f"/app/{stage.application}/msg/expunge-all-contents")
    assert begun.status_code == 202
    return str(begun.json()["id"])


def _work(stage: Stage, rung: set[int] | None = None) -> BackgroundWork:
    heard = set() if rung is None else rung
    return BackgroundWork(stage.database.pool, StoredPayloads(open_store(stage.settings)), heard.update)


async def _let_time_pass(stage: Stage) -> None:
    await stage.database.pool.execute("UPDATE background_tasks SET next_bite_at = now()")


async def _with_payload(stage: Stage) -> set[str]:
    rows = await stage.database.pool.fetch(
        "SELECT id FROM messages WHERE application_id = $1 AND (payload IS NOT NULL OR stored_digest IS NOT NULL)",
        stage.application,
    )
    return {row["id"] for row in rows}


async def test_all_payloads_of_the_application_are_forgotten_wherever_they_are(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("app.db.message.purge", "worker.purge"):
        monkeypatch.setattr(f"{module}.BITE", 2)
    neighbour = str((await factories.create_application(stage.client))["id"])
    foreign = {(await factories.publish(stage.client, neighbour, payload=payload))["id"] for payload in (LARGE, {})}
    for payload in (LARGE, {}, {}, LARGE, LARGE):
        await factories.publish(stage.client, stage.application, payload=payload)
    gone = str((await factories.publish(stage.client, stage.application))["id"])
    await stage.client.delete(f"/app/{stage.application}/msg/{gone}/content")
    await asyncio.sleep(0.005)
    task = await _purge(stage)
    later = {(await factories.publish(stage.client, stage.application))["id"]}
    work, bites = _work(stage), 0
    while await work.bite():
        bites += 1
    assert bites == 4
    assert await _with_payload(stage) == later
    assert _files(stage) & foreign == _files(stage) != set()
    row = await stage.database.pool.fetchrow("SELECT status, data FROM background_tasks WHERE id = $1", task)
    assert row is not None
    assert (row["status"], row["data"]) == ("finished", '{"messagesPurged": 5}')
    kept = await stage.database.pool.fetchval("SELECT count(*) FROM messages WHERE id = ANY ($1)", list(foreign))
    assert kept == 2


async def test_what_was_due_of_a_forgotten_payload_is_canceled_also_in_a_line(stage: Stage, receiver: Receiver) -> None:
    await stage.endpoint(receiver.url, orderedBy="endpoint")
    message = str((await factories.publish(stage.client, stage.application, payload=LARGE))["id"])
    # In a line, and to be tried again in an hour.
    await stage.database.pool.execute("UPDATE pending_deliveries SET next_attempt_at = now() + interval '1 hour'")
    await asyncio.sleep(0.005)
    await _purge(stage)
    rung: set[int] = set()
    assert await _work(stage, rung).bite()
    assert len(rung) == 1
    async with stage.draining(), asyncio.timeout(10):
        while await stage.pending():
            await asyncio.sleep(0.02)
    assert (await stage.states())[message] == (4, 0)
    assert receiver.arrivals == []


async def test_while_the_store_is_away_nothing_is_forgotten_and_then_all_is(stage: Stage) -> None:
    message = str((await factories.publish(stage.client, stage.application, payload=LARGE))["id"])
    await asyncio.sleep(0.005)
    task = await _purge(stage)
    place = _place(stage)
    aside = place.with_name("aside")
    place.rename(aside)
    place.write_text("in its place")
    assert await _work(stage).bite()
    assert await _with_payload(stage) == {message}
    place.unlink()
    aside.rename(place)
    await _let_time_pass(stage)
    assert await _work(stage).bite()
    assert (await _with_payload(stage), message in _files(stage)) == (set(), False)
    assert await stage.database.pool.fetchval("SELECT status FROM background_tasks WHERE id = $1", task) == "finished"


async def test_a_worker_that_is_gone_between_store_and_row_leaves_the_rest_to_another(stage: Stage) -> None:
    message = str((await factories.publish(stage.client, stage.application, payload=LARGE))["id"])
    await asyncio.sleep(0.005)
    await _purge(stage)
    store = open_store(stage.settings)
    assert store is not None
    await store.delete([message])
    assert await _work(stage).bite()
    assert await _with_payload(stage) == set()
