"""What is sealed: which columns there are, and how they come under another main secret while everything runs."""

import asyncio
import base64
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import asyncpg
import httpx
import orjson
import pytest
from fastapi import FastAPI

from app.cli.embedded import binaries
from app.db.endpoint.model import open_secrets
from app.db.sealed.columns import SEALED
from app.db.sealed.rotation import Progress, count_keys, reseal
from app.db.session import Database
from app.sealing import Sealer
from app.settings import Settings
from app.tokens import issue
from tests import factories

OLD: Final = "the main secret that everything is sealed with at first"
NEW: Final = "the main secret that everything is to be sealed with"
CANARY: Final = "canary-4711"
# Bytes that nobody needs a key for: what senders and receivers said, and hashes.
OPEN_BYTES: Final = {
    *("messages.payload", "messages.stored_digest", "messages.transformations_params", "attempts.response"),
    "broadcasts.payload",
    *("idempotency_keys.key", "idempotency_keys.request_hash", "api_tokens.hash", "one_time_tokens.hash"),
    *("idempotent_responses.request_hash", "svix_imported_rows.digest"),
    # What arrived is content, as payloads are, and is kept without the values of credentials.
    *("messages.received", "source_logs.received", "source_tokens.hash"),
    # The headers of an answer, the same.
    "attempts.exchange",
    # Hashes: of random texts, of addresses, and Argon2's of passwords.
    *("web_sessions.hash", "users.invitation", "users.password", "sign_in_failures.subject"),
}


