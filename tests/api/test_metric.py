"""What Prometheus scrapes: the figures that the chore kept, and nothing for whoever should not see them."""

from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from app.api.metric.service import MetricService
from app.db.ledger.table import LedgerFigures
from app.db.session import Database
from app.errors import AuthenticationFailed

BALANCE = {
    "messages": 9,
    "accepted": 12,
    "delivered": 5,
    "failed": 1,
    "canceled": 2,
    "due": 3,
    "skipped": 1,
    "missing": 0,
    "surplus": 0,
    "uncounted": 4,
    "span_seconds": 86400.0,
}
QUEUE = {
    "pending": 7,
    "due": 3,
    "oldest_due_seconds": 61.5,
    "unowned": 2,
    "stuck": 1,
    "late": 0,
    "held_back": 4,
}


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[asyncpg.Pool]:
    await database.pool.execute("DELETE FROM ledger_figures")
    yield database.pool
    await database.pool.execute("DELETE FROM ledger_figures")


def scraped(text: str) -> dict[tuple[str, ...], float]:
    """Values by name and labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def caller(app: FastAPI, address: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, client=(address, 4711)), base_url="http://postrider")


async def test_the_ledgers_figures_are_gauges(app: FastAPI, pool: asyncpg.Pool) -> None:
    figures = LedgerFigures(pool)
    await figures.store("balance", 0.5, BALANCE)
    await figures.store("queue", 0.1, QUEUE)
    await pool.execute("UPDATE ledger_figures SET taken_at = now() - interval '90 s' WHERE part = 'queue'")
    async with caller(app, "127.0.0.1") as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    found = scraped(answer.text)
    states = ("accepted", "delivered", "failed", "canceled", "due", "skipped")
    ages = {part: found.pop(("postrider_ledger_age_seconds", part)) for part in ("balance", "queue")}
    assert 0 <= ages["balance"] < 60
    assert 90 <= ages["queue"] < 150
    expected: dict[tuple[str, ...], float] = {
        **{("postrider_ledger_deliveries", state): BALANCE[state] for state in states},
        **{("postrider_ledger_findings", kind): BALANCE[kind] for kind in ("missing", "surplus")},
        **{("postrider_ledger_findings", kind): QUEUE[kind] for kind in ("unowned", "stuck", "late", "held_back")},
        ("postrider_ledger_uncounted_messages",): 4,
        ("postrider_ledger_span_seconds",): 86400,
        ("postrider_queue_pending",): 7,
        ("postrider_queue_due",): 3,
        ("postrider_queue_oldest_due_seconds",): 61.5,
    }
    assert found == expected


async def test_before_the_chore_ran_nothing_is_said(app: FastAPI, pool: asyncpg.Pool) -> None:
    await pool.execute("SELECT 1")
    async with caller(app, "::1") as client:
        assert scraped((await client.get("/metrics")).text) == {}


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.1", "testclient"])
async def test_without_a_token_only_this_machine_may_ask(app: FastAPI, address: str) -> None:
    async with caller(app, address) as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 403
    assert "POSTRIDER_METRICS_TOKEN" in answer.json()["detail"]


async def test_with_a_token_everybody_must_send_it(pool: asyncpg.Pool) -> None:
    service = MetricService(pool, "s3cret")
    await service.text("s3cret", is_local=False)
    for offered in (None, "", "s3cre", "s3cret ", "gräßlich"):
        with pytest.raises(AuthenticationFailed):
            await service.text(offered, is_local=True)
