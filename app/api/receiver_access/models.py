"""Receiver access on the wire. What is secret goes in, and never out again."""

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field
from pydantic_core import PydanticCustomError

from app import clock
from app.api.endpoint import headers as header_rules
from app.api.endpoint.models import Headers, Url
from app.api.fields import Dto, Text, at_most
from app.delivery import pem

_SCOPE: Final = r"^[\x21\x23-\x5b\x5d-\x7e]+$"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_OURS: Final = frozenset({"grant_type", "scope", "client_id", "client_secret"})
_MOST_PARAMETERS: Final = 32
_PEM: Final = "-----BEGIN {0}-----\nMIIB…\n-----END {0}-----\n"


def _without_controls(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("the text must not hold control characters")
    return value


def _without_colon(value: str) -> str:
    # RFC 7617 §2: what comes after the first colon is the password.
    if ":" in value:
        raise ValueError("a user name must not hold a colon")
    return value


def _header_name(value: str) -> str:
    header_rules.check_names([value])
    return value


def _header_value(value: str) -> str:
    header_rules.check_value("of the credential", value)
    return value


def _check_parameters(value: dict[str, str]) -> dict[str, str]:
    if taken := sorted(_OURS & value.keys()):
        raise ValueError(f"{', '.join(taken)} must not be among the extra parameters: each has a field of its own")
    return value


Credential = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_without_controls)]
UserName = Annotated[Credential, AfterValidator(_without_colon)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[str, Field(min_length=1), AfterValidator(_header_value)]
Scope = Annotated[str, Field(max_length=256, pattern=_SCOPE)]
Parameters = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=256)], Annotated[Text, Field(max_length=4096)]],
    AfterValidator(_check_parameters),
    at_most(_MOST_PARAMETERS),
]
Identity = Annotated[str, AfterValidator(lambda text: pem.checked_identity(text, clock.now()))]
Authorities = Annotated[str, AfterValidator(lambda text: pem.checked_authorities(text, clock.now()))]
GrantType = Literal["clientCredentials"]
AuthMethod = Literal["clientSecretBasic", "clientSecretPost"]


class BasicAuthenticationIn(Dto):
    """A user name and password, sent with each request (RFC 7617)."""

    type: Literal["basic"]
    username: UserName = Field(examples=["postrider"])
    password: Credential = Field(examples=["correct horse battery staple"])


class HeaderAuthenticationIn(Dto):
    """A header whose value is a credential, sent with each request."""

    type: Literal["header"]
    name: HeaderName = Field(examples=["X-Api-Key"])
    value: HeaderValue = Field(examples=["7f6c2b9d"])


def _check_kind(value: object) -> object:
    """Pydantic would write down in full whatever else stands for the type."""
    if isinstance(value, dict) and not isinstance(value.get("type", ""), str):
        raise PydanticCustomError("literal_error", "type must be basic or header")
    return value


EndpointAuthenticationIn = Annotated[
    BasicAuthenticationIn | HeaderAuthenticationIn, Discriminator("type"), BeforeValidator(_check_kind)
]


class EndpointAuthenticationOut(Dto):
    """How requests are authenticated; passwords and values are not shown."""

    type: Literal["basic", "header", "oauth2"]
    username: str | None = Field(default=None, description="With `basic`.", examples=["postrider"])
    name: str | None = Field(default=None, description="With `header`: the header's name.", examples=["X-Api-Key"])


class EndpointOauthConfigIn(Dto):
    """OAuth 2.0 client credentials (RFC 6749 §4.4): requests carry a bearer token that is asked for with these."""

    grant_type: GrantType
    auth_method: AuthMethod = Field(
        description="Whether id and secret are sent in the head (preferred) or in the body of the token's request."
    )
    client_id: Credential = Field(examples=["postrider"])
    client_secret: Credential = Field(examples=["correct horse battery staple"])
    token_url: Url = Field(description="Where tokens are asked for.", examples=["https://login.example.com/token"])
    scopes: Annotated[list[Scope], Field(max_length=64)] | None = Field(default=None, examples=[["events.write"]])
    extra_params: Parameters | None = Field(
        default=None, description="Added to the body of the token's request; shown again.", examples=[{"audience": "x"}]
    )
    extra_headers: Headers | None = Field(
        default=None, description="Added to the head of the token's request.", examples=[{"X-Tenant": "acme"}]
    )


class EndpointOauthConfigOut(Dto):
    """The OAuth configuration without its secret, and without those of the extra headers that are credentials."""

    grant_type: GrantType
    auth_method: AuthMethod
    client_id: str = Field(examples=["postrider"])
    token_url: str = Field(examples=["https://login.example.com/token"])
    scopes: list[str] | None = Field(default=None, examples=[["events.write"]])
    extra_params: dict[str, str] | None = Field(default=None, examples=[{"audience": "x"}])
    extra_headers: dict[str, str] | None = Field(default=None, examples=[{"X-Tenant": "acme"}])


class EndpointOauthOut(Dto):
    """Whether requests carry OAuth tokens, and how those are asked for."""

    enabled: bool
    config: EndpointOauthConfigOut | None = None


class EndpointMtlsConfigIn(Dto):
    """As whom we present ourselves to a receiver that asks for a client certificate."""

    identity: Identity = Field(
        description="The client certificate, those above it if it needs any, and its private key without a passphrase: "
        "all PEM, in one text.",
        examples=["".join(map(_PEM.format, ("CERTIFICATE", "PRIVATE KEY")))],
    )


class EndpointMtlsConfigOut(Dto):
    """There is a client certificate; nothing of it is shown."""


class EndpointMtlsOut(Dto):
    """Whether there is a client certificate."""

    enabled: bool
    config: EndpointMtlsConfigOut | None = None


class EndpointServerCaIn(Dto):
    """Authorities that the receiver's certificate is verified with, beside the system's."""

    cert: Authorities | None = Field(
        default=None,
        description="One or more certificates as PEM; null for none.",
        examples=[_PEM.format("CERTIFICATE")],
    )


class EndpointServerCaOut(Dto):
    """The endpoint's own authorities; null if there are none."""

    cert: str | None = Field(default=None, examples=[_PEM.format("CERTIFICATE")])
