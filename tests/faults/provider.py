"""A provider that posts events to a source of a run, and sends each again until it hears that it was taken in."""

import asyncio
import random
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import asyncpg
import httpx
import orjson
import stripe

from app import clock
from tests import factories
from tests.faults.run import Run

_CONNECTIONS: Final = 16
# Of the answers that it hears, some are lost on the provider's side.
_SENT_AGAIN: Final = 0.1
_PATIENCE: Final = 60.0

_MESSAGES: Final = "SELECT count(*) FROM messages WHERE application_id = $1"


@dataclass
class Provider:
    """Stripe, as far as a source can tell. What it has sent, and what was answered."""

    run: Run
    url: str
    secret: str
    client: httpx.AsyncClient
    rng: random.Random
    # The bodies of the events that it has begun to send, with their ids; and with which signatures each was sent.
    events: dict[bytes, str] = field(default_factory=dict)
    signatures: dict[str, set[str]] = field(default_factory=dict)
    # Events that were answered with 2xx.
    accepted: set[str] = field(default_factory=set)
    # What was answered, or raised, in its place.
    refusals: Counter[str] = field(default_factory=Counter)
    # How many requests there were of events that may have been stored before.
    repeated: int = 0

    async def post(self, count: int) -> None:
        """Post so many new events, several at a time. TimeoutError if one is not taken in for a minute."""
        numbers = iter(range(count))

        async def post_in_turn() -> None:
            for _ in numbers:
                await self.post_one()

        async with asyncio.TaskGroup() as group:
            for _ in range(_CONNECTIONS):
                group.create_task(post_in_turn())

    async def post_one(self) -> None:
        """Post one new event until it is taken in, and some once more."""
        event_id = f"evt_{len(self.events):06}{self.rng.randbytes(6).hex()}"
        body = self._body(event_id)
        self.events[body], self.signatures[event_id] = event_id, set()
        async with asyncio.timeout(_PATIENCE):
            while not await self._send(event_id, body):
                await asyncio.sleep(self.rng.uniform(0.02, 0.2))
            self.accepted.add(event_id)
            if self.rng.random() < _SENT_AGAIN:
                self.repeated += 1
                while not await self._send(event_id, body):
                    await asyncio.sleep(self.rng.uniform(0.02, 0.2))

    async def until_accepted(self, count: int, seconds: float = _PATIENCE) -> None:
        """The middle of the run: so many were answered with 2xx."""
        async with asyncio.timeout(seconds):
            while len(self.accepted) < count:
                await asyncio.sleep(0.002)

    async def messages(self) -> int:
        """How many messages have come of all that it sent."""
        connection = await asyncpg.connect(self.run.installation.dsn)
        try:
            found: int = await connection.fetchval(_MESSAGES, self.run.application)
            return found
        finally:
            await connection.close()

    @property
    def altered(self) -> int:
        """Arrivals that are not, byte for byte, what was sent, with a signature that it was sent with."""
        return sum(
            not self._is_as_sent(arrival.body, arrival.headers.get("stripe-signature", ""))
            for arrival in self.run.receiver.arrivals
        )

    @property
    def message_ids(self) -> dict[str, set[str]]:
        """The `webhook-id`s with which each event arrived."""
        found: dict[str, set[str]] = {}
        for arrival in self.run.receiver.arrivals:
            event_id = self.events.get(arrival.body)
            if event_id is not None:
                found.setdefault(event_id, set()).add(arrival.headers["webhook-id"])
        return found

    def _is_as_sent(self, body: bytes, signature: str) -> bool:
        event_id = self.events.get(body)
        if event_id is None or signature not in self.signatures[event_id]:
            return False
        try:
            stripe.WebhookSignature.verify_header(body, signature, self.secret)
        except stripe.SignatureVerificationError:
            return False
        return True

    async def _send(self, event_id: str, body: bytes) -> bool:
        """One request, signed anew as Stripe signs each try; whether it was answered with 2xx."""
        signature = stripe.WebhookSignature.generate_signature_header(body.decode(), self.secret, int(clock.unix()))
        self.signatures[event_id].add(signature)
        headers = {"stripe-signature": signature, "content-type": "application/json; charset=utf-8"}
        try:
            answer = await self.client.post(self.url, content=body, headers=headers)
        except httpx.TransportError as error:
            self.refusals[type(error).__name__] += 1
            self.repeated += not isinstance(error, httpx.ConnectError)
            return False
        if answer.is_success:
            return True
        self.refusals[str(answer.status_code)] += 1
        return False

    def _body(self, event_id: str) -> bytes:
        """An event that is not written as any JSON library of ours would write it."""
        note = "".join(self.rng.choices('aé漢🜚 /\t"\\', k=self.rng.randrange(400)))
        text = orjson.dumps(note).decode().replace("/", "\\/")
        amount = self.rng.choice(("1.10", "1e3", "-0.0", "12345678901234567890123"))
        invoice = f'{{"amount": {amount}, "note": {text}, "z": 1, "a": "\\u00e9\\ud83d\\ude00"}}'
        head = f'{{\n  "id": "{event_id}", "object":"event" ,"type": "invoice.paid",\r\n'
        return f'{head}  "data": {{"object": {invoice}}}\n}}\n'.encode()


@asynccontextmanager
async def provider_of(run: Run, rng: random.Random) -> AsyncIterator[Provider]:
    """A provider with a source whose events become messages of the run's application."""
    secret = f"whsec_{secrets.token_hex(16)}"
    source = await factories.create_source(run.client, config={"secret": secret}, applicationId=run.application)
    limits = httpx.Limits(max_connections=_CONNECTIONS)
    async with httpx.AsyncClient(limits=limits, timeout=10, trust_env=False, verify=False) as client:
        yield Provider(run, source["ingestUrl"], secret, client, rng)
