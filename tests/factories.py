"""Things that tests need to exist, made over the API as a user would make them, and rows that only a worker writes."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any, Final

import asyncpg
import httpx
from fastapi import FastAPI

from app import clock, ids
from app.db.shard.model import shard_of
from app.db.source.lookup import log_rejected
from app.main import create_app
from app.receiving.record import Received, pack
from app.settings import Settings
from tests.answers import answers_of, checking

# A JSON object of the API.
Json = dict[str, Any]

API: Final = "http://postrider.test/api/v1"
INGEST: Final = "http://postrider.test/ingest/api/v1"
URL: Final = "http://127.0.0.1:1024/never-called"


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[FastAPI]:
    """An API process with these settings, its lifespan running."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


def client_of(app: FastAPI, token: str | None = None) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    """A client of the application in this process. Exceptions that the application lets escape reach the test.

    Each answer is compared with the OpenAPI document: AssertionError if it is not as documented.
    """
    headers = {"authorization": f"Bearer {token}"} if token else {}
    checks = {"response": [checking(answers_of(app))]}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=API, headers=headers, event_hooks=checks)


def unique(stem: str) -> str:
    """A name that no other test uses; fit for a uid, an event type or a channel."""
    return f"{stem}-{ids.new_id('qtask')[-12:]}"


async def create_application(client: httpx.AsyncClient, **fields: Any) -> Json:
    """An application, as the API answers it; fields are those of the API."""
    return _created(await client.post("/app", json={"name": "Acme Inc."} | fields))


async def create_event_type(client: httpx.AsyncClient, name: str = "invoice.paid", **fields: Any) -> Json:
    """An event type, as the API answers it."""
    return _created(await client.post("/event-type", json={"name": name, "description": "It happened."} | fields))


async def create_endpoint(client: httpx.AsyncClient, application: str, url: str = URL, **fields: Any) -> Json:
    """An endpoint of an application (its id or uid), as the API answers it."""
    return _created(await client.post(f"/app/{application}/endpoint", json={"url": url} | fields))


async def publish(
    client: httpx.AsyncClient,
    application: str,
    event_type: str = "invoice.paid",
    payload: Json | None = None,
    **fields: Any,
) -> Json:
    """A message, as the API answers it."""
    body = {"eventType": event_type, "payload": {"id": "in_1"} if payload is None else payload} | fields
    return _created(await client.post(f"/app/{application}/msg", json=body))


def ingest(client: httpx.AsyncClient, path: str) -> httpx.URL:
    """The URL of an operation about sources, which are not where the others are."""
    return client.base_url.copy_with(path=f"/ingest/api/v1{path}")


def id_at(prefix: ids.Prefix, at: datetime) -> str:
    """An identifier as it would have been made at that time."""
    first = ids.floor_id(prefix, at)
    while (made := first[:-12] + ids.new_id(prefix)[-12:]) < first:
        pass
    return made


async def create_source(client: httpx.AsyncClient, kind: str = "stripe", **fields: object) -> Json:
    """A source of the client's organization, of one whose config is its secret."""
    body = {"name": unique("source"), "type": kind, "config": {"secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"}}
    return _created(await client.post(ingest(client, "/source"), json={**body, **fields}))


async def record_rejected(
    pool: asyncpg.Pool,
    source_id: str,
    reason: str = "The header stripe-signature is missing.",
    received: Received | None = None,
) -> str:
    """A request that a source rejected a moment ago; the log's id."""
    log_id = ids.new_short_id("log")
    received = received or Received("POST", "", (("content-type", "application/json"),), b"{}")
    await log_rejected(pool, log_id, source_id, 401, reason, pack(received))
    return log_id


async def record_message(
    pool: asyncpg.Pool,
    application_id: str,
    at: datetime | None = None,
    event_type: str = "invoice.paid",
    payload: bytes | None = b'{"id":"in_1"}',
    *,
    event_id: str | None = None,
    channels: list[str] | None = None,
    tags: list[str] | None = None,
) -> str:
    """A message that was published at that time, and nothing to deliver of it; its id."""
    at = at or clock.now()
    message_id = id_at("msg", at)
    await pool.execute(
        "INSERT INTO messages (id, application_id, event_type, event_id, channels, tags, payload, created_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        *(message_id, application_id, event_type, event_id, channels, tags, payload, at),
    )
    if event_id is not None:
        await pool.execute(
            "INSERT INTO message_event_ids (application_id, event_id, message_id) VALUES ($1, $2, $3)",
            *(application_id, event_id, message_id),
        )
    return message_id


async def record_attempt(
    pool: asyncpg.Pool,
    application_id: str,
    message_id: str,
    endpoint_id: str,
    at: datetime | None = None,
    code: int = 200,
    response: bytes = b"ok",
    *,
    trigger: int = 0,
) -> str:
    """An attempt that was made at that time; its id. Any code but 2xx is a failure, 0 is no answer."""
    at = at or clock.now()
    attempt_id = id_at("atmpt", at)
    await pool.execute(
        "INSERT INTO attempts (id, message_id, endpoint_id, application_id, url, status, trigger, response_status_code,"
        " response, response_duration_ms, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        *(attempt_id, message_id, endpoint_id, application_id, URL),
        *(0 if 200 <= code < 300 else 2, trigger, code, response, 12, at),
    )
    return attempt_id


async def record_delivery(
    pool: asyncpg.Pool, application_id: str, message_id: str, endpoint_id: str, state: int = 0
) -> None:
    """How far a delivery is: 0 delivered, 1 due, 2 failed, 4 canceled."""
    await pool.execute(
        "INSERT INTO deliveries (message_id, endpoint_id, application_id, state, attempts) VALUES ($1, $2, $3, $4, 1)",
        *(message_id, endpoint_id, application_id, state),
    )


async def queue_delivery(
    pool: asyncpg.Pool,
    application_id: str,
    message_id: str,
    endpoint_id: str,
    next_attempt_at: datetime,
    tries: int = 0,
) -> None:
    """Something that is still to do."""
    await pool.execute(
        "INSERT INTO pending_deliveries (message_id, endpoint_id, application_id, shard, tries, next_attempt_at)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        *(message_id, endpoint_id, application_id, shard_of(endpoint_id), tries, next_attempt_at),
    )


def _created(response: httpx.Response) -> Json:
    assert response.is_success, f"{response.status_code} {response.text}"
    created: Json = response.json()
    return created
