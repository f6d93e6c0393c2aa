"""A running Postrider with the package's client in front of it, and the scenarios that are played there.

A scenario names the methods that it calls. It is written once, for the asynchronous client, and played twice: the
second time each call goes through the blocking client, in a thread.
"""

import asyncio
import copy
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, cast

import attr
import httpx
from svix.api import Svix, SvixAsync, SvixOptions
from svix.api.common import ApiBase

from app import ids, tokens
from app.settings import Settings
from tests import factories
from tests.answers import Answers, check_response, checking
from tests.receiver import Receiver

_SECONDS: Final = 30.0


@dataclass
class World:
    """The servers that all scenarios share; `ring` has the worker look for what is due."""

    settings: Settings
    address: str
    answers: Answers
    receiver: Receiver
    ring: Callable[[], None]
    package: SvixAsync
    blocking: Svix


@dataclass
class Stage:
    """One organization of the world, and which methods have been called for it."""

    world: World
    organization_id: str
    svix: SvixAsync
    called: set[str] = field(default_factory=set)
    sync: bool = False

    async def application(self) -> str:
        """The id of a new application, made without the package."""
        async with self.plain() as client:
            return str((await factories.create_application(client))["id"])

    async def receiving_application(self, **fields: object) -> tuple[str, str]:
        """The ids of a new application and of its endpoint at the world's receiver, made without the package."""
        async with self.plain() as client:
            application = str((await factories.create_application(client))["id"])
            url = f"{self.world.receiver.url}/{application}"
            endpoint = await factories.create_endpoint(client, application, url, **fields)
            return application, str(endpoint["id"])

    def arrived(self, application: str) -> list[bytes]:
        """The bodies that the receiver got for an application."""
        return [found.body for found in self.world.receiver.arrivals if found.path == f"/{application}"]

    def plain(self) -> httpx.AsyncClient:
        """HTTP without the package, for the same organization."""
        headers = {"authorization": f"Bearer {self.token()}"}
        return httpx.AsyncClient(base_url=f"{self.world.address}/api/v1", headers=headers, timeout=30, verify=False)

    def token(self) -> str:
        """A token of the organization."""
        settings = self.world.settings
        assert settings.jwt_secret is not None
        return tokens.issue(settings.jwt_secret.get_secret_value(), settings.jwt_algorithm, self.organization_id)

    def portal(self, token: str) -> SvixAsync:
        """The package's client with another token."""
        return connected(self.world, token, self.called, sync=self.sync)


Scenario = Callable[[Stage], Awaitable[None]]
SCENARIOS: Final[dict[Scenario, frozenset[str]]] = {}
# Those that take longer, because they wait for what others do. The blocking client plays these in the long form only.
WAITING: Final[set[Scenario]] = set()


def covers(*methods: str, waits: bool = False) -> Callable[[Scenario], Scenario]:
    """A scenario that calls these methods, and checks what comes of it; `waits`: for a worker, or for a token's end."""

    def register(scenario: Scenario) -> Scenario:
        SCENARIOS[scenario] = frozenset(methods)
        if waits:
            WAITING.add(scenario)
        return scenario

    return register


def staged(world: World, *, sync: bool) -> Stage:
    """A new organization."""
    stage = Stage(world, ids.new_id("org"), cast("SvixAsync", None), sync=sync)
    stage.svix = connected(world, stage.token(), stage.called, sync=sync)
    return stage


def connected(world: World, token: str, called: set[str], *, sync: bool) -> SvixAsync:
    """One of the package's clients with a token, behind the asynchronous one's face.

    All share their connections: to read the certificates for a new one takes longer than a scenario.
    """
    client = copy.copy(world.blocking if sync else world.package)
    client._client = attr.evolve(client._client, token=token)
    return cast("SvixAsync", _Recorded(client, "", called))


@asynccontextmanager
async def package_of(address: str, answers: Answers) -> AsyncIterator[tuple[SvixAsync, Svix]]:
    """Both clients of a server, whose answers are compared with the document. They cannot close their connections."""
    options = SvixOptions(server_url=address, retry_schedule=[], timeout=60)
    package, blocking = SvixAsync("nobody", options), Svix("nobody", options)
    package._httpx_client.event_hooks = {"response": [checking(answers)]}
    blocking._httpx_client.event_hooks = {"response": [lambda response: _checked(answers, response)]}
    yield package, blocking
    await package._httpx_client.aclose()
    blocking._httpx_client.close()


async def eventually(found: Callable[[], Awaitable[Any]], world: World) -> Any:
    """What is found, once it is something; the worker is rung for meanwhile. TimeoutError if it never is."""
    async with asyncio.timeout(_SECONDS):
        while not (result := await found()):
            world.ring()
            await asyncio.sleep(0.02)
    return result


def _checked(answers: Answers, response: httpx.Response) -> None:
    response.read()
    check_response(answers, response)


class _Recorded:
    """A client, or a resource of one, that notes which methods are called."""

    def __init__(self, target: object, path: str, called: set[str]) -> None:
        self._target = target
        self._path = path
        self._called = called

    def __getattr__(self, name: str) -> object:
        found = getattr(self._target, name)
        path = f"{self._path}{name}"
        if isinstance(found, ApiBase):
            return _Recorded(found, f"{path}.", self._called)

        async def call(*arguments: object, **named: object) -> object:
            self._called.add(path)
            if inspect.iscoroutinefunction(found):
                return await found(*arguments, **named)
            return await asyncio.to_thread(found, *arguments, **named)

        return call
