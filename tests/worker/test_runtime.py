"""The worker's loop: how it ends."""

import time

import pytest
from celery.platforms import EX_FAILURE
from celery.worker import state
from pydantic import SecretStr

from app.settings import Settings
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
