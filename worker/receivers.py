"""Endpoints, ready to send to: parsed, opened and encoded once for each change of their settings."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncpg
import msgspec
from cachetools import LRUCache
from loguru import logger

from app import __version__
from app.db.endpoint.model import LiveSecret, open_headers, open_secrets
from app.db.endpoint.sending import SendingSettings, sending_settings
from app.delivery.signing import SigningKey
from app.delivery.url import Target, parse_url
from app.sealing import SealBroken, Sealer

_STANDARD_HEADERS: Final = {
    "user-agent": f"Postrider/{__version__}",
    "accept": "*/*",
    "content-type": "application/json",
}


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where an endpoint's messages go, and how they are signed. `target` is a text, the reason, if nowhere."""

    revision: int
    url: str
    target: Target | str
    headers: bytes = field(repr=False)
    keys: tuple[tuple[SigningKey, int | None], ...] = field(repr=False)

    def live_keys(self, now: float) -> list[SigningKey]:
        """The keys that sign at a time in unix seconds: the current one, and rotated ones in their grace period."""
        return [key for key, expires_at in self.keys if expires_at is None or expires_at > now]


class Receivers:
    """A cache of receivers. It cannot be stale: the caller says which revision it wants."""

    def __init__(self, pool: asyncpg.Pool, sealer: Sealer) -> None:
        self._pool = pool
        self._sealer = sealer
        self._cache: LRUCache[str, Receiver] = LRUCache(maxsize=50_000)

    async def get(self, wanted: Collection[tuple[str, int]]) -> dict[str, Receiver]:
        """The receivers of endpoints, each at least of the given revision."""
        found: dict[str, Receiver] = {}
        missing: list[str] = []
        for endpoint_id, revision in wanted:
            receiver = self._cache.get(endpoint_id)
            if receiver is not None and receiver.revision >= revision:
                found[endpoint_id] = receiver
            else:
                missing.append(endpoint_id)
        if missing:
            for settings in await sending_settings(self._pool, missing):
                found[settings.id] = self._cache[settings.id] = _receiver(self._sealer, settings)
        return found


def _receiver(sealer: Sealer, settings: SendingSettings) -> Receiver:
    target: Target | str
    try:
        target = parse_url(settings.url)
    except ValueError as error:
        target = str(error)
    try:
        own = open_headers(sealer, settings.id, settings.headers)
        secrets = open_secrets(sealer, settings.id, settings.secrets)
        return Receiver(settings.revision, settings.url, target, _lines(own), _keys(secrets))
    except SealBroken as error:
        # Its deliveries wait in their retries, with this as the reason, until the operator mends the main secret.
        logger.error("an endpoint cannot be sent to: {}", error)
        return Receiver(settings.revision, settings.url, "the endpoint's secrets cannot be opened", b"", ())
    except (ValueError, msgspec.MsgspecError) as error:
        # One endpoint that something else wrote must not end the worker, which delivers for all.
        logger.opt(exception=error).error("{} cannot be sent to: its secrets or headers cannot be read", settings.id)
        return Receiver(settings.revision, settings.url, "the endpoint's secrets or headers cannot be read", b"", ())


def _lines(own: Mapping[str, str]) -> bytes:
    names = {name.lower() for name in own}
    lines = [f"{name}: {value}\r\n" for name, value in _STANDARD_HEADERS.items() if name not in names]
    lines += [f"{name}: {value}\r\n" for name, value in own.items()]
    return "".join(lines).encode("latin-1")


def _keys(secrets: Sequence[LiveSecret]) -> tuple[tuple[SigningKey, int | None], ...]:
    return tuple((SigningKey.parse(secret.key), secret.expires_at) for secret in secrets)
