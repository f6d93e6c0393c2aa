"""Bearer tokens for receivers that want them: OAuth 2.0 client credentials (RFC 6749 §4.4).

A token is asked for when it is needed, once for all who wait for it, through the same client and guard as deliveries,
and used until shortly before it expires. It is kept in the process only.
"""

import asyncio
import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic, perf_counter
from typing import Final, Literal, assert_never
from urllib.parse import quote_plus, urlencode

import msgspec

from app.delivery.client import DeliveryClient
from app.delivery.head import header_lines
from app.delivery.outcome import Blocked, Delivered, Outcome, Refused, Unreachable
from app.delivery.url import Target

ClientAuthentication = Literal["clientSecretBasic", "clientSecretPost"]
"""How the client proves who it is, RFC 6749 §2.3.1: in the Authorization header, or in the body."""

LONGEST_FETCH: Final = 30.0
"""Seconds for one request of a token. Attempts wait for it no longer than their own time."""
UNSTATED_LIFETIME: Final = 300.0
"""Seconds for which a token is used whose server does not say how long it lives."""
_LONGEST_LIFE: Final = 86_400.0
_EARLY: Final = 30.0
"""A token is renewed so many seconds before it expires, or a fifth of its life if that is less."""
_SETTLED: Final = 60.0
"""A token that replaced a refused one and is refused too is not replaced before it is so many seconds old."""
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,16384}")
_UNASKED: Final = "No token, the token URL could not be asked:"
# RFC 6749 §5.2, and what else is registered. No other text of a server is repeated: some quote the secret in it.
_ERROR_CODES: Final = frozenset(
    {
        "access_denied",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "invalid_target",
        "server_error",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_grant_type",
    }
)


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """The request that gets a token, encoded. Equal requests get equal tokens."""

    target: Target
    headers: bytes = field(repr=False)
    body: bytes = field(repr=False)


