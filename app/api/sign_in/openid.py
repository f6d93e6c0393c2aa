"""Sign-in with a provider of OpenID Connect: authorization code, PKCE (RFC 7636), state and nonce.

What is asked of the provider is asked with a deadline, and its answers are bounded. What must be known again when the
browser comes back is sealed, and kept by the browser: nothing of it is in the database.
"""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import Final
from urllib.parse import quote, urlencode

from loguru import logger

from app import clock
from app.api.inbound.fetching import LONGEST_DOCUMENT, Fetcher
from app.api.sign_in.id_token import (
    Expected,
    Identity,
    NotAdmitted,
    NotBelieved,
    Rules,
    UnknownKey,
    believed_claims,
    identity_of,
)
from app.db.user.model import Role
from app.delivery.client import DeliveryClient
from app.delivery.guard import Guard
from app.delivery.head import header_lines
from app.delivery.outcome import Delivered, Refused
from app.delivery.url import parse_url
from app.errors import AuthenticationFailed, Unavailable
from app.outbound import outbound_client
from app.sealing import SealBroken, Sealer
from app.settings import Settings

_SECONDS: Final = 10.0
_CONFIGURATION_SECONDS: Final = 3600.0
_KEYS_SECONDS: Final = 3600.0
# So often new keys are asked for, whoever comes with a token that names an unknown one.
_NEW_KEYS_SECONDS: Final = 2.0
_PENDING_SECONDS: Final = 600.0
_IDENTITY: Final = "pending sign-in"
# The operator says who the provider is: it may well be in their own network.
_EVERYWHERE: Final = (ip_network("0.0.0.0/0"), ip_network("::/0"))
_AWAY: Final = "The provider of single sign-on gives no answer that can be used. Try again; its reason is in our log."
_AGAIN: Final = "This sign-in was begun elsewhere, or too long ago. Begin it again."


@dataclass(frozen=True, slots=True)
class Provider:
    """Where the provider is, as it says itself (OpenID Connect Discovery 1.0, §3)."""

    authorization_url: str
    token_url: str
    keys_url: str
    takes_basic: bool


@dataclass(frozen=True, slots=True, repr=False)
class _Pending:
    """A sign-in that was begun."""

    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    next: str
    expires_at: float


