"""Endpoints, ready to send to: parsed, opened and encoded once for each change of their settings."""

from base64 import b64encode
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, assert_never

import asyncpg
import msgspec
from cachetools import LRUCache
from loguru import logger

from app.db.endpoint.access import (
    BasicAuthentication,
    HeaderAuthentication,
    OAuthAuthentication,
    open_authentication,
    open_identity,
)
from app.db.endpoint.model import LiveSecret, open_headers, open_secrets
from app.db.endpoint.sending import SendingSettings, sending_settings
from app.db.transformation.model import open_transformation
from app.delivery.head import STANDARD_HEADERS, header_lines
from app.delivery.oauth import Bearer, TokenRequest, token_request
from app.delivery.signing import SigningKey
from app.delivery.tls import TlsSettings
from app.delivery.url import Target, target_of
from app.sealing import SealBroken, Sealer
from app.transformation.contract import Transformation

# How much is kept: so many receivers, or less where they hold code, of which these bytes count as one receiver.
_MOST_RECEIVERS: Final = 50_000
_CODE_BYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where an endpoint's messages go, and how they are signed. `target` is a text, the reason, if nowhere.

    `timeout` is in seconds, None where the endpoint has none of its own; `bearer` has the tokens, where it wants any;
    `transformation` is None unless there is code that is enabled, which may choose https URLs only if `https_for_code`.
    """

    revision: int
    url: str
    target: Target | str
    headers: bytes = field(repr=False)
    keys: tuple[tuple[SigningKey, int | None], ...] = field(repr=False)
    timeout: float | None = None
    bearer: Bearer | None = None
    transformation: Transformation | None = None
    https_for_code: bool = False

    def live_keys(self, now: float) -> list[SigningKey]:
        """The keys that sign at a time in unix seconds: the current one, and rotated ones in their grace period."""
        return [key for key, expires_at in self.keys if expires_at is None or expires_at > now]


class Receivers:
    """A cache of receivers. It cannot be stale: the caller says which revision it wants."""

    def __init__(self, pool: asyncpg.Pool, sealer: Sealer, *, https_only: bool = False) -> None:
        self._pool = pool
        self._sealer = sealer
        self._https_only = https_only
        self._cache: LRUCache[str, Receiver] = LRUCache(_MOST_RECEIVERS, getsizeof=_weight)

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
                earlier = self._cache.get(settings.id)
                receiver = _receiver(self._sealer, settings, self._https_only)
                found[settings.id] = self._cache[settings.id] = _keeping_token(receiver, earlier)
        return found


def _keeping_token(receiver: Receiver, earlier: Receiver | None) -> Receiver:
    """The receiver with the token that is there already, unless what it is asked for with has changed."""
    if earlier is None or earlier.bearer is None or receiver.bearer is None:
        return receiver
    same = earlier.bearer.request == receiver.bearer.request
    return replace(receiver, bearer=earlier.bearer) if same else receiver


def _receiver(sealer: Sealer, settings: SendingSettings, https_only: bool) -> Receiver:
    try:
        own = open_headers(sealer, settings.id, settings.headers)
        secrets = open_secrets(sealer, settings.id, settings.secrets)
        tls = _tls(sealer, settings)
        target = target_of(settings.url, tls, https_only=https_only)
        bearer = None
        match open_authentication(sealer, settings.id, settings.authentication):
            case BasicAuthentication(username=username, password=password):
                credentials = b64encode(f"{username}:{password}".encode()).decode()
                own = _with(own, "Authorization", f"Basic {credentials}")
            case HeaderAuthentication(name=name, value=value):
                own = _with(own, name, value)
            case OAuthAuthentication() as client:
                own = _without(own, "authorization")
                asked = _token_target(client.token_url, tls, https_only)
                if isinstance(asked, str):
                    target = f"The endpoint's token URL cannot be used. {asked}"
                else:
                    bearer = Bearer(_token_request(client, asked))
            case None:
                pass
            case unknown:
                assert_never(unknown)
        return Receiver(
            settings.revision,
            settings.url,
            target,
            _lines(own),
            _keys(secrets),
            settings.timeout_seconds,
            bearer,
            _transformation(sealer, settings),
            https_only or settings.https_for_code,
        )
    except SealBroken as error:
        # Its deliveries wait in their retries, with this as the reason, until the operator mends the main secret.
        logger.error("an endpoint cannot be sent to: {}", error)
        return Receiver(settings.revision, settings.url, "the endpoint's secrets cannot be opened", b"", ())
    except (ValueError, msgspec.MsgspecError) as error:
        # One endpoint that something else wrote must not end the worker, which delivers for all.
        logger.opt(exception=error).error("{} cannot be sent to: its secrets or headers cannot be read", settings.id)
        return Receiver(settings.revision, settings.url, "the endpoint's secrets or headers cannot be read", b"", ())


def _transformation(sealer: Sealer, settings: SendingSettings) -> Transformation | None:
    if settings.transformation is None:
        return None
    opened = open_transformation(sealer, settings.id, settings.transformation)
    return Transformation(opened.code, opened.variables or {}) if opened.code else None


def _weight(receiver: Receiver) -> int:
    code = receiver.transformation
    return 1 if code is None else 1 + (len(code.code) + sum(map(len, code.variables.values()))) // _CODE_BYTES


def _tls(sealer: Sealer, settings: SendingSettings) -> TlsSettings | None:
    identity = open_identity(sealer, settings.id, settings.client_identity)
    if identity is None and settings.server_authorities is None:
        return None
    return TlsSettings(identity, settings.server_authorities)


def _token_target(url: str, tls: TlsSettings | None, https_only: bool) -> Target | str:
    """The client certificate is the receiver's alone to see; its authorities may well have issued this server's too."""
    if tls is not None:
        tls = None if tls.authorities is None else TlsSettings(None, tls.authorities)
    return target_of(url, tls, https_only=https_only)


def _token_request(client: OAuthAuthentication, target: Target) -> TokenRequest:
    return token_request(
        target,
        client.client_id,
        client.client_secret,
        method=client.method,
        scopes=client.scopes,
        parameters=client.parameters,
        headers=client.headers,
    )


def _without(own: Mapping[str, str], name: str) -> dict[str, str]:
    return {other: value for other, value in own.items() if other.lower() != name.lower()}


def _with(own: Mapping[str, str], name: str, value: str) -> dict[str, str]:
    """The headers with one of that name: two Authorization headers would be none."""
    return {**_without(own, name), name: value}


def _lines(own: Mapping[str, str]) -> bytes:
    names = {name.lower() for name in own}
    standard = {name: value for name, value in STANDARD_HEADERS.items() if name not in names}
    return header_lines(standard | dict(own))


def _keys(secrets: Sequence[LiveSecret]) -> tuple[tuple[SigningKey, int | None], ...]:
    return tuple((SigningKey.parse(secret.key), secret.expires_at) for secret in secrets)
