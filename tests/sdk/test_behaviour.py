"""How the package deals with answers that are lost, and with what it is told."""

import copy
from typing import cast

import attr
import httpx
import pytest
from svix.api import SvixAsync
from svix.api.message import MessageCreateOptions
from svix.exceptions import HttpError, HTTPValidationError
from svix.models import ApplicationIn, EndpointIn, MessageIn

from tests import factories
from tests.sdk.stage import World, connected, staged


class Losing(httpx.AsyncBaseTransport):
    """Loses the first answers, after the server has done what was asked: each is a 503 instead."""

    def __init__(self, count: int) -> None:
        self._inner = httpx.AsyncHTTPTransport()
        self._left = count
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = await self._inner.handle_async_request(request)
        if self._left == 0:
            return answer
        self._left -= 1
        await answer.aread()
        return httpx.Response(503, json={"code": "unavailable", "detail": "lost"}, request=request)

    async def aclose(self) -> None:
        await self._inner.aclose()


def lost_once(world: World, token: str) -> tuple[SvixAsync, Losing]:
    """A client whose first answer is lost, and what it sent."""
    transport = Losing(1)
    client = copy.copy(world.package)
    client._client = attr.evolve(client._client, token=token, retry_schedule=[0.05])
    client._httpx_client = httpx.AsyncClient(transport=transport)
    return client, transport


async def test_a_message_whose_answer_was_lost_is_published_once(world: World) -> None:
    stage = staged(world, sync=False)
    app = await stage.application()
    client, sent = lost_once(world, stage.token())
    made = await client.message.create(app, MessageIn(event_type="a.b", payload={"n": 1}))
    assert [item.id for item in (await stage.svix.message.list(app)).data] == [made.id]
    first, second = (request.headers for request in sent.requests)
    assert first["idempotency-key"] == second["idempotency-key"]
    assert first["idempotency-key"].startswith("auto_")
    assert ("svix-retry-count" in first, second["svix-retry-count"]) == (False, "1")
    await client._httpx_client.aclose()


@pytest.mark.parametrize("what", ["application", "endpoint"])
async def test_a_thing_whose_answer_was_lost_is_made_once(what: str, world: World) -> None:
    stage = staged(world, sync=False)
    app = await stage.application()
    client, sent = lost_once(world, stage.token())
    if what == "application":
        made = (await client.application.create(ApplicationIn(name="Once"))).id
        found = [item.id for item in (await stage.svix.application.list()).data if item.id != app]
    else:
        made = (await client.endpoint.create(app, EndpointIn(url=factories.URL))).id
        found = [item.id for item in (await stage.svix.endpoint.list(app)).data]
    assert found == [made]
    assert len(sent.requests) == 2
    await client._httpx_client.aclose()


async def test_a_key_of_ones_own_is_kept_to(world: World) -> None:
    stage = staged(world, sync=False)
    app = await stage.application()
    options = MessageCreateOptions(idempotency_key="mine")
    body = MessageIn(event_type="a.b", payload={"n": 1})
    first = await stage.svix.message.create(app, body, options)
    assert await stage.svix.message.create(app, body, options) == first
    with pytest.raises(HttpError) as refused:
        await stage.svix.message.create(app, MessageIn(event_type="a.b", payload={"n": 2}), options)
    assert (refused.value.status_code, refused.value.code) == (409, "conflict")


@pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])
async def test_what_is_wrong_with_a_request_is_read(sync: bool, world: World) -> None:
    stage = staged(world, sync=sync)
    with pytest.raises(HTTPValidationError) as invalid:
        await stage.svix.application.create(ApplicationIn(name=""))
    (violation,) = invalid.value.detail
    assert (violation.loc, violation.type) == (["body", "name"], "value_error")
    visitor = connected(world, "nonsense", set(), sync=sync)
    with pytest.raises(HttpError) as refused:
        await visitor.application.list()
    assert (refused.value.status_code, refused.value.code) == (401, "authentication_failed")


async def test_no_token_is_taken_for_one_of_a_region(world: World) -> None:
    # The package reads a server's name from what stands after a token's last dot.
    stage = staged(world, sync=False)
    async with stage.plain() as client:
        path = f"/management/authentication/{stage.organization_id}/api-token"
        made = await client.post(path, json={"name": "Key"})
    for token in (stage.token(), cast("str", made.json()["token"])):
        assert SvixAsync(token)._client.base_url == "https://api.svix.com"