class OpenId:
    """One provider. Belongs to one event loop; make it inside of that loop."""

    def __init__(self, settings: Settings, sealer: Sealer, client: DeliveryClient) -> None:
        """`client` must take answers of LONGEST_DOCUMENT."""
        assert settings.oidc_issuer is not None
        assert settings.oidc_client_id is not None
        self._issuer = settings.oidc_issuer
        self._client_id = settings.oidc_client_id
        self._client_secret = settings.oidc_client_secret
        self._scope = settings.oidc_scope
        self._rules = _rules(settings)
        self._sealer = sealer
        self._client = client
        self._fetcher = Fetcher(client)

    async def close(self) -> None:
        await self._fetcher.close()

    async def begin(self, redirect_uri: str, wanted: str) -> tuple[str, str]:
        """Where to send the browser, and what it must bring again. Unavailable."""
        provider = await self._provider()
        pending = _Pending(
            secrets.token_urlsafe(24),
            secrets.token_urlsafe(24),
            secrets.token_urlsafe(48),
            redirect_uri,
            wanted,
            clock.unix() + _PENDING_SECONDS,
        )
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": redirect_uri,
            "scope": self._scope,
            "state": pending.state,
            "nonce": pending.nonce,
            "code_challenge": _challenge(pending.verifier),
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in provider.authorization_url else "?"
        return f"{provider.authorization_url}{joint}{urlencode(query)}", self._sealed(pending)

    async def finish(self, code: str, state: str, sealed: str) -> tuple[Identity, str]:
        """Who signed in, and what was wanted when they began. AuthenticationFailed with the reason, or Unavailable."""
        pending = self._opened(sealed)
        if pending is None or not hmac.compare_digest(pending.state.encode(), state.encode("utf-8", "surrogatepass")):
            raise AuthenticationFailed(_AGAIN)
        provider = await self._provider()
        token = await self._id_token(provider, code, pending)
        try:
            claims = await self._believed(provider, token, pending.nonce)
            return identity_of(claims, self._issuer, self._rules), pending.next
        except NotBelieved as reason:
            logger.warning("a sign-in with OpenID Connect was refused: the ID token {}", reason)
            raise AuthenticationFailed(f"Single sign-on failed: the ID token {reason}. Begin again.") from None
        except NotAdmitted as reason:
            raise AuthenticationFailed(str(reason)) from None

    async def _provider(self) -> Provider:
        url = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        document = await self._json(url, _CONFIGURATION_SECONDS)
        places = [document.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
        if document.get("issuer") != self._issuer or not all(isinstance(place, str) for place in places):
            logger.warning("{} does not describe itself as OpenID Connect has it, or as another issuer", self._issuer)
            raise Unavailable(_AWAY)
        methods = document.get("token_endpoint_auth_methods_supported")
        authorization, token, keys = map(str, places)
        return Provider(authorization, token, keys, not isinstance(methods, list) or "client_secret_basic" in methods)

    async def _believed(self, provider: Provider, token: str, nonce: str) -> dict[str, object]:
        expected = Expected(self._issuer, self._client_id, nonce, clock.unix())
        try:
            return believed_claims(token, await self._json(provider.keys_url, _KEYS_SECONDS), expected)
        except UnknownKey:
            pass
        try:
            return believed_claims(token, await self._json(provider.keys_url, _NEW_KEYS_SECONDS), expected)
        except UnknownKey:
            raise NotBelieved("is signed with a key that the provider does not show") from None

    async def _id_token(self, provider: Provider, code: str, pending: _Pending) -> str:
        """What the provider gives for the code (RFC 6749, §4.1.3)."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": pending.redirect_uri,
            "code_verifier": pending.verifier,
            "client_id": self._client_id,
        }
        headers = {"accept": "application/json", "content-type": "application/x-www-form-urlencoded"}
        if self._client_secret is not None:
            secret = self._client_secret.get_secret_value()
            if provider.takes_basic:
                credentials = f"{quote(self._client_id, safe='')}:{quote(secret, safe='')}".encode()
                headers["authorization"] = f"Basic {base64.b64encode(credentials).decode()}"
            else:
                form["client_secret"] = secret
        try:
            target = replace(parse_url(provider.token_url), method="POST")
        except ValueError:
            raise Unavailable(_AWAY) from None
        outcome = await self._client.post(target, header_lines(headers), urlencode(form).encode(), _SECONDS)
        match outcome:
            case Delivered(truncated=False):
                token = _object(outcome.body).get("id_token")
                if isinstance(token, str):
                    return token
                logger.warning("{} gave no ID token: ask it for the scope openid", provider.token_url)
                raise Unavailable(_AWAY)
            case Refused(status=400 | 401):
                error = str(_object(outcome.body).get("error", ""))[:100]
                logger.warning("{} refused a code: {} {}", provider.token_url, outcome.status, error)
                raise AuthenticationFailed(_AGAIN)
            case _:
                logger.warning("{} gave no answer that can be used: {}", provider.token_url, outcome)
                raise Unavailable(_AWAY)

    async def _json(self, url: str, seconds: float) -> dict[str, object]:
        body = await self._fetcher.get("openid", url, seconds)
        if body is None:
            raise Unavailable(_AWAY)
        return _object(body)

    def _sealed(self, pending: _Pending) -> str:
        values = (
            *(pending.state, pending.nonce, pending.verifier, pending.redirect_uri, pending.next),
            pending.expires_at,
        )
        sealed = self._sealer.seal(json.dumps(values).encode(), _IDENTITY)
        return base64.urlsafe_b64encode(sealed).decode()

    def _opened(self, text: str) -> _Pending | None:
        """What was begun; None if it was begun elsewhere, or too long ago."""
        try:
            sealed = base64.urlsafe_b64decode(text.encode("ascii"))
            pending = _Pending(*json.loads(self._sealer.open(sealed, _IDENTITY)))
        except (binascii.Error, UnicodeEncodeError, SealBroken):
            return None
        return pending if pending.expires_at > clock.unix() else None


def openid_of(settings: Settings, sealer: Sealer) -> OpenId | None:
    """The provider of the settings, if there is one. Make it inside of the event loop that uses it."""
    if settings.oidc_issuer is None or settings.oidc_client_id is None:
        return None
    return OpenId(settings, sealer, outbound_client(settings, Guard(_EVERYWHERE), LONGEST_DOCUMENT))


def _rules(settings: Settings) -> Rules:
    roles = (
        (Role.ADMIN, settings.oidc_role_admin),
        (Role.EDITOR, settings.oidc_role_editor),
        (Role.VIEWER, settings.oidc_role_viewer),
    )
    return Rules(
        settings.oidc_role_claim,
        [(role, frozenset(values or ())) for role, values in roles],
        None if settings.oidc_default_role is None else Role(settings.oidc_default_role),
        frozenset(domain.lower().lstrip("@") for domain in settings.oidc_allowed_domains or ()),
    )


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _object(body: bytes) -> dict[str, object]:
    """An answer's JSON object; an empty one for whatever is none."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
