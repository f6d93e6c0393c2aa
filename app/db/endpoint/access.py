"""What is sealed in an endpoint's row about how its receiver is reached: credentials, and the client certificate."""

from typing import Literal

import msgspec

from app.sealing import Sealer


class BasicAuthentication(msgspec.Struct, frozen=True, tag="basic"):
    """A user name and password (RFC 7617)."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"<BasicAuthentication {self.username}>"


class HeaderAuthentication(msgspec.Struct, frozen=True, tag="header"):
    """A header whose value is a credential."""

    name: str
    value: str

    def __repr__(self) -> str:
        return f"<HeaderAuthentication {self.name}>"


class OAuthAuthentication(msgspec.Struct, frozen=True, tag="oauth2"):
    """OAuth 2.0 client credentials (RFC 6749 §4.4): what a token is asked for with."""

    token_url: str
    client_id: str
    client_secret: str
    method: Literal["clientSecretBasic", "clientSecretPost"]
    """RFC 6749 §2.3.1: whether the client proves who it is in the head or in the body."""
    scopes: list[str]
    parameters: dict[str, str]
    """Added to the body of the token's request."""
    headers: dict[str, str]
    """Added to its head."""

    def __repr__(self) -> str:
        return f"<OAuthAuthentication {self.client_id} at {self.token_url}>"


Authentication = BasicAuthentication | HeaderAuthentication | OAuthAuthentication

_AUTHENTICATION = msgspec.json.Decoder(Authentication)


def open_authentication(sealer: Sealer, endpoint_id: str, sealed: bytes | None) -> Authentication | None:
    """How requests to an endpoint are authenticated. SealBroken if it does not open."""
    return None if sealed is None else _AUTHENTICATION.decode(sealer.open(sealed, endpoint_id))


def seal_authentication(sealer: Sealer, endpoint_id: str, authentication: Authentication) -> bytes:
    """The column `authentication` of an endpoint's row."""
    return sealer.seal(msgspec.json.encode(authentication), endpoint_id)


def open_identity(sealer: Sealer, endpoint_id: str, sealed: bytes | None) -> str | None:
    """The PEM of an endpoint's client certificate and key. SealBroken if it does not open."""
    return None if sealed is None else sealer.open(sealed, endpoint_id).decode()


def seal_identity(sealer: Sealer, endpoint_id: str, identity: str) -> bytes:
    """The column `client_identity` of an endpoint's row."""
    return sealer.seal(identity.encode(), endpoint_id)
