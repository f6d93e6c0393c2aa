"""An organization that has one of everything that pages show, each with a text that must stay a text."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import orjson

from app import ids
from app.web.web import routes
from tests.factories import Json
from tests.receiver import Answer, Receiver
from worker.runtime import Runtime

MARKER: Final = "hacked"
"""The global variable of a page that any of the texts below would set if it ran."""
_RUN: Final = f"window.{MARKER}=1"
HOSTILE: Final = (
    f"<img src=x onerror={_RUN}>\"'><script>{_RUN}</script><svg/onload={_RUN}>`--></textarea></title></style>"
    f"{{{{7*7}}}}{{% raw %}}${{7*7}}\u2028\u202etxet javascript:{_RUN}//"
)
# What also stands in a header, or in an address.
PLAIN_HOSTILE: Final = f"\"'><script>{_RUN}</script><img src=x onerror={_RUN}>"
ADDRESS: Final = f"https://example.com/?a='><script>{_RUN}</script>&b=javascript:{_RUN}"
SOURCE_SECRET: Final = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
HEADER_SECRET: Final = "Bearer of-a-header-that-is-secret"

# Pages that show more when they are asked for it.
ASKED: Final[dict[str, tuple[str, ...]]] = {
    "/dashboard/source-new": ("", "?kind=hmac", "?search=%3Cscript%3E"),
    "/dashboard/event-type": ("", "?search=%22%3E%3Cscript%3E"),
    "/dashboard/find": ("", "?reference=%22%3E%3Cscript%3E"),
}
_ESTIMATE: Final = "?operation=bulk-replay&span=24h&channel=channel"
for _site in ("/dashboard", "/portal"):
    ASKED[f"{_site}/app/{{app_id}}/endpoint/{{endpoint_id}}/replay/estimate"] = (_ESTIMATE,)
# Not pages: scripts and styles; and what answers whatever has no other answer.
_NO_PAGES: Final = ("/static/", "/{path:path}")
REFUSED: Final = frozenset(
    {
        # Of a way to sign in that is not set up; and for users, where a token has signed in.
        *("/dashboard/sign-in/openid", "/dashboard/sign-in/openid/begin", "/dashboard/account"),
        # Customers publish nothing.
        "/portal/app/{app_id}/msg-new",
    }
)
"""The paths of pages that are refused to everybody here, with their places."""


@dataclass(frozen=True)
class Inventory:
    """What there is. `names` fills the places in the paths of pages; `secrets` must stand in none of them."""

    organization_id: str
    token: str = field(repr=False)
    application: str
    names: dict[str, str]
    secrets: dict[str, str] = field(repr=False)

    def pages(self, prefix: str) -> list[str]:
        """The addresses of all pages of a site. AssertionError for one whose place nothing fills."""
        return [
            path + asked
            for template in sorted(templates_of("GET", prefix) - REFUSED)
            for asked in ASKED.get(template, ("",))
            for path in [self.fill(template)]
        ]

    def forms(self, prefix: str) -> list[str]:
        """The addresses that a site's forms are sent to."""
        return [self.fill(template) for template in sorted(templates_of("POST", prefix))]

    def fill(self, template: str) -> str:
        """A path with ids in its places."""
        names = self.names
        if "/operational-webhook/" in template:
            names = {**names, "endpoint_id": names["operational_id"]}
        try:
            return template.format_map(names)
        except KeyError as name:
            raise AssertionError(
                f"{template} has a place {name}: have tests/web/inventory.py make such a thing, and add it to `names`"
            ) from None


def templates_of(method: str, prefix: str) -> set[str]:
    """The paths of a site, with their places, that take a method."""
    return {
        path
        for path, methods in _routes()
        if method in methods
        and (path == prefix or path.startswith(f"{prefix}/"))
        and not any(part in path for part in _NO_PAGES)
    }


def _routes() -> Iterator[tuple[str, set[str]]]:
    for route in routes():
        # Routers that are included are routes of their own.
        contexts: Any = getattr(route, "effective_route_contexts", lambda route=route: [route])()
        for context in contexts:
            yield context.path, context.methods or set()


