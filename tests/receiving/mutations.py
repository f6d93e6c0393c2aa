"""Requests that a provider would never send, made of one that it would: each is rejected, or exempt for a reason.

A family's tests have `TRIALS`, and of them the table: `@pytest.mark.parametrize(("trial", "mutation"), table(TRIALS))`
with `try_out(trial, mutation)`, and `assert gaps(TRIALS) == []`.
"""

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

import app.receiving
from app.receiving.contract import Answer, Config, Event, Moment, Provider, Rejected, Request, Wanted
from app.receiving.registry import all_providers, judge

NOW: Final = 1_795_000_000.0
URL: Final = "https://hooks.example.com/in/SVNFVEhJU0lTQVRPS0VOT0ZTSVhUWUZPVVJDSEFSUw"
SAMPLES: Final = Path(app.receiving.__file__).with_name("samples")

ACCEPTED: Final = ("untouched", "old secret while rotating")
REJECTED: Final = (
    "wrong secret",
    "tampered body",
    "tampered timestamp",
    "too old",
    "too far in the future",
    "missing header",
    "duplicated header",
    "wrong encoding",
)
MUTATIONS: Final = ACCEPTED + REJECTED
UNTIMED: Final = dict.fromkeys(
    ("tampered timestamp", "too old", "too far in the future"), "nothing that is signed says when it was sent"
)
"""For `exempt`, where there is no timestamp."""

Change = Callable[[Request], Request]
_ENCODED: Final = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_HEX: Final = re.compile(r"([0-9a-fA-F]{2})+")
# Unix, in seconds, or in milliseconds and less.
_STAMP: Final = re.compile(r"(?<!\d)(\d{10})((?:\d{3}){0,3})(?!\d)")


@dataclass(frozen=True, slots=True)
class Trial:
    """A provider, a source of it, and one event that it sends."""

    provider: str
    # The name that `sign` is given; and with it, unless `body` says otherwise, samples/<provider>.<event>.json.
    event: str
    config: Config
    # What somebody else would sign with.
    stranger: Config
    # The headers (lower case) without any of which a request is rejected. The first is the one with the signature.
    headers: tuple[str, ...]
    # The header (lower case) in which the timestamp stands.
    stamp: str | None = None
    # Seconds.
    tolerance: float = 300.0
    body: bytes | None = None
    fetched: Mapping[str, bytes] = field(default_factory=dict)
    # How this provider's requests are mutated where the usual way does not do it, by the mutation's name.
    own: Mapping[str, Change] = field(default_factory=dict)
    # The mutations that do not apply, and why.
    exempt: Mapping[str, str] = field(default_factory=dict)
    # Of several trials of one provider: what this one is about.
    label: str = ""

    def signed(self, config: Config | None = None, at: float = NOW) -> Request:
        """What the provider sends."""
        body = sample(self.provider, self.event) if self.body is None else self.body
        return self.rule.sign(self.event, body, config or self.config, at, URL)

    @property
    def rule(self) -> Provider:
        return all_providers()[self.provider]

    def judged(self, request: Request, config: Config | None = None) -> Event | Answer | Wanted | Rejected:
        return judge(self.rule, request, config or self.config, Moment(NOW, self.fetched))


def sample(provider: str, event: str) -> bytes:
    """What `postrider trigger <provider> <event>` sends."""
    [path] = SAMPLES.glob(f"{provider}.{event}.*") or [SAMPLES / f"{provider}.{event}.json"]
    return path.read_bytes()


def mutated(trial: Trial, mutation: str) -> tuple[Request, Config]:
    """The request, and the config of the source that gets it."""
    if own := trial.own.get(mutation):
        return own(trial.signed()), trial.config
    match mutation:
        case "untouched":
            return trial.signed(), trial.config
        case "old secret while rotating":
            assert trial.stranger.secrets, f"{trial.provider} has no secrets to rotate: give an exemption"
            rotated = Config((*trial.stranger.secrets, *trial.config.secrets), trial.config.options)
            return trial.signed(), rotated
        case "wrong secret":
            return trial.signed(trial.stranger), trial.config
        case "tampered body":
            request = trial.signed()
            return Request(request.method, request.url, request.headers, tampered(request.body)), trial.config
        case "tampered timestamp":
            assert trial.stamp, f"{trial.provider} needs `stamp`, its own way, or an exemption"
            return changed(trial.signed(), trial.stamp, _a_second_later), trial.config
        case "too old":
            return trial.signed(at=NOW - trial.tolerance - 2), trial.config
        case "too far in the future":
            return trial.signed(at=NOW + trial.tolerance + 2), trial.config
        case "wrong encoding":
            return changed(trial.signed(), trial.headers[0], _otherwise_encoded), trial.config
    raise LookupError(mutation)


