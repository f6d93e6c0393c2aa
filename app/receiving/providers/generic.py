"""For senders that have no module of their own, and do not sign: nothing, a password, or a key.

Basic authentication: https://www.rfc-editor.org/rfc/rfc7617. Where a request's id and its kind of event stand may be
said by the source's owner, for these and for those who sign (`generic_hmac.py`, `generic_jwt.py`).
"""

import re
from base64 import b64encode
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from app.receiving import schemes
from app.receiving.contract import Config, Event, Field, Moment, Provider, Rejection, Request

METHODS: Final = frozenset({"POST", "PUT", "PATCH"})
PREFIX: Final = "webhook"
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_PARAMETER: Final = re.compile(r"[A-Za-z0-9._~-]{1,128}")
_KEY_HEADER: Final = "x-api-key"
# Digits; a longer number is the name of a member.
_LONGEST_INDEX: Final = 9


def check_header(text: str) -> str:
    """For fields that name a header: ValueError, with what to do, if it cannot be one."""
    if not _NAME.fullmatch(text):
        raise ValueError("give the name of a header, such as X-Signature")
    return text.lower()


def check_user(text: str) -> str:
    """For fields with the user of basic authentication: ValueError, with what to do, if it cannot be sent."""
    if ":" in text:
        raise ValueError("a user must not have a colon in it (RFC 7617): give it another name")
    return text


def _check_parameter(text: str) -> str:
    if not _PARAMETER.fullmatch(text):
        raise ValueError("give the name of a parameter: letters, digits, and . _ ~ -")
    return text


def _check_path(text: str) -> str:
    if not text or "" in text.split("."):
        raise ValueError("give a path into the JSON body, such as data.id or events.0.type")
    return text


def field(name: str, description: str, example: str, check: Callable[[str], str] = check_header) -> Field:
    """What is not needed, and no secret."""
    return Field(name, description, example, required=False, secret=False, check=check)


NAMING: Final = (
    field("eventHeader", "The header that names the kind of event.", "x-event-type"),
    field("eventPath", "Where the body names the kind of event, if no header does.", "type", _check_path),
    field("idHeader", "The header with the id that stays the same when an event is sent again.", "x-delivery-id"),
    field("idPath", "Where that id stands in the body, if in no header.", "data.id", _check_path),
)
DEDUPE: Final = "`idHeader` or `idPath`, if the source has one"


def event_of(request: Request, config: Config) -> Event:
    """Named, and recognized, as the source's owner said."""
    return Event(_found(request, config, "event"), _found(request, config, "id"))


def _found(request: Request, config: Config, what: str) -> str | None:
    header, path = config.options.get(f"{what}Header"), config.options.get(f"{what}Path")
    if header:
        return request.find(header)
    return request.text(*map(_step, path.split("."))) if path else None


def _step(text: str) -> str | int:
    return int(text) if text.isdecimal() and len(text) <= _LONGEST_INDEX else text


def naming_headers(event: str, body: bytes, config: Config) -> list[tuple[str, str]]:
    """Those that say a sample's kind and id, if the source has them in headers."""
    said = {"eventHeader": event, "idHeader": schemes.sample_id(event, body)}
    return [(config.options[name], value) for name, value in said.items() if config.options.get(name)]


def _unverified(request: Request, config: Config, _moment: Moment) -> Event:
    return event_of(request, config)


