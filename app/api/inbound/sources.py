"""Sources, ready to receive for: found by the token in their URL, opened and parsed once a second at most."""

import asyncio
import ipaddress
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Final

import asyncpg
from cachetools import TTLCache

from app import clock
from app.db.source.lookup import FoundSource, find_by_token
from app.db.source.model import parse_sealed
from app.errors import NotFound
from app.receiving.contract import Config, Provider
from app.receiving.registry import all_providers
from app.sealing import Sealer

# What was changed about a source holds after so long in each process.
_FRESH_SECONDS: Final = 1.0
# One that is asked for after so long is looked up anew meanwhile, so that where much arrives nobody waits for that.
_AGAIN_SECONDS: Final = 0.75
_MOST_KNOWN: Final = 50_000
# What nobody has is not looked up again at once: whoever guesses asks for something else each time.
_MOST_UNKNOWN: Final = 1000

_MOST_LOOK_UPS: Final = 4
TOKEN_LENGTH: Final = 43
UNKNOWN: Final = "No source has this URL: it was deleted, or its token was rotated. Copy the source's ingestUrl anew."

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class OpenSource:
    """A source with its rule. `config` holds its secrets."""

    found: FoundSource
    provider: Provider
    config: Config = field(repr=False)
    methods: frozenset[str]
    networks: tuple[Network, ...] | None
    # As it was then, by the monotonic clock.
    found_at: float

    @property
    def id(self) -> str:
        return self.found.id

    @property
    def is_verified(self) -> bool:
        """Whether what arrives must prove whose it is."""
        return self.provider.verifies(self.config)

    def admits(self, address: str | None) -> bool:
        """Whether requests may come from an address; None: it is not known."""
        if self.networks is None:
            return True
        try:
            client = client_address(address)
        except ValueError:
            return False
        return any(client in network for network in self.networks)

    def is_over(self) -> bool:
        """Whether the URL that it was found by is no longer its own."""
        return self.found.expires_at is not None and self.found.expires_at <= clock.now()


class Sources:
    """A cache of sources by their tokens. Belongs to one event loop."""

    def __init__(self, pool: asyncpg.Pool, sealer: Sealer, patience: float) -> None:
        """`patience`: seconds after which a look-up is given up."""
        self._pool = pool
        self._sealer = sealer
        self._patience = patience
        self._known: TTLCache[str, OpenSource] = TTLCache(_MOST_KNOWN, _FRESH_SECONDS)
        self._unknown: TTLCache[str, bool] = TTLCache(_MOST_UNKNOWN, _FRESH_SECONDS)
        self._finding: dict[str, asyncio.Task[OpenSource | None]] = {}
        # Whoever guesses must not take all connections.
        self._turns = asyncio.Semaphore(_MOST_LOOK_UPS)

    def cached(self, token: str) -> OpenSource | None:
        """The source, if it was found a moment ago."""
        known = self._known.get(token)
        if known is not None and monotonic() - known.found_at > _AGAIN_SECONDS:
            self._look_up(token)
        return known

    async def find(self, token: str) -> OpenSource | None:
        """The source, None if nobody's URL has this token. Raises what the database raises, and TimeoutError."""
        if (known := self._known.get(token)) is not None:
            return known
        if len(token) != TOKEN_LENGTH or self._unknown.get(token):
            return None
        return await asyncio.shield(self._look_up(token))

    async def renew(self, token: str, since: float) -> OpenSource:
        """The source as it is at `since` (monotonic) or later. Raises NotFound, and as `find` does."""
        while True:
            found = await asyncio.shield(self._look_up(token))
            if found is None:
                raise NotFound(UNKNOWN)
            # A look-up that was under way may have begun before.
            if found.found_at >= since:
                return found

    def forget(self, token: str) -> None:
        """Look it up anew the next time."""
        self._known.pop(token, None)

    def _look_up(self, token: str) -> "asyncio.Task[OpenSource | None]":
        """Those who wait for the same source share one look-up, which outlives any of them."""
        task = self._finding.get(token)
        if task is None:
            task = self._finding[token] = asyncio.create_task(self._find(token))
            task.add_done_callback(partial(self._found, token))
        return task

    def _found(self, token: str, task: "asyncio.Task[OpenSource | None]") -> None:
        del self._finding[token]
        if not task.cancelled():
            # Also so that an error which nobody waited for is no warning.
            task.exception()

    async def _find(self, token: str) -> OpenSource | None:
        at = monotonic()
        async with asyncio.timeout(self._patience), self._turns:
            found = await find_by_token(self._pool, token)
        if found is None or (provider := all_providers().get(found.provider)) is None:
            self._unknown[token] = True
            self.forget(token)
            return None
        sealed = parse_sealed(None if found.sealed is None else self._sealer.open(found.sealed, found.id))
        networks = None if found.allowed_networks is None else tuple(map(_network, found.allowed_networks))
        # Of what is secret only what may be rotated is in `secrets`.
        config = Config(sealed.secrets, {**found.options, **sealed.others})
        methods = provider.methods if found.methods is None else frozenset(found.methods)
        opened = OpenSource(found, provider, config, methods, networks, at)
        self._known[token] = opened
        return opened


def client_address(text: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Where a request comes from, as allowed networks name it. ValueError if that is not known."""
    address = ipaddress.ip_address((text or "").partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _network(text: str) -> Network:
    return ipaddress.ip_network(text, strict=False)