async def take_stock(
    client: httpx.AsyncClient, token: str, organization_id: str, receiver: Receiver, runtime: Runtime
) -> Inventory:
    """Make one of everything. `client` speaks to the API below its address of version 1."""
    receiver.answer = lambda _arrival: Answer(500, {"x-hostile": PLAIN_HOSTILE}, HOSTILE.encode())
    looks = {"displayName": HOSTILE[:100], "enableTransformations": True, "customFontFamily": "Open Sans"}
    await _done(client.patch("/management/environment-settings", json=looks))
    await _post(client, "/event-type", name="hostile.type", description=HOSTILE, groupName="group", schemas=_schemas())
    app = await _post(
        client, "/app", name=HOSTILE, uid=f"acme-{organization_id[-9:]}", metadata={HOSTILE[:40]: HOSTILE}
    )
    root = f"/app/{app['id']}"
    quiet = await _post(client, f"{root}/endpoint", url=ADDRESS, description=HOSTILE, disabled=True)
    endpoint = await _post(
        client,
        f"{root}/endpoint",
        url=f"{receiver.url}/?a='",
        description=HOSTILE,
        metadata={HOSTILE[:40]: HOSTILE},
        filterTypes=["hostile.type"],
        uid=f"till-{organization_id[-9:]}",
    )
    headers = {"x-`'hostile": PLAIN_HOSTILE, "authorization": HEADER_SECRET}
    await _done(client.put(f"{root}/endpoint/{endpoint['id']}/headers", json={"headers": headers}))
    # Not enabled, so that what is sent is what was published.
    code = f"/* {HOSTILE} */ function handler(webhook) {{ return webhook }}"
    await _done(client.patch(f"{root}/endpoint/{endpoint['id']}/transformation", json={"code": code}))
    message = await _post(
        client,
        f"{root}/msg",
        eventType="hostile.type",
        payload={HOSTILE: HOSTILE, "nested": [{"html": HOSTILE}]},
        eventId=f"event-{organization_id[-9:]}",
        tags=["tag"],
    )
    runtime.ring(range(64))
    attempt = await _attempt_of(client, root, message["id"])
    source = await _source(client)
    key = await _post(client, f"/management/authentication/{organization_id}/api-token", name=HOSTILE[:100])
    user = await _post(
        client, "/user", email=f"ada-{organization_id[-9:].lower()}@example.com", role="viewer", name=HOSTILE
    )
    task = await _post(client, f"{root}/endpoint/{endpoint['id']}/replay-missing", since="2026-01-31T08:00:00Z")
    operational = await _post(client, "/operational-webhook/endpoint", url=ADDRESS, description=HOSTILE)
    of_operational = f"/operational-webhook/endpoint/{operational['id']}/secret"
    secret = (await _done(client.get(f"{root}/endpoint/{endpoint['id']}/secret")))["key"]
    names = {
        "app_id": app["id"],
        "endpoint_id": endpoint["id"],
        "quiet_id": quiet["id"],
        "msg_id": message["id"],
        "attempt_id": attempt,
        "source_id": source,
        "name": "hostile.type",
        "key_id": key["id"],
        "user_id": user["user"]["id"],
        "task_id": task["id"],
        "operational_id": operational["id"],
        "session_id": ids.new_id("key"),
    }
    secrets = {
        "the endpoint's secret": secret,
        "the operational endpoint's secret": (await _done(client.get(of_operational)))["key"],
        "a header": HEADER_SECRET,
        "the source's secret": SOURCE_SECRET,
        "the session's token": token,
        "an API token": key["token"],
    }
    return Inventory(organization_id, token, app["id"], names, secrets)


async def _source(client: httpx.AsyncClient) -> str:
    """A source, and what it rejected."""
    root = client.base_url.copy_with(path="/ingest/api/v1/source")
    made = await _done(
        client.post(
            root,
            json={"name": HOSTILE, "type": "stripe", "config": {"secret": SOURCE_SECRET}, "metadata": {"a": HOSTILE}},
        )
    )
    arriving = client.base_url.copy_with(path=httpx.URL(made["ingestUrl"]).path)
    headers = {"x-hostile": PLAIN_HOSTILE, "stripe-signature": PLAIN_HOSTILE, "content-type": "text/html"}
    answer = await client.post(arriving, content=HOSTILE.encode(), headers=headers)
    assert answer.status_code == 401, answer.text
    source: str = made["id"]
    return source


async def _attempt_of(client: httpx.AsyncClient, root: str, message: str) -> str:
    """The first attempt to deliver a message, once there is one."""
    for _ in range(200):
        found = (await _done(client.get(f"{root}/attempt/msg/{message}")))["data"]
        if found:
            attempt: str = found[-1]["id"]
            return attempt
        await asyncio.sleep(0.05)
    raise AssertionError("no worker has tried it")


def _schemas() -> Json:
    inner = {"type": "string", "description": HOSTILE, "enum": [HOSTILE], "pattern": HOSTILE[:30].replace("{", "")}
    schema = {"type": "object", "description": HOSTILE, "title": HOSTILE, "properties": {HOSTILE: inner}}
    # The first has an example of its own, the second one that is made up.
    return {"1": schema, "2": {**schema, "examples": [{HOSTILE: HOSTILE}]}}


async def _post(client: httpx.AsyncClient, path: str, **body: Any) -> Json:
    return await _done(client.post(path, json=body))


async def _done(asked: Any) -> Json:
    answer = await asked
    assert answer.is_success, f"{answer.request.url}: {answer.status_code} {answer.text}"
    done: Json = orjson.loads(answer.content) if answer.content else {}
    return done
