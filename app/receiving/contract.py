"""What a provider's module is given, and what it says: the terms of receiving."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import parse_qsl, urlsplit

import orjson

Headers = tuple[tuple[str, str], ...]
"""In the order in which they came, with duplicates. Names in lower case; values as latin-1 texts."""

SECRET_FIELD: Final = "secret"  # noqa: S105 - the name of a field
"""The field of a provider that may be rotated: what was given for it is in `Config.secrets`, the newest first."""
_TOLERANCE: Final = 300.0
_MOST_PARAMETERS: Final = 100


class Rejection(Exception):
    """A request is not accepted. The text says why, to the source's owner; it holds no secret and no signature.

    401: it is not the provider's, as far as can be known. 400: it is not in the provider's form.
    """

    def __init__(self, reason: str, status: Literal[400, 401] = 401) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status: Literal[400, 401] = status


class CannotSign(Exception):
    """A sample of this provider cannot be signed with what is at hand. The text says what is needed."""


class Request:
    """A request as it arrived.

    `url` is the address that the provider was told, with the query as it came: some providers sign it.
    """

    __slots__ = ("_json", "body", "headers", "method", "url")

    def __init__(self, method: str, url: str, headers: Headers, body: bytes) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self._json: object = _UNREAD

    def __repr__(self) -> str:
        """Without the query, the headers and the body, in which there may be credentials."""
        return f"Request({self.method} {len(self.headers)} headers, {len(self.body)} bytes)"

    def find(self, name: str) -> str | None:
        """The value of a header, None if it is missing. Rejection if it is there twice: which one was verified?"""
        found = [value for key, value in self.headers if key == name]
        if len(found) > 1:
            raise Rejection(f"The header {name} is there {len(found)} times: send it once.", 400)
        return found[0] if found else None

    def header(self, name: str) -> str:
        """The value of a header. Rejection if it is missing, empty, or there twice."""
        value = self.find(name)
        if not value:
            raise Rejection(f"The header {name} is missing.")
        return value

    def query(self, name: str) -> str | None:
        """A parameter of the URL's query, decoded; None if it is missing. Rejection if it is there twice."""
        try:
            pairs = parse_qsl(urlsplit(self.url).query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
        except ValueError:
            raise Rejection("The query of the URL cannot be read.", 400) from None
        found = [value for key, value in pairs if key == name]
        if len(found) > 1:
            raise Rejection(f"The query parameter {name} is there {len(found)} times: send it once.", 400)
        return found[0] if found else None

    @property
    def json(self) -> object:
        """The body, parsed. Rejection if it is not JSON."""
        parsed = self._parsed()
        if parsed is _NOT_JSON:
            raise Rejection("The body is not JSON.", 400)
        return parsed

    def text(self, *path: str | int) -> str | None:
        """The text (or number, as a text) at a path into the JSON body; None if there is none, or it is no JSON."""
        found = self._parsed()
        for step in path:
            if isinstance(found, dict) and isinstance(step, str):
                found = found.get(step)
            elif isinstance(found, list) and isinstance(step, int) and step < len(found):
                found = found[step]
            else:
                return None
        return _text_of(found)

    def texts(self, *path: str) -> list[str | None]:
        """Of each entry of a list in the JSON body, the text (or number) of that name: `*path` leads to the list.

        E.g. ("events", "id"), or ("id",) where the body itself is the list. Empty if there is no list.
        """
        found = self._parsed()
        for step in path[:-1]:
            found = found.get(step) if isinstance(found, dict) else None
        entries = found if isinstance(found, list) else []
        return [_text_of(entry.get(path[-1])) if isinstance(entry, dict) else None for entry in entries]

    def _parsed(self) -> object:
        if self._json is _UNREAD:
            try:
                self._json = orjson.loads(self.body)
            except orjson.JSONDecodeError:
                self._json = _parsed_slowly(self.body)
        return self._json


_UNREAD: Final = object()
_NOT_JSON: Final = object()


def _text_of(found: object) -> str | None:
    if isinstance(found, str):
        return found
    # Not for truth values, which are numbers to Python.
    return str(found) if type(found) in {int, float} else None


def _parsed_slowly(body: bytes) -> object:
    """The same for numbers that the quick parser refuses, like 1e400; half of a surrogate pair is read, too."""
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return _NOT_JSON


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


@dataclass(frozen=True, slots=True)
class Config:
    """What a source's owner said. Any of the secrets may have signed while they are rotated; the newest is first."""

    secrets: tuple[str, ...] = field(default=(), repr=False)
    # The other fields of the provider that were given, by their names.
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    def option(self, name: str) -> str:
        """A field that must have been given. Rejection otherwise."""
        value = self.options.get(name)
        if not value:
            raise Rejection(f"The source has no {name}: set it in its config.")
        return value


@dataclass(frozen=True, slots=True)
class Moment:
    """What a rule knows beside the request: the time (Unix, seconds), and what was fetched for it, by address."""

    now: float
    fetched: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """The request is no event, and is answered with this: a handshake.

    `learned`: options and `secret` that the provider has told in it, to be kept in the source's config.
    """

    status: int = 200
    body: bytes = field(default=b"", repr=False)
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    learned: Mapping[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Event:
    """The request is the provider's.

    `name`: the kind of event in the provider's words, None if it does not say; `delivery_id`: the same for each time
    that the provider sends this event, None if nothing tells.
    """

    name: str | None = None
    delivery_id: str | None = None
    # What this one is answered; None: the provider's `accepted`.
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """To decide, the rule must see what an address answers to a GET: a certificate, or a set of keys.

    The rule has checked that the address is the provider's. It is asked again with the answer in `Moment.fetched`,
    which may be up to `seconds` old; 0: it is to be fetched now.
    """

    url: str
    seconds: float = 3600.0
    # JSON, to be sent with a POST instead; it may hold credentials. `Moment.fetched` has the answer by `url`, whose
    # fragment (which is not sent) tells apart what one address answers to several.
    post: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Rejected:
    """What became of a Rejection."""

    status: Literal[400, 401]
    reason: str


Verdict = Event | Answer | Wanted
Verify = Callable[[Request, Config, Moment], Verdict]
"""Raises Rejection, and nothing else, whatever the request is."""
Sign = Callable[[str, bytes, Config, float, str], Request]
"""(event, body, config, now, url): the request that the provider would make. Raises CannotSign."""


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that a source's owner says about it, as `config.<name>` in the API."""

    name: str
    description: str
    example: str
    required: bool = True
    # Sealed, and never shown again. What is not secret is shown with the source.
    secret: bool = True
    kind: Literal["text", "integer", "boolean"] = "text"
    # Raises ValueError, with what to do, for a value that can never work; else returns it as it is to be kept.
    check: Callable[[str], str] | None = None


@dataclass(frozen=True, slots=True)
class Provider:
    """One kind of source. The texts are for docs/reference/providers.md."""

    # As the API calls it: lower case, words joined by `-`.
    name: str
    title: str
    # Where the provider describes the rule.
    documentation: str
    # Headers (or places in the body) that hold the proof, e.g. "`Stripe-Signature`".
    header: str
    # E.g. "HMAC-SHA256 of `t.body`, hex".
    algorithm: str
    # E.g. "`t=` in the header, 5 min"; None: the provider sends none that is signed.
    timestamp: str | None
    # E.g. "`id` of the body"; None: nothing says that two requests are one event.
    dedupe: str | None
    # What the tests compare with: a package of the provider's, or vectors of its documentation.
    oracle: str
    fields: tuple[Field, ...]
    verify: Verify
    sign: Sign
    handshake: str | None = None
    # What an accepted event is answered.
    accepted: Answer = Answer(200)
    methods: frozenset[str] = frozenset({"POST"})
    # Headers that hold the secret itself: they are kept without their value, and not passed on.
    credentials: frozenset[str] = frozenset()
    # Where the source's config says in which header, or parameter of the query (as `?name`), the secret itself stands.
    credentials_of: Callable[[Config], frozenset[str]] | None = None
    # Raises ValueError, with what to do, for a config of good fields with which nothing could ever be verified.
    check: Callable[[Config], None] | None = None
    # Whether, with this config, whoever knows the URL is believed. None: with none.
    is_open: Callable[[Config], bool] | None = None
    # Whether the address that the provider was told is part of what is signed.
    signs_url: bool = False
    # Events begin with this word: `stripe.invoice.paid`. None: with the provider's name.
    prefix: str | None = None
    # Where the source's URL is entered at the provider, and where its secret is found: one sentence or two.
    setup: str | None = None

    @property
    def event_prefix(self) -> str:
        """The word that its events begin with."""
        return self.prefix or self.name

    def verifies(self, config: Config) -> bool:
        """Whether what arrives must prove, with this config, whose it is."""
        return self.is_open is None or not self.is_open(config)


def has_no_secret(config: Config) -> bool:
    """For `is_open`, of a provider that signs only once it was given a secret."""
    return not config.secrets


def within(timestamp: float, now: float, tolerance: float = _TOLERANCE) -> None:
    """Rejection if a time (Unix, seconds) is further than `tolerance` seconds from now, before or after."""
    if not abs(now - timestamp) <= tolerance:
        way = "old" if timestamp < now else "far in the future"
        raise Rejection(f"The timestamp is too {way}: it may be {tolerance:.0f} s from this server's clock.")