class _Granted(msgspec.Struct):
    """RFC 6749 §5.1; some servers write the seconds as a text."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - required by the RFC, left out by some, and always this
    expires_in: float | str | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.token_type}>"


class _Refusal(msgspec.Struct):
    """RFC 6749 §5.2."""

    error: str


@dataclass(frozen=True, slots=True)
class _Token:
    text: str = field(repr=False)
    fetched_at: float
    expires_at: float


def token_request(
    target: Target,
    client_id: str,
    client_secret: str,
    *,
    method: ClientAuthentication,
    scopes: Sequence[str] = (),
    parameters: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> TokenRequest:
    """The request of a client. `parameters` are added to the body, `headers` to the head; both have been checked."""
    form = {"grant_type": "client_credentials"}
    if scopes:
        form["scope"] = " ".join(scopes)
    lines = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
    match method:
        case "clientSecretBasic":
            # Both parts are form-encoded first, so that either may hold a colon.
            pair = f"{quote_plus(client_id)}:{quote_plus(client_secret)}"
            lines["authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        case "clientSecretPost":
            form |= {"client_id": client_id, "client_secret": client_secret}
        case _:
            assert_never(method)
    taken = {name.lower() for name in headers or {}}
    lines = {name: value for name, value in lines.items() if name not in taken} | dict(headers or {})
    return TokenRequest(target, header_lines(lines), urlencode({**(parameters or {}), **form}).encode())


class Bearer:
    """Posts with a token of one endpoint. Belongs to one event loop."""

    def __init__(self, request: TokenRequest, clock: Callable[[], float] = monotonic) -> None:
        self.request = request
        self._clock = clock
        self._token: _Token | None = None
        self._doubted = False
        self._fetching: asyncio.Task[_Token | Unreachable | Blocked] | None = None

    async def post(
        self, client: DeliveryClient, target: Target, headers: bytes, body: bytes, seconds: float
    ) -> Outcome:
        """One attempt, as `DeliveryClient.post`, with a token. `seconds` are for the token and the POST together.

        That no token could be had is an Unreachable (`token`; `dns` if its URL's host has no address), or Blocked if
        the guard refused the token URL.
        """
        started = perf_counter()
        token = await self._current(client, seconds)
        waited = perf_counter() - started
        if isinstance(token, Blocked) or (isinstance(token, Unreachable) and token.reason == "dns"):
            return token  # As in the client: the time that it took would tell something.
        if not isinstance(token, _Token):
            return replace(token, milliseconds=round(waited * 1000))
        line = f"authorization: Bearer {token.text}\r\n".encode("latin-1")
        outcome = await client.post(target, headers + line, body, max(seconds - waited, 0.0))
        self._learn(token, outcome)
        return replace(outcome, milliseconds=outcome.milliseconds + round(waited * 1000))

    def _learn(self, token: _Token, outcome: Outcome) -> None:
        """A 401 ends the token that it was for: once, so that a receiver which refuses all tokens costs few of them."""
        if token is not self._token:
            return
        match outcome:
            case Refused(status=401):
                if not self._doubted or self._clock() - token.fetched_at >= _SETTLED:
                    self._token, self._doubted = None, True
            case Delivered():
                self._doubted = False
            case _:
                pass

    async def _current(self, client: DeliveryClient, seconds: float) -> _Token | Unreachable | Blocked:
        if self._token is not None and self._clock() < self._token.expires_at:
            return self._token
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch(client))
            self._fetching.add_done_callback(self._fetched)
        try:
            async with asyncio.timeout(seconds):
                # The others who wait for the same token may have more time.
                return await asyncio.shield(self._fetching)
        except TimeoutError:
            return Unreachable("token", "No token: the token URL did not answer in time.", 0)

    def _fetched(self, task: "asyncio.Task[_Token | Unreachable | Blocked]") -> None:
        self._fetching = None
        if not task.cancelled() and task.exception() is None:
            result = task.result()
            if isinstance(result, _Token):
                self._token = result

    async def _fetch(self, client: DeliveryClient) -> _Token | Unreachable | Blocked:
        asked_at = self._clock()
        request = self.request
        match await client.post(request.target, request.headers, request.body, LONGEST_FETCH):
            case Delivered(body=body):
                return _token(body, asked_at)
            case Refused(status=status, body=body):
                return Unreachable("token", _refusal(status, body), 0)
            case Unreachable(reason="sender") as ours:
                return ours
            case Unreachable(reason="dns", detail=detail):
                return Unreachable("dns", f"{_UNASKED} {detail}", 0)
            case Unreachable(detail=detail):
                return Unreachable("token", f"{_UNASKED} {detail}", 0)
            case Blocked(reason=reason, detail=detail):
                return Blocked(reason, f"{_UNASKED} {detail}", 0)
            case unknown:
                assert_never(unknown)


def _token(body: bytes, asked_at: float) -> _Token | Unreachable:
    try:
        granted = msgspec.json.decode(body, type=_Granted)
        life = UNSTATED_LIFETIME if granted.expires_in is None else float(granted.expires_in)
    except (msgspec.MsgspecError, ValueError):
        return Unreachable("token", "No token: the token URL's answer is not the JSON of RFC 6749 §5.1.", 0)
    if granted.token_type.lower() != "bearer" or not _TOKEN.fullmatch(granted.access_token):
        return Unreachable("token", "No token: what the token URL gave is not a bearer token.", 0)
    life = min(max(life, 0.0), _LONGEST_LIFE)
    return _Token(granted.access_token, asked_at, asked_at + life - min(_EARLY, life / 5))


def _refusal(status: int, body: bytes) -> str:
    try:
        error = msgspec.json.decode(body, type=_Refusal).error
    except (msgspec.MsgspecError, ValueError):
        error = ""
    named = f" ({error})" if error in _ERROR_CODES else ""
    return f"No token: the token URL answered {status}{named}. Check the endpoint's OAuth configuration."
