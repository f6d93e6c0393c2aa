"""`postrider storage` says what is stored and what leaves when; `keep-payloads` says how long payloads stay."""

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app import clock, ids, weeks
from app.cli.process import CannotRun
from app.cli.storage_report import set_payload_days, size
from app.payload_store.store import open_store
from app.settings import load
from tests import factories
from tests.cli.command import one_line, postrider

WEEK = timedelta(weeks=1)


async def _json(folder: Path, dsn: str, **settings: str) -> dict[str, Any]:
    ran = await asyncio.to_thread(postrider, folder, "storage", "--json", DB_DSN=dsn, **settings)
    assert (ran.returncode, ran.stderr) == (0, "")
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


async def test_it_shows_what_is_stored_what_leaves_when_and_what_it_comes_to(
    folder: Path, tmp_path: Path, empty_dsn: str
) -> None:
    now = clock.now()
    this, old = weeks.week_of(now), now - 3 * WEEK
    pool = await asyncpg.create_pool(empty_dsn, min_size=1, max_size=1)
    await pool.execute("SELECT ensure_partitions(0, $1)", old)
    for at in (old, now):
        message = await factories.record_message(pool, "app", at, payload=b"x" * 1500)
        await factories.record_delivery(pool, "app", message, "ep")
        await factories.record_attempt(pool, "app", message, "ep", at)
    await factories.queue_delivery(pool, "app", factories.id_at("msg", now - 20 * WEEK), "ep", now)
    # What this connection has counted is known to all before it is counted anew.
    await pool.execute("SELECT pg_stat_force_next_flush()")
    await pool.execute("ANALYZE")
    await pool.close()
    store = open_store(load(_env_file=None, payload_store=f"file://{tmp_path / 'payloads'}"))
    assert store is not None
    await store.put(ids.new_id("msg"), b"x" * 1000)
    url = f"file://{tmp_path / 'payloads'}"
    found = await _json(folder, empty_dsn, RETENTION_DAYS="14", PAYLOAD_STORE=url)
    kinds = {kind["name"]: kind for kind in found["kinds"]}
    assert [kinds[name]["rows"] for name in ("messages", "deliveries", "attempts", "queue")] == [2, 2, 2, 1]
    assert datetime.fromisoformat(kinds["messages"]["oldest"]) - old < timedelta(seconds=1)
    assert datetime.fromisoformat(kinds["messages"]["newest"]) - now < timedelta(seconds=1)
    # A table's part for large values takes a page while it is empty.
    assert 3000 <= kinds["payloads"]["bytes"] <= 100_000
    assert (kinds["payload store"]["rows"], kinds["payload store"]["bytes"]) == (1, 1000)
    assert sum(kind["bytes"] for name, kind in kinds.items() if name != "payload store") == found["bytes"]
    week = weeks.week_of(old)
    assert [(w["week"], w["rows"]) for w in found["weeks"]] == [(str(week), 3), (str(this), 3)]
    assert datetime.fromisoformat(found["weeks"][0]["leavesAt"]) == weeks.end(week) + timedelta(days=14)
    assert found["dueAlthoughOld"] == 1
    history = sum(week["bytes"] for week in found["weeks"])
    assert found["bytesPerDay"] > 0
    # The empty weeks that are there already are history too.
    assert found["bytesPerDay"] * 21 < found["steadyBytes"] < found["bytes"] - history + found["bytesPerDay"] * 21 + 1


async def test_without_a_terminal_it_prints_plain_lines(folder: Path, empty_dsn: str) -> None:
    ran = await asyncio.to_thread(postrider, folder, "storage", DB_DSN=empty_dsn, RETENTION_DAYS="0")
    assert ran.returncode == 0, ran.stderr
    assert "\x1b" not in ran.stdout
    assert "all of Postgres" in ran.stdout
    assert "kept for ever" in ran.stdout


async def test_without_a_database_it_says_in_one_line_where_it_looked(folder: Path) -> None:
    ran = await asyncio.to_thread(postrider, folder, "storage")
    assert ran.returncode == 75
    assert "POSTRIDER_DB_DSN" in one_line(ran.stderr)


async def test_how_long_payloads_are_kept_is_set_for_one_organization(folder: Path, empty_dsn: str) -> None:
    organization = ids.new_id("org")
    ran = await asyncio.to_thread(
        postrider, folder, "keep-payloads", "7", "--organization", organization, DB_DSN=empty_dsn
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert one_line(ran.stdout).startswith(f"Payloads of {organization} are kept for 7 days")
    connection = await asyncpg.connect(empty_dsn)
    kept = await connection.fetch("SELECT id, payload_retention_days FROM organizations")
    entries = await connection.fetch("SELECT operation, actor_kind FROM audit_entries")
    await connection.close()
    assert [tuple(row) for row in kept] == [(organization, 7)]
    assert [tuple(entry) for entry in entries] == [("cli.keep-payloads", "operator")]


@pytest.mark.parametrize(
    ("organization", "days"),
    [("org_x", "7"), *((ids.DEFAULT_ORGANIZATION_ID, days) for days in ("0", "-1", "1.5", "ever", "4000"))],
)
def test_what_is_no_number_of_days_or_no_organization_is_refused(organization: str, days: str) -> None:
    with pytest.raises(CannotRun) as refused:
        set_payload_days(organization, days)
    assert refused.value.code == 2
    assert repr(organization if organization == "org_x" else days) in str(refused.value)


def test_sizes_are_for_people() -> None:
    sizes = [0, 1023, 1024, 1536, 150 * 1024, 2**20, 3.25 * 2**40]
    assert [size(number) for number in sizes] == ["0 B", "1023 B", "1.0 kB", "1.5 kB", "150 kB", "1.0 MB", "3.2 TB"]
