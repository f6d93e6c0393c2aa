"""The worker's loop: how it begins, and ends."""

import asyncio
import threading
import time
from pathlib import Path

import asyncpg
import pytest
from celery.platforms import EX_FAILURE
from celery.worker import state
from pydantic import SecretStr

from app.db.preflight import require_ready
from app.sealing import Sealer
from app.settings import Settings
from tests.worker.stage import staged
from worker import transformer
from worker.runtime import Runtime


def test_a_worker_that_waits_for_its_database_ends_at_once_when_it_is_told_to(
    settings: Settings, closed_port: int
) -> None:
    runtime = Runtime(settings.model_copy(update={"db_dsn": f"postgresql://nobody@127.0.0.1:{closed_port}/none"}))
    runtime.start()
    time.sleep(0.5)
    before = time.monotonic()
    runtime.stop()
    assert time.monotonic() - before < 1


def test_a_loop_that_ends_by_itself_ends_the_worker_with_a_failure(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "should_stop", None)
    runtime = Runtime(settings.model_copy(update={"main_secret": SecretStr("")}))
    runtime.start()
    deadline = time.monotonic() + 5
    while state.should_stop is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert state.should_stop == EX_FAILURE
    runtime.stop()


async def test_a_worker_waits_for_the_migrations_and_then_delivers(
    settings: Settings, empty_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    health = tmp_path / "health"
    monkeypatch.setenv("POSTRIDER_HEALTH_FILE", str(health))
    connection = await asyncpg.connect(empty_dsn)
    await connection.execute("ALTER TABLE schema_migrations RENAME TO hidden")
    runtime = Runtime(settings.model_copy(update={"db_dsn": empty_dsn}))
    runtime.start()
    try:
        await asyncio.sleep(1)
        assert not health.exists()
        await connection.execute("ALTER TABLE hidden RENAME TO schema_migrations")
        async with asyncio.timeout(15):
            while not health.exists():
                await asyncio.sleep(0.05)
    finally:
        await connection.close()
        await asyncio.to_thread(runtime.stop)


async def test_a_worker_with_another_main_secret_ends_with_a_failure(
    settings: Settings, empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "should_stop", None)
    connection = await asyncpg.connect(empty_dsn)
    await require_ready(connection, Sealer(["the first one"]))
    await connection.close()
    runtime = Runtime(settings.model_copy(update={"db_dsn": empty_dsn}))
    runtime.start()
    async with asyncio.timeout(5):
        while state.should_stop is None:
            await asyncio.sleep(0.01)
    assert state.should_stop == EX_FAILURE
    runtime.stop()


async def test_a_worker_makes_the_sandbox_in_a_thread_if_an_endpoint_has_code_and_not_otherwise(
    settings: Settings, empty_dsn: str, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(transformer, "process_sandbox", lambda: asked.append(threading.current_thread().name))
    async with staged(settings.model_copy(update={"db_dsn": empty_dsn}), token) as stage:
        path = f"/app/{stage.application}/endpoint/{await stage.endpoint('https://example.com/')}/transformation"
        code = "function handler(webhook) { return webhook }"
        for enabled, names in ((False, []), (True, ["making the sandbox"])):
            answer = await stage.client.patch(path, json={"code": code, "enabled": enabled})
            assert answer.status_code == 204, answer.text
            await transformer.prepare(stage.database.pool)
            for thread in threading.enumerate():
                if thread.name == "making the sandbox":
                    await asyncio.to_thread(thread.join)
            assert asked == names