@pytest.fixture
async def connection(empty_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """To a database of the test's own."""
    opened = await asyncpg.connect(empty_dsn)
    yield opened
    await opened.close()


def own(settings: Settings, dsn: str, *secrets: str) -> Settings:
    values = settings.model_dump() | {"db_dsn": dsn, "main_secret": ",".join(secrets)}
    return Settings.model_validate(values)


async def seed(client: httpx.AsyncClient, count: int) -> list[tuple[str, str]]:
    """Endpoints with everything that is sealed; the paths of each, and its signing secret."""
    application = (await factories.create_application(client))["id"]
    made = []
    for number in range(count):
        secret = f"whsec_{'QUJDREVG' * 4}{number:04d}"
        path = f"/app/{application}/endpoint/"
        path += (await factories.create_endpoint(client, application, secret=secret))["id"]
        for part, body in {
            "headers": {"headers": {"X-Key": CANARY}},
            "authentication": {"type": "basic", "username": "a", "password": CANARY},
        }.items():
            assert (await client.put(f"{path}/{part}", json=body)).status_code == 204
        made.append((path, secret))
    return made


def organizations_token(settings: Settings) -> str:
    assert settings.jwt_secret is not None
    return issue(settings.jwt_secret.get_secret_value(), settings.jwt_algorithm)


async def run(connection: asyncpg.Connection, sealer: Sealer, batch: int = 500) -> Progress:
    """One round to its end."""
    rounds = [progress async for progress in reseal(connection, sealer, batch)]
    return rounds[-1] if rounds else Progress()


async def under(connection: asyncpg.Connection, secret: str) -> int:
    """How many values are sealed with a main secret."""
    key_id = Sealer([secret]).key_id
    return sum(count.values for count in await count_keys(connection) if count.key_id == key_id)


async def test_every_column_of_bytes_is_sealed_or_needs_not_be(database: Database) -> None:
    found = await database.pool.fetch(
        "SELECT c.relname || '.' || a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
        " AND a.atttypid = 'bytea'::regtype AND NOT a.attisdropped AND a.attnum > 0"
    )
    sealed = {f"{table.table}.{column}" for table in SEALED for column in table.columns}
    assert {row[0] for row in found} == sealed | OPEN_BYTES


async def test_everything_comes_under_the_new_secret_and_the_old_one_can_go(
    empty_dsn: str, connection: asyncpg.Connection, settings: Settings
) -> None:
    token = organizations_token(settings)
    async with factories.running(own(settings, empty_dsn, OLD)) as app, factories.client_of(app, token) as client:
        endpoints = await seed(client, 3)
        assert (await client.delete(endpoints[2][0])).status_code == 204
    before = await connection.fetch("SELECT id, revision, updated_at FROM endpoints ORDER BY id")
    progress = await run(connection, Sealer([NEW, OLD]), batch=2)
    assert (progress.seen, progress.replaced, progress.broken) == (4, 4, [])
    assert (await under(connection, OLD), await under(connection, NEW)) == (0, 10)
    assert (await run(connection, Sealer([NEW, OLD]))).seen == 0
    # For workers nothing has changed, not even for what they learned of an endpoint.
    assert await connection.fetch("SELECT id, revision, updated_at FROM endpoints ORDER BY id") == before
    async with factories.running(own(settings, empty_dsn, NEW)) as app, factories.client_of(app, token) as client:
        for path, secret in endpoints[:2]:
            assert (await client.get(f"{path}/secret")).json() == {"key": secret}
            assert (await client.get(f"{path}/headers")).json()["headers"] == {"X-Key": CANARY}
            assert (await client.get(f"{path}/authentication")).json()["username"] == "a"


async def test_tokens_that_can_be_read_again_come_under_the_new_secret(
    empty_dsn: str, connection: asyncpg.Connection, settings: Settings
) -> None:
    token = organizations_token(settings)
    async with factories.running(own(settings, empty_dsn, OLD)) as app, factories.client_of(app, token) as client:
        application = (await factories.create_application(client))["id"]
        assert (await client.post(f"/app/{application}/poller", json={"uid": "p"})).status_code == 201
        path = f"/auth/app/{application}/poller/p/token"
        made = (await client.post(f"{path}/rotate", json={})).json()
        access = (await client.post(f"/auth/app-portal-access/{application}", json={})).json()
    await run(connection, Sealer([NEW, OLD]))
    assert await under(connection, OLD) == 0
    one_time = orjson.loads(base64.b64decode(access["url"].partition("#key=")[2]))["oneTimeToken"]
    async with factories.running(own(settings, empty_dsn, NEW)) as app, factories.client_of(app, token) as client:
        assert (await client.get(path)).json() == made
        exchanged = await client.post("/auth/one-time-token", json={"oneTimeToken": one_time})
        assert exchanged.json()["token"] == access["token"]


async def test_a_rotation_that_was_stopped_goes_on_where_it_was(
    empty_dsn: str, connection: asyncpg.Connection, settings: Settings
) -> None:
    async with (
        factories.running(own(settings, empty_dsn, OLD)) as app,
        factories.client_of(app, organizations_token(settings)) as client,
    ):
        await seed(client, 5)
    round_one = reseal(connection, Sealer([NEW, OLD]), 2)
    assert (await anext(round_one)).replaced == 2
    await round_one.aclose()
    assert await under(connection, NEW) == 6
    assert (await run(connection, Sealer([NEW, OLD]), 2)).replaced == 4
    assert await under(connection, OLD) == 0


async def test_a_change_that_comes_between_is_kept(
    empty_dsn: str, connection: asyncpg.Connection, settings: Settings
) -> None:
    async with (
        factories.running(own(settings, empty_dsn, OLD, NEW)) as app,
        factories.client_of(app, organizations_token(settings)) as client,
    ):
        ((path, _),) = await seed(client, 1)

        class Slow(Sealer):
            """Reads a value, and is overtaken before it is written."""

            def resealed(self, sealed: bytes, identity: str) -> bytes:
                if identity.startswith("ep_") and not changed.is_set():
                    changed.set()
                    asyncio.run_coroutine_threadsafe(change(), loop).result(10)
                return super().resealed(sealed, identity)

        async def change() -> None:
            answer = await client.put(f"{path}/headers", json={"headers": {"X-Key": "changed"}})
            assert answer.status_code == 204

        changed, loop = asyncio.Event(), asyncio.get_running_loop()

        def rotate() -> Progress:
            async def work() -> Progress:
                own_connection = await asyncpg.connect(empty_dsn)
                try:
                    return await run(own_connection, Slow([NEW, OLD]))
                finally:
                    await own_connection.close()

            return asyncio.run(work())

        progress = await asyncio.to_thread(rotate)
        assert (progress.seen, progress.replaced) == (2, 1)
        assert (await run(connection, Sealer([NEW, OLD]))).replaced == 1
        assert (await client.get(f"{path}/headers")).json()["headers"] == {"X-Key": "changed"}
    assert await under(connection, OLD) == 0


async def test_what_cannot_be_opened_is_named_and_left_as_it_is(
    empty_dsn: str, connection: asyncpg.Connection, settings: Settings
) -> None:
    async with (
        factories.running(own(settings, empty_dsn, OLD)) as app,
        factories.client_of(app, organizations_token(settings)) as client,
    ):
        (path, _), (other, _) = await seed(client, 2)
    # Moved from one row to another: it does not open there.
    ids = [one.rpartition("/")[2] for one in (path, other)]
    await connection.execute("UPDATE endpoints SET headers = (SELECT headers FROM endpoints WHERE id = $1)", ids[0])
    kept = await connection.fetchval("SELECT headers FROM endpoints WHERE id = $1", ids[1])
    progress = await run(connection, Sealer([NEW, OLD]))
    (broken,) = progress.broken
    assert broken.startswith(f"endpoints.headers of {ids[1]}")
    assert await connection.fetchval("SELECT headers FROM endpoints WHERE id = $1", ids[1]) == kept
    assert await under(connection, OLD) == 1
    row = await connection.fetchrow("SELECT id, secrets FROM endpoints WHERE id = $1", ids[1])
    assert open_secrets(Sealer([NEW]), row["id"], row["secrets"])[0].key.startswith("whsec_")


async def test_a_dump_of_the_database_holds_no_secret(empty_dsn: str, settings: Settings, tmp_path: Path) -> None:
    token = organizations_token(settings)
    async with factories.running(own(settings, empty_dsn, OLD)) as app, factories.client_of(app, token) as client:
        secrets = [secret for _, secret in await seed(client, 2)] + [CANARY, OLD, token]
        organization = (await client.get("/auth/whoami")).json()["envId"]
        path = f"/management/authentication/{organization}/api-token"
        secrets.append((await client.post(path, json={"name": "x"})).json()["token"])
        application = (await client.get("/app")).json()["data"][0]["id"]
        access = (await client.post(f"/auth/app-portal-access/{application}", json={"sessionId": "s"})).json()
        async with factories.client_of(app, access["token"]) as portal:
            assert (await portal.post("/auth/logout")).status_code == 204
        secrets.append(access["token"])
        generated = (await factories.create_endpoint(client, application))["id"]
        secret_path = f"/app/{application}/endpoint/{generated}/secret"
        secrets.append((await client.get(secret_path)).json()["key"])
        assert (await client.post(f"{secret_path}/rotate", json={})).status_code == 204
        secrets.append((await client.get(secret_path)).json()["key"])
    dumped = await asyncio.to_thread(dump, empty_dsn)
    assert application in dumped
    for secret in secrets:
        text = secret.removeprefix("whsec_")
        assert text not in dumped
        # As pg_dump writes bytes.
        assert text.encode().hex() not in dumped
    assert "whsec_" not in dumped
    assert "sk_" not in dumped.replace("task_", "")


def dump(dsn: str) -> str:
    command: list[str | Path] = [binaries() / "pg_dump", "--data-only", dsn]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


async def test_nothing_fails_while_it_is_sealed_anew(
    empty_dsn: str, connection: asyncpg.Connection, settings: Settings
) -> None:
    """Secrets are read and written by an API that has both main secrets, the new one second, as before a restart."""
    async with (
        factories.running(own(settings, empty_dsn, OLD, NEW)) as app,
        factories.client_of(app, organizations_token(settings)) as client,
    ):
        endpoints = await seed(client, 6)
        done = asyncio.Event()
        asked = await asyncio.gather(_use(app, client, endpoints, done), _rotate(empty_dsn, done))
        assert asked[0] > 10
        # What was written meanwhile is under the old one, which that API still seals with.
        await run(connection, Sealer([NEW, OLD]))
        for path, secret in endpoints:
            assert (await client.get(f"{path}/secret")).json() == {"key": secret}
    assert await under(connection, OLD) == 0


async def _use(app: FastAPI, client: httpx.AsyncClient, endpoints: list[tuple[str, str]], done: asyncio.Event) -> int:
    asked = 0
    while not done.is_set() or asked <= 10:
        path, secret = endpoints[asked % len(endpoints)]
        assert (await client.get(f"{path}/secret")).json() == {"key": secret}
        written = await client.patch(f"{path}/headers", json={"headers": {"X-Count": str(asked)}})
        assert written.status_code == 204
        read = (await client.get(f"{path}/headers")).json()["headers"]
        assert read == {"X-Key": CANARY, "X-Count": str(asked)}
        asked += 1
    return asked


async def _rotate(dsn: str, done: asyncio.Event) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for _ in range(3):
            async for _progress in reseal(connection, Sealer([NEW, OLD]), 2):
                await asyncio.sleep(0)
    finally:
        await connection.close()
        done.set()
