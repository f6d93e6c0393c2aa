"""Payloads leave before their messages when their organization says so, and never before they are delivered."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from app import clock, ids
from app.db.audit.trail import record
from app.db.organization.payload_retention import keep_payloads
from app.settings import Settings
from tests import factories
from tests.worker.stage import Stage, staged
from worker.retention import forget_payloads


@pytest.fixture
async def stage(settings: Settings, empty_dsn: str, token: str) -> AsyncIterator[Stage]:
    async with staged(settings.model_copy(update={"db_dsn": empty_dsn}), token) as set_up:
        yield set_up


async def _keep(stage: Stage, organization_id: str, days: int | None) -> None:
    async with stage.database.transaction() as session:
        await keep_payloads(session, organization_id, days)


async def _published(stage: Stage, days_ago: float, application: str | None = None) -> str:
    at = clock.now() - timedelta(days=days_ago)
    return await factories.record_message(stage.database.pool, application or stage.application, at)


async def _with_payload(stage: Stage) -> set[str]:
    rows = await stage.database.pool.fetch("SELECT id FROM messages WHERE payload IS NOT NULL")
    return {row["id"] for row in rows}


async def test_an_organization_keeps_its_payloads_for_so_many_days_and_nobody_elses(
    stage: Stage, organization_id: str
) -> None:
    old, older, new = [await _published(stage, days) for days in (30.01, 300, 29.99)]
    foreign = await _published(stage, 300, ids.new_id("app"))
    said_so = await _published(stage, 31)
    await stage.database.pool.execute("UPDATE messages SET payload_days = 90 WHERE id = $1", said_so)
    assert await forget_payloads(stage.database.pool, None) == 0
    await _keep(stage, organization_id, 30)
    assert await forget_payloads(stage.database.pool, None) == 2
    assert await _with_payload(stage) == {new, foreign, said_so}
    for message in (old, older):
        shown = await stage.client.get(f"/app/{stage.application}/msg/{message}")
        assert shown.json()["payload"] == {"expired": True}
        resent = await stage.client.post(f"/app/{stage.application}/msg/{message}/endpoint/ep/resend")
        assert resent.status_code == 404
    # It goes on from where it was, also with another number of days.
    assert await forget_payloads(stage.database.pool, None) == 0
    await _keep(stage, organization_id, 60)
    assert await forget_payloads(stage.database.pool, None) == 0
    await _keep(stage, organization_id, 29)
    assert await forget_payloads(stage.database.pool, None) == 1
    assert await _with_payload(stage) == {foreign, said_so}
    await _keep(stage, organization_id, None)
    await _published(stage, 300)
    assert await forget_payloads(stage.database.pool, None) == 0


async def test_a_payload_that_is_still_to_be_delivered_stays_until_that_has_ended(
    stage: Stage, organization_id: str
) -> None:
    pool = stage.database.pool
    by_organization = await _published(stage, 10)
    by_publisher = str((await factories.publish(stage.client, stage.application, payloadRetentionPeriod=5))["id"])
    for message in (by_organization, by_publisher):
        await factories.queue_delivery(pool, stage.application, message, "ep", clock.now())
    await _keep(stage, organization_id, 7)
    for _ in range(2):
        await pool.execute("UPDATE payload_expiries SET expires_at = now() - interval '1 second'")
        await forget_payloads(pool, None)
        assert await _with_payload(stage) == {by_organization, by_publisher}
    later = await pool.fetch("SELECT message_id FROM payload_expiries WHERE expires_at > now()")
    assert {row["message_id"] for row in later} == {by_organization, by_publisher}
    await pool.execute("DELETE FROM pending_deliveries")
    await pool.execute("UPDATE payload_expiries SET expires_at = now() - interval '1 second'")
    assert await forget_payloads(pool, None) == 2
    assert await _with_payload(stage) == set()
    assert await pool.fetchval("SELECT count(*) FROM payload_expiries") == 0


async def test_much_is_forgotten_in_bites_and_to_its_end(stage: Stage, organization_id: str) -> None:
    pool = stage.database.pool
    await pool.execute(
        "INSERT INTO messages (id, application_id, event_type, payload)"
        " SELECT left($1, 24) || lpad(n::text, 7, '0'), $2, 'invoice.paid', '{}' FROM generate_series(1, 2500) n",
        *(ids.floor_id("msg", clock.now() - timedelta(days=20)), stage.application),
    )
    await pool.execute(
        "INSERT INTO payload_expiries (expires_at, message_id)"
        " SELECT now() - interval '1 minute', $1 || n FROM generate_series(1, 2500) n",
        "msg_of_a_week_that_was_dropped",
    )
    await _keep(stage, organization_id, 7)
    assert await forget_payloads(pool, None) == 5000
    assert await _with_payload(stage) == set()
    assert await pool.fetchval("SELECT count(*) FROM payload_expiries") == 0


async def test_a_change_of_how_long_payloads_are_kept_is_told_to_the_audit_log(
    stage: Stage, organization_id: str
) -> None:
    async with stage.database.transaction() as session:
        trail = record(session)
        for days in (7, 7, None):
            await keep_payloads(session, organization_id, days)
    assert [change["fields"] for change in trail.changes] == [
        {"payload_retention_days": {"before": None, "after": None}}
    ]
    async with stage.database.transaction() as session:
        trail = record(session)
        await keep_payloads(session, organization_id, 7)
    assert [change["fields"] for change in trail.changes] == [{"payload_retention_days": {"before": None, "after": 7}}]
