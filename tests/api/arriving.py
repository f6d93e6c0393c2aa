"""What providers send, signed as they sign it, for tests of what arrives."""

from dataclasses import dataclass
from typing import Final

import httpx
import orjson

from app import clock, ids
from app.receiving.contract import Config
from app.receiving.registry import all_providers
from tests.factories import Json, create_source

SECRET: Final = "whsec_5d41402abc4b2a76b9719d911017c592"

Header = tuple[str, str]


def stripe_event(event_id: str | None = None, **fields: object) -> bytes:
    """The body of an event."""
    event = {"id": event_id or ids.new_id("qtask"), "type": "invoice.paid", "data": {"object": {"amount": 4200}}}
    return orjson.dumps(event | fields)


def signed(body: bytes, secret: str = SECRET, kind: str = "stripe") -> list[Header]:
    """The headers with which a provider sends a body."""
    made = all_providers()[kind].sign("invoice.paid", body, Config((secret,)), clock.unix(), "")
    return list(made.headers)


@dataclass(frozen=True)
class Inlet:
    """A source, and a provider that posts to it."""

    source: Json
    client: httpx.AsyncClient

    async def post(self, body: bytes, headers: list[Header] | None = None, query: str = "") -> httpx.Response:
        """Post a body as Stripe does, or with other headers."""
        url = self.source["ingestUrl"] + query
        # Without the client's own: nobody who posts has a token.
        return await self.client.post(url, content=body, headers=signed(body) if headers is None else headers)


async def open_inlet(client: httpx.AsyncClient, kind: str = "stripe", **fields: object) -> Inlet:
    """A source of that kind; Stripe's, with SECRET, unless something else is said."""
    fields.setdefault("config", {"secret": SECRET} if kind == "stripe" else None)
    return Inlet(await create_source(client, kind, **fields), client)