def mutants(trial: Trial, mutation: str) -> Iterator[tuple[str, Request, Config]]:
    """All requests of one mutation, with a word on each. `missing` and `duplicated` are one for each header."""
    if mutation not in {"missing header", "duplicated header"} or mutation in trial.own:
        yield mutation, *mutated(trial, mutation)
        if mutation == "wrong encoding" and mutation not in trial.own:
            for garbage in ("\xe9\xff", "=", "{}", "A" * 4096):
                yield (
                    repr(garbage),
                    changed(trial.signed(), trial.headers[0], partial(_replaced, garbage)),
                    trial.config,
                )
        return
    for name in trial.headers:
        request = trial.signed()
        assert request.find(name), f"{trial.provider} signs without {name}"
        headers = tuple(pair for pair in request.headers if pair[0] != name)
        if mutation == "duplicated header":
            headers = (*request.headers, (name, request.header(name)))
        yield f"{mutation} {name}", Request(request.method, request.url, headers, request.body), trial.config


def try_out(trial: Trial, mutation: str) -> None:
    """Asserts what must become of a mutation."""
    tried, signed = 0, trial.signed()
    for word, request, config in mutants(trial, mutation):
        verdict = trial.judged(request, config)
        if mutation in ACCEPTED:
            assert isinstance(verdict, Event), f"{word}: {verdict}"
        else:
            same = (request.url, request.headers, request.body) == (signed.url, signed.headers, signed.body)
            assert not same, f"{word}: the request is as the provider sends it"
            assert isinstance(verdict, Rejected), f"{word}: {verdict}"
            assert verdict.status in {400, 401}
            assert not [s for s in (*config.secrets, *trial.stranger.secrets) if s in verdict.reason]
        tried += 1
    assert tried, f"{trial.provider} has no headers: give `own`, or an exemption"


def table(trials: Iterable[Trial]) -> list[Any]:
    """For pytest's parametrize, with ids such as `stripe-too old`."""
    return [
        pytest.param(trial, mutation, id=f"{trial.provider}{trial.label and f'-{trial.label}'}-{mutation}")
        for trial in trials
        for mutation in MUTATIONS
        if mutation not in trial.exempt
    ]


def gaps(trials: Iterable[Trial]) -> list[str]:
    """What the table leaves out and should not: mutations neither tried nor exempt for a reason, or both."""
    found: list[str] = []
    tried = list(trials)
    timed = {trial.provider for trial in tried if "too old" not in trial.exempt}
    for trial in tried:
        unknown = [name for name in (*trial.exempt, *trial.own) if name not in MUTATIONS]
        both = [name for name in trial.exempt if name in trial.own]
        found += [f"{trial.provider}: {name}" for name in (*unknown, *both)]
        found += [f"{trial.provider}: no reason for {name}" for name, why in trial.exempt.items() if len(why) < 10]
        if trial.rule.timestamp is None and trial.provider in timed:
            found.append(f"{trial.provider}: is tried for its timestamp, and says that it has none")
        if trial.rule.timestamp is not None and trial.provider not in timed:
            found.append(f"{trial.provider}: has a timestamp, and is not tried for it")
    return found


def changed(request: Request, name: str, change: Callable[[str], str]) -> Request:
    """The request with another value of one header."""
    before = request.header(name)
    assert change(before) != before, f"{name}: {before} stays as it is"
    headers = tuple((key, change(value) if key == name else value) for key, value in request.headers)
    return Request(request.method, request.url, headers, request.body)


def tampered(body: bytes) -> bytes:
    """The body with one letter or digit of its last value changed: it is of the same form still."""
    found = list(re.finditer(rb"[A-Za-z0-9](?=[\"<}&]?[^A-Za-z0-9]*$)", body))
    assert found, "the body has nothing to tamper with"
    at = found[-1].start()
    return body[:at] + (b"1" if body[at : at + 1] != b"1" else b"2") + body[at + 1 :]


def _replaced(by: str, _: str) -> str:
    return by


def _a_second_later(text: str) -> str:
    """The first Unix time in a header's value, or the first digit of the minutes of an RFC 3339 time."""
    if _STAMP.search(text):
        return _STAMP.sub(lambda found: str(int(found[1]) + 1) + found[2], text, count=1)
    return re.sub(r"(T\d\d:\d\d:\d)(\d)", lambda found: found[1] + ("1" if found[2] != "1" else "2"), text, count=1)


def _otherwise_encoded(text: str) -> str:
    """What is hexadecimal becomes base64, and the other way round; the last such run of a value."""
    runs = list(_ENCODED.finditer(text))
    assert runs, f"{text!r} has no signature"
    run = runs[-1][0]
    if _HEX.fullmatch(run):
        other = base64.b64encode(bytes.fromhex(run)).decode()
    else:
        unpadded = run.rstrip("=").replace("-", "+").replace("_", "/")
        other = base64.b64decode(unpadded + "=" * (-len(unpadded) % 4)).hex()
    return text[: runs[-1].start()] + other + text[runs[-1].end() :]
