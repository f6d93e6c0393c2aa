"""Things that tests need to exist, made over the API as a user would make them, and rows that only a worker writes."""

from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import httpx
from fastapi import FastAPI

from app import ids

# A JSON object of the API.
Json = dict[str, Any]

API: Final = "http://postrider.test/api/v1"
URL: Final = "http://127.0.0.1:9/never-called"


def client_of(app: FastAPI, token: str | None = None) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    """A client of the application in this process. Exceptions that the application lets escape reach the test."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=API, headers=headers)


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


def _created(response: httpx.Response) -> Json:
    assert response.is_success, f"{response.status_code} {response.text}"
    created: Json = response.json()
    return created
