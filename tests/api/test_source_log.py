"""Logs of sources: what was rejected, and why."""

import httpx

from app import clock, ids
from app.db.session import Database
from app.db.source.purge import purge_source_logs
from app.receiving.record import Received
from tests import factories
from tests.factories import INGEST


async def test_what_was_rejected_is_shown_with_the_reason(client: httpx.AsyncClient, database: Database) -> None:
    source = (await factories.create_source(client, uid="payments"))["id"]
    headers = (("content-type", "text/plain"), ("x-forwarded-for", "a"), ("x-forwarded-for", "b"))
    received = Received("POST", "", headers, b"caf\xc3\xa9 \xff")
    log = await factories.record_rejected(database.pool, source, "The signature is another.", received)
    for reference in (source, "payments"):
        (entry,) = (await client.get(f"{INGEST}/source/{reference}/log")).json()["data"]
        assert entry.pop("created_at") == entry.pop("updated_at")
        assert entry == {
            "id": log,
            "source_id": source,
            "status_code": 401,
            "error_text": "The signature is another.",
            "headers": {"content-type": "text/plain", "x-forwarded-for": "a, b"},
            "payload": "café \ufffd",
        }


async def test_the_newest_are_first_and_they_are_paged_there_and_back(
    client: httpx.AsyncClient, database: Database
) -> None:
    source = (await factories.create_source(client))["id"]
    path = f"{INGEST}/source/{source}/log"
    made = [await factories.record_rejected(database.pool, source) for _ in range(5)]
    assert all(ids.is_id(log, "log") for log in made)
    first = (await client.get(path, params={"limit": 2})).json()
    second = (await client.get(path, params={"limit": 2, "iterator": first["iterator"]})).json()
    newest = sorted(made, reverse=True)
    assert [entry["id"] for entry in (*first["data"], *second["data"])] == newest[:4]
    back = (await client.get(path, params={"limit": 2, "iterator": second["prevIterator"]})).json()
    assert [entry["id"] for entry in back["data"]] == newest[:2]
    oldest = (await client.get(path, params={"order": "ascending", "limit": 1})).json()["data"]
    assert [entry["id"] for entry in oldest] == [newest[-1]]


async def test_nobody_else_sees_them(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient, database: Database
) -> None:
    source, other = [(await factories.create_source(client))["id"] for _ in range(2)]
    await factories.record_rejected(database.pool, source)
    assert (await stranger.get(f"{INGEST}/source/{source}/log")).status_code == 404
    assert (await client.get(f"{INGEST}/source/{other}/log")).json()["data"] == []


async def test_the_old_ones_are_forgotten(client: httpx.AsyncClient, database: Database) -> None:
    source = (await factories.create_source(client))["id"]
    pool = database.pool
    old = [await factories.record_rejected(pool, source) for _ in range(5)]
    kept = await factories.record_rejected(pool, source)
    await pool.execute(
        "UPDATE source_logs SET created_at = $2::timestamptz - interval '31 days' WHERE id = ANY ($1::text[])",
        *(old, clock.now()),
    )
    assert await purge_source_logs(pool, 30, bite=2) >= len(old)
    shown = (await client.get(f"{INGEST}/source/{source}/log")).json()["data"]
    assert [entry["id"] for entry in shown] == [kept]