def _sign_nothing(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    return Request("POST", url, (("content-type", "application/json"), *naming_headers(event, body, config)), body)


def _verify_basic(request: Request, config: Config, _moment: Moment) -> Event:
    user, password = schemes.basic_credentials(request)
    known_user = schemes.same(user, config.option("username").encode())
    known_password = schemes.any_same([password], [secret.encode() for secret in config.secrets])
    if not (known_user and known_password):
        raise Rejection("The user or the password is not this source's.")
    return event_of(request, config)


def _sign_basic(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    credentials = b64encode(f"{config.option('username')}:{config.secrets[0]}".encode()).decode()
    headers = (
        ("content-type", "application/json"),
        ("authorization", f"Basic {credentials}"),
        *naming_headers(event, body, config),
    )
    return Request("POST", url, headers, body)


def _key_header(config: Config) -> str:
    return config.options.get("header") or _KEY_HEADER


def _verify_key(request: Request, config: Config, _moment: Moment) -> Event:
    if parameter := config.options.get("query"):
        given = request.query(parameter)
        if not given:
            raise Rejection(f"The query parameter {parameter} is missing.")
        right = schemes.any_same([given], config.secrets)
    else:
        given = request.header(_key_header(config))
        right = schemes.any_same([given.encode("latin-1", "replace")], [secret.encode() for secret in config.secrets])
    if not right:
        raise Rejection("The key is none of this source's secrets.")
    return event_of(request, config)


def _sign_key(event: str, body: bytes, config: Config, now: float, url: str) -> Request:
    headers = [("content-type", "application/json"), *naming_headers(event, body, config)]
    if parameter := config.options.get("query"):
        url += f"{'&' if '?' in url else '?'}{parameter}={quote(config.secrets[0], safe='')}"
    else:
        headers.append((_key_header(config), config.secrets[0]))
    return Request("POST", url, tuple(headers), body)


def _key_place(config: Config) -> frozenset[str]:
    parameter = config.options.get("query")
    return frozenset({f"?{parameter}" if parameter else _key_header(config)})


_DOCUMENTATION: Final = "https://www.rfc-editor.org/rfc/rfc7617"

PROVIDERS: Final = (
    Provider(
        name="generic-webhook",
        title="Any sender, unverified",
        documentation="https://www.rfc-editor.org/rfc/rfc9110",
        header="none",
        algorithm="none: whoever knows the URL is believed",
        timestamp=None,
        dedupe=DEDUPE,
        oracle="none: there is nothing to compare",
        fields=NAMING,
        verify=_unverified,
        sign=_sign_nothing,
        is_open=lambda _config: True,
        methods=METHODS,
        prefix=PREFIX,
        setup="Give the URL to the sender, and to nobody else.",
    ),
    Provider(
        name="basic",
        title="Any sender with a user and a password",
        documentation=_DOCUMENTATION,
        header="`Authorization`",
        algorithm="`Basic`: user and password",
        timestamp=None,
        dedupe=DEDUPE,
        oracle="httpx (PyPI)",
        fields=(
            Field("username", "The user.", "acme", secret=False, check=check_user),
            Field("secret", "The password.", "correct-horse-battery-staple"),
            *NAMING,
        ),
        verify=_verify_basic,
        sign=_sign_basic,
        methods=METHODS,
        credentials=frozenset({"authorization"}),
        prefix=PREFIX,
        setup="Give the URL, the user and the password to the sender.",
    ),
    Provider(
        name="api-key",
        title="Any sender with a key",
        documentation="https://swagger.io/docs/specification/v3_0/authentication/api-keys/",
        header="`header` of the source (`X-API-Key`), or a parameter of the query",
        algorithm="the key itself",
        timestamp=None,
        dedupe=DEDUPE,
        oracle="none: the key is sent as it is",
        fields=(
            Field("secret", "The key.", "key_8sYvK2mXnRzT4pQdLw9c"),
            field("header", "The header that holds the key. Left out: `X-API-Key`.", "x-api-key"),
            field(
                "query", "The parameter of the URL's query that holds the key, if no header.", "key", _check_parameter
            ),
            *NAMING,
        ),
        verify=_verify_key,
        sign=_sign_key,
        methods=METHODS,
        credentials=frozenset({_KEY_HEADER}),
        credentials_of=_key_place,
        prefix=PREFIX,
        setup="Give the URL and the key to the sender.",
    ),
)
