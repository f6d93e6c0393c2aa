"""Payloads in the payload store, from publishing to forgetting: nothing is lost, half written or sent wrongly."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app import clock, weeks
from app.payload_store.store import open_store
from app.settings import Settings
from tests import factories
from tests.payload_store.s3 import make_bucket, s3_server
from tests.receiver import Receiver
from tests.worker.stage import Stage, staged
from worker.retention import forget_old, forget_payloads

LARGE = {"id": "in_1", "text": "ü\u0001" * 10_000}


@pytest.fixture
async def stage(settings: Settings, empty_dsn: str, token: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """With a folder as payload store."""
    async with staged(_with_store(settings, empty_dsn, f"file://{tmp_path / 'payloads'}"), token) as set_up:
        yield set_up


def _with_store(settings: Settings, dsn: str, url: str) -> Settings:
    values = {"db_dsn": dsn, "payload_store": url, "payload_store_min_bytes": 8192}
    return Settings.model_validate(settings.model_dump() | values)


async def _delivered(stage: Stage, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while await stage.pending():
            await asyncio.sleep(0.02)


async def _row(stage: Stage, message: str) -> dict[str, Any]:
    row = await stage.database.pool.fetchrow(
        "SELECT payload, stored_bytes, stored_digest FROM messages WHERE id = $1", message
    )
    return dict(row)


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def _spoil(folder: Path) -> None:
    (file,) = folder.rglob("msg_*")
    file.write_bytes(file.read_bytes()[:-2] + b"!}")


GONE = {"payload": None, "stored_bytes": None, "stored_digest": None}


async def test_a_large_payload_is_delivered_and_shown_as_it_was_published(
    stage: Stage, receiver: Receiver, tmp_path: Path
) -> None:
    first, second = await stage.endpoint(receiver.url), await stage.endpoint(receiver.url)
    body = b'{"eventType": "invoice.paid", "payload": {"a": 1.10,  "a": "%b"}}' % (b"x" * 9000)
    payload = body.partition(b'"payload": ')[2][:-1]
    answer = await stage.client.post(f"/app/{stage.application}/msg", content=body)
    assert answer.status_code == 202
    message = answer.json()["id"]
    stored = {"payload": None, "stored_bytes": len(payload), "stored_digest": hashlib.sha256(payload).digest()}
    assert await _row(stage, message) == stored
    assert _files(tmp_path) == [message]
    small = (await factories.publish(stage.client, stage.application))["id"]
    async with stage.draining():
        await _delivered(stage)
    bodies = {arrival.headers["webhook-id"]: arrival.body for arrival in receiver.arrivals}
    assert bodies == {message: payload, small: b'{"id":"in_1"}'}
    assert len(receiver.arrivals) == 4
    shown = await stage.client.get(f"/app/{stage.application}/msg/{message}")
    assert payload in shown.content
    assert (await stage.client.get(f"/app/{stage.application}/msg/{message}?with_content=false")).json()[
        "payload"
    ] == {}
    listed = (await stage.client.get(f"/app/{stage.application}/msg")).content
    assert payload in listed
    assert b'{"id":"in_1"}' in listed
    for endpoint in (first, second):
        attempted = await stage.client.get(f"/app/{stage.application}/endpoint/{endpoint}/msg")
        assert payload in attempted.content


async def test_over_s3_it_is_the_same(settings: Settings, empty_dsn: str, token: str, receiver: Receiver) -> None:
    with s3_server() as endpoint:
        values = {
            "db_dsn": empty_dsn,
            "payload_store": make_bucket(endpoint, "bucket"),
            "payload_store_min_bytes": 8192,
        }
        own = Settings.model_validate({**settings.model_dump(), **values})
        async with staged(own, token) as stage:
            await stage.endpoint(receiver.url)
            message = (await factories.publish(stage.client, stage.application, payload=LARGE))["id"]
            async with stage.draining():
                await _delivered(stage)
            assert json.loads(receiver.arrivals[0].body) == LARGE
            assert (await stage.client.get(f"/app/{stage.application}/msg/{message}")).json()["payload"] == LARGE
            expunged = await stage.client.delete(f"/app/{stage.application}/msg/{message}/content")
            assert expunged.status_code == 204
            store = open_store(own)
            assert store is not None
            assert await store.groups() == []


async def test_while_the_store_is_away_publishing_is_refused_and_nothing_is_stored(
    stage: Stage, receiver: Receiver, tmp_path: Path
) -> None:
    await stage.endpoint(receiver.url)
    (tmp_path / "payloads").write_text("in its place")
    body = {"eventType": "invoice.paid", "payload": LARGE}
    for _ in range(3):
        answer = await stage.client.post(f"/app/{stage.application}/msg", json=body)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert "payload store" in answer.json()["detail"]
        assert int(answer.headers["retry-after"]) > 0
    assert await stage.database.pool.fetchval("SELECT count(*) FROM messages") == 0
    # Small ones have nothing to do with it.
    await factories.publish(stage.client, stage.application)
    assert await stage.pending() == 1


async def test_while_the_store_is_away_deliveries_wait_and_are_not_counted_as_tried(
    stage: Stage, receiver: Receiver, tmp_path: Path
) -> None:
    await stage.endpoint(receiver.url)
    message = (await factories.publish(stage.client, stage.application, payload=LARGE))["id"]
    place, aside = tmp_path / "payloads", tmp_path / "aside"
    place.rename(aside)
    async with stage.draining() as drain:
        async with asyncio.timeout(5):
            while not await stage.database.pool.fetchval("SELECT next_attempt_at > now() FROM pending_deliveries"):
                await asyncio.sleep(0.02)
        assert await stage.database.pool.fetchval("SELECT tries FROM pending_deliveries") == 0
        assert (await stage.states(), receiver.arrivals) == ({}, [])
        aside.rename(place)
        await stage.database.pool.execute("UPDATE pending_deliveries SET next_attempt_at = now()")
        drain.ring(range(64))
        await _delivered(stage)
    assert await stage.states() == {message: (0, 1)}
    assert json.loads(receiver.arrivals[0].body) == LARGE


async def test_an_object_that_was_changed_is_never_sent(stage: Stage, receiver: Receiver, tmp_path: Path) -> None:
    await stage.endpoint(receiver.url)
    message = (await factories.publish(stage.client, stage.application, payload=LARGE))["id"]
    _spoil(tmp_path)
    async with stage.draining():
        async with asyncio.timeout(5):
            while not await stage.database.pool.fetchval("SELECT next_attempt_at > now() FROM pending_deliveries"):
                await asyncio.sleep(0.02)
    assert receiver.arrivals == []
    shown = await stage.client.get(f"/app/{stage.application}/msg/{message}")
    assert shown.json()["payload"] == {"expired": True}


async def test_an_expunged_payload_is_gone_from_the_store_and_what_was_due_is_canceled(
    stage: Stage, receiver: Receiver, tmp_path: Path
) -> None:
    await stage.endpoint(receiver.url)
    message = (await factories.publish(stage.client, stage.application, payload=LARGE))["id"]
    path = f"/app/{stage.application}/msg/{message}"
    place, aside = tmp_path / "payloads", tmp_path / "aside"
    place.rename(aside)
    place.write_text("in its place")
    assert (await stage.client.delete(f"{path}/content")).status_code == 503
    place.unlink()
    aside.rename(place)
    assert (await _row(stage, message))["stored_bytes"]
    async with asyncio.timeout(5):
        while (expunged := await stage.client.delete(f"{path}/content")).status_code == 503:
            await asyncio.sleep(0.1)
    assert expunged.status_code == 204
    assert (_files(tmp_path), await _row(stage, message)) == ([], GONE)
    assert (await stage.client.get(path)).json()["payload"] == {"expired": True}
    async with stage.draining():
        await _delivered(stage)
    assert await stage.states() == {message: (4, 0)}
    assert receiver.arrivals == []


async def test_a_refused_message_leaves_no_object(stage: Stage, tmp_path: Path) -> None:
    body = {"eventType": "invoice.paid", "payload": LARGE, "eventId": "paid-1"}
    headers = {"idempotency-key": "key"}
    answers = [
        (await stage.client.post(f"/app/{stage.application}/msg", json=sent, headers=headers)).status_code
        for sent in (body, body, body | {"eventType": "other"})
    ]
    assert answers == [202, 202, 409]
    assert (await stage.client.post("/app/nobody/msg", json=body)).status_code == 404
    assert (await stage.client.post("/app/app_2srOrx2ZWZBpBUvZwXKQmoEYga2/msg", json=body)).status_code == 404
    assert len(_files(tmp_path)) == 1


async def test_a_resent_message_takes_its_place_in_the_line_of_its_payload(stage: Stage, receiver: Receiver) -> None:
    endpoint = await stage.endpoint(receiver.url, orderedBy="/id")
    message = (await factories.publish(stage.client, stage.application, payload=LARGE))["id"]
    lines = "SELECT line FROM pending_deliveries"
    line = await stage.database.pool.fetchval(lines)
    assert line != 0
    async with stage.draining():
        await _delivered(stage)
    resent = await stage.client.post(f"/app/{stage.application}/msg/{message}/endpoint/{endpoint}/resend")
    assert resent.status_code == 202
    assert await stage.database.pool.fetchval(lines) == line


async def test_a_week_takes_its_objects_along_but_those_that_are_still_due(stage: Stage, tmp_path: Path) -> None:
    pool, store = stage.database.pool, open_store(stage.settings)
    assert store is not None
    old = clock.now() - timedelta(weeks=5)
    await pool.execute("SELECT ensure_partitions(0, $1)", old)
    made = []
    for pending in (False, True):
        message = await factories.record_message(pool, stage.application, old, payload=None)
        stored = await store.put(message, b"{}")
        await pool.execute(
            "UPDATE messages SET stored_bytes = $2, stored_digest = $3 WHERE id = $1",
            *(message, stored.size, stored.digest),
        )
        if pending:
            await factories.queue_delivery(pool, stage.application, message, "ep", clock.now())
        made.append(message)
    orphan, new = factories.id_at("msg", old), factories.id_at("msg", clock.now())
    for message in (orphan, new):
        await store.put(message, b"{}")
    await forget_old(pool, store, 0)
    assert len(_files(tmp_path)) == 4
    await forget_old(pool, store, 14)
    assert _files(tmp_path) == sorted([made[1], new])
    await pool.execute("DELETE FROM pending_deliveries")
    await forget_old(pool, store, 14)
    assert _files(tmp_path) == [new]
    assert [path.name for path in (tmp_path / "payloads").iterdir()] == [weeks.name(weeks.week_of(clock.now()))]


async def test_a_payload_goes_when_its_publisher_wanted_it_to_and_the_store_follows(
    stage: Stage, tmp_path: Path
) -> None:
    pool, store = stage.database.pool, open_store(stage.settings)
    for payload in ({"id": "in_1"}, LARGE):
        await factories.publish(stage.client, stage.application, payload=payload, payloadRetentionPeriod=5)
        await factories.publish(stage.client, stage.application, payload=payload)
    assert await forget_payloads(pool, store) == 0
    await pool.execute("UPDATE payload_expiries SET expires_at = now() - interval '1 second'")
    (tmp_path / "payloads").rename(tmp_path / "aside")
    (tmp_path / "payloads").write_text("in its place")
    assert await forget_payloads(pool, open_store(stage.settings)) == 2
    # The one in the store is kept, with its row, until the store is there.
    assert await pool.fetchval("SELECT count(*) FROM payload_expiries WHERE expires_at > now()") == 1
    (tmp_path / "payloads").unlink()
    (tmp_path / "aside").rename(tmp_path / "payloads")
    await pool.execute("UPDATE payload_expiries SET expires_at = now() - interval '1 second'")
    assert await forget_payloads(pool, store) == 1
    gone = await pool.fetchval(
        "SELECT count(*) FROM messages WHERE payload IS NULL AND stored_digest IS NULL AND payload_days = 5"
    )
    assert gone == 2
    assert await pool.fetchval("SELECT count(*) FROM payload_expiries") == 0
    kept = await pool.fetch("SELECT id FROM messages WHERE stored_digest IS NOT NULL")
    assert _files(tmp_path) == [row["id"] for row in kept]


async def test_a_large_payload_comes_with_its_application_or_with_a_body_in_its_place(
    stage: Stage, receiver: Receiver, tmp_path: Path
) -> None:
    new = {"name": "Acme Inc.", "uid": "acme"}
    late = {"eventType": "a", "payload": LARGE, "application": new, "deliverAt": "2020-01-01T00:00:00Z"}
    assert (await stage.client.post("/app/acme/msg", json=late)).status_code == 422
    assert _files(tmp_path) == []
    body = {"eventType": "a", "payload": LARGE, "application": new}
    made = (await stage.client.post("/app/acme/msg", json=body)).json()
    assert _files(tmp_path) == [made["id"]]
    assert (await stage.client.get(f"/app/acme/msg/{made['id']}")).json()["payload"] == LARGE
    await stage.endpoint(receiver.url)
    raw = {"rawPayload": "raw", "headers": {"content-type": "text/plain"}}
    await factories.publish(stage.client, stage.application, payload=LARGE, transformationsParams=raw)
    async with stage.draining():
        await _delivered(stage)
    (arrival,) = receiver.arrivals
    assert (arrival.body, arrival.headers["content-type"]) == (b"raw", "text/plain")
