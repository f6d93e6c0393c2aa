"""The official Svix package as the client, over HTTP."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from fastapi import FastAPI
from svix.api import SvixAsync, SvixOptions
from svix.api.application import ApplicationListOptions
from svix.api.event_type import EventTypeDeleteOptions, EventTypeListOptions
from svix.exceptions import HttpError, HTTPValidationError
from svix.models import (
    ApplicationIn,
    ApplicationPatch,
    AppPortalAccessIn,
    EventTypeIn,
    EventTypePatch,
    EventTypeUpsertIn,
)


@pytest.fixture(scope="module")
async def address(app: FastAPI) -> AsyncIterator[str]:
    """Where the application is served on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


@asynccontextmanager
async def connected(address: str, token: str) -> AsyncIterator[SvixAsync]:
    """The package's client. It has no way to close its connections, so that they are closed behind its back."""
    svix = SvixAsync(token, SvixOptions(server_url=address))
    yield svix
    await svix._httpx_client.aclose()


@pytest.fixture
async def svix(address: str, token: str) -> AsyncIterator[SvixAsync]:
    """A client of the test's organization."""
    async with connected(address, token) as client:
        yield client


async def test_the_sdk_keeps_applications(svix: SvixAsync) -> None:
    assert (await svix.application.list()).data == []
    created = await svix.application.create(
        ApplicationIn(name="First", uid="sdk", throttle_rate=5, metadata={"a": "b"})
    )
    assert (created.name, created.uid, created.throttle_rate, created.metadata) == ("First", "sdk", 5, {"a": "b"})
    assert await svix.application.get_or_create(ApplicationIn(name="Other", uid="sdk")) == created
    assert await svix.application.get("sdk") == created
    other = await svix.application.upsert("sdk-2", ApplicationIn(name="Second", uid="sdk-2"))
    renamed = await svix.application.patch("sdk-2", ApplicationPatch(name="Renamed"))
    assert (renamed.id, renamed.name) == (other.id, "Renamed")
    page = await svix.application.list(ApplicationListOptions(limit=1))
    rest = await svix.application.list(ApplicationListOptions(limit=1, iterator=page.iterator))
    assert (page.done, rest.done) == (False, True)
    assert {item.id for item in (*page.data, *rest.data)} == {created.id, other.id}
    await svix.application.delete("sdk-2")
    with pytest.raises(HttpError) as gone:
        await svix.application.get("sdk-2")
    assert (gone.value.status_code, gone.value.code) == (404, "not_found")


async def test_the_sdk_keeps_event_types(svix: SvixAsync) -> None:
    schemas = {"1": {"type": "object"}}
    body = EventTypeIn(name="a.b", description="d", schemas=schemas, feature_flags=["x"], group_name="a")
    created = await svix.event_type.create(body)
    assert (created.name, created.schemas, created.feature_flags, created.group_name) == ("a.b", schemas, ["x"], "a")
    assert await svix.event_type.get("a.b") == created
    assert (await svix.event_type.list(EventTypeListOptions(with_content=True))).data == [created]
    assert (await svix.event_type.list()).data[0].schemas is None
    other = await svix.event_type.upsert("a.c", EventTypeUpsertIn(description="other"))
    changed = await svix.event_type.patch("a.c", EventTypePatch(deprecated=True))
    assert (other.deprecated, changed.deprecated, changed.description) == (False, True, "other")
    await svix.event_type.delete("a.c")
    await svix.event_type.delete("a.b", EventTypeDeleteOptions(expunge=True))
    archived = await svix.event_type.list(EventTypeListOptions(include_archived=True))
    assert [(item.name, item.archived) for item in archived.data] == [("a.c", True)]


async def test_the_sdk_gets_portal_access_and_health(svix: SvixAsync, address: str) -> None:
    application = await svix.application.create(ApplicationIn(name="Portal"))
    access = await svix.authentication.app_portal_access(application.id, AppPortalAccessIn())
    assert access.url.startswith(f"{address}/login#key=")
    async with connected(address, access.token) as portal:
        assert await portal.application.get(application.id) == application
        await portal.authentication.logout()
    await svix.health.get()


async def test_the_sdk_reads_what_is_wrong(svix: SvixAsync) -> None:
    with pytest.raises(HTTPValidationError) as refused:
        await svix.application.create(ApplicationIn(name=""))
    (violation,) = refused.value.detail
    assert (violation.loc, violation.type) == (["body", "name"], "value_error")


async def test_the_sdk_is_told_that_its_token_is_not_good(address: str) -> None:
    async with connected(address, "nonsense") as visitor:
        with pytest.raises(HttpError) as refused:
            await visitor.application.list()
    assert (refused.value.status_code, refused.value.code) == (401, "authentication_failed")
