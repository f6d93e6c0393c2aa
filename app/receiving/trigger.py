"""What a provider would send: a sample, or a body of one's own, signed as the provider signs it.

Providers say by an id when they send an event again. So that the same sample is another event each time, its id is made
new where it is found: in the body, in a header that nobody signs, or, where it is made of the body, in any id of that.
"""

import re
import secrets
from collections.abc import Iterator
from typing import Final

from app.receiving.contract import CannotSign, Config, Event, Moment, Provider, Rejection, Request
from app.receiving.registry import judge
from app.receiving.samples import Sample

# What may be a part of an id that is made of several, and stands in the body.
_PART: Final = re.compile(r"[A-Za-z0-9_-]{6,}")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d|\d+Z$")
# A member of JSON, a field of a form, or an element of XML that is called an id.
_IDS: Final = (
    re.compile(
        r'"(?:\w*_)?(?:id|uuid|guid|\w*(?:Id|ID|Uuid|Guid|Sid))"\s*:\s*(?:"(?=[^"]+")|(?=\d))([\w.:-]+)', re.ASCII
    ),
    re.compile(r"(?:^|&)\w*(?:id|Id|ID|Sid)=([\w.:-]+)(?=&|\s*$)", re.ASCII),
    re.compile(r"<(?:\w+:)?\w*(?:id|Id|ID)>([\w.:-]+)<", re.ASCII),
)
_LABEL: Final = re.compile(r"(?:[A-Za-z]+[_-])?")
_HEX: Final = re.compile(r"[0-9a-f-]*")
_DIGITS: Final = "0123456789"
_HEX_LETTERS: Final = "abcdef"
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"


def signed(provider: Provider, event: Sample, config: Config, now: float, url: str) -> Request:
    """The request that tells a source at `url` of the event, just as it stands. CannotSign says what is missing."""
    try:
        request = provider.sign(event.event, event.body, config, now, url)
    except Rejection as rejection:
        raise CannotSign(rejection.reason) from None
    except (AttributeError, LookupError, TypeError, ValueError):
        # Who signs takes the secret, which may come with a handshake, and the form of the body for granted.
        if not config.secrets and any(field.name == "secret" for field in provider.fields):
            raise CannotSign(f"there is no secret to sign with: set the one that {provider.title} has") from None
        raise CannotSign(f"the body is not one of {provider.title}: give one in the form of its samples") from None
    if any(name == "content-type" for name, _ in request.headers):
        return request
    headers = (("content-type", event.content_type), *request.headers)
    return Request(request.method, request.url, headers, request.body)


def signed_anew(
    provider: Provider, event: Sample, config: Config, now: float, url: str, *, keeps_body: bool = False
) -> Request:
    """The same, of an event that was not before: its id is another one, wherever it stands. CannotSign.

    With `keeps_body` only where that is in no need of another body.
    """
    request = signed(provider, event, config, now, url)
    verdict = judge(provider, request, config, Moment(now))
    known = None
    if isinstance(verdict, Event):
        known = verdict.delivery_id
        if known is None:
            return request
        changed = _with_other_id(request, known)
        if _is_another(judge(provider, changed, config, Moment(now)), verdict):
            return changed
    for body in () if keeps_body else _bodies(event.body, known):
        changed = signed(provider, Sample(event.event, body, event.content_type), config, now, url)
        # What is verified with what must be fetched is not judged here.
        if not isinstance(verdict, Event) or _is_another(judge(provider, changed, config, Moment(now)), verdict):
            return changed
    return request


def _with_other_id(request: Request, known: str) -> Request:
    """The request with another id in the headers that are nothing but the known one."""
    other = fresh(known)
    headers = tuple((name, other if value == known else value) for name, value in request.headers)
    return Request(request.method, request.url, headers, request.body)


def _is_another(verdict: object, known: Event) -> bool:
    """Whether it is an event of the same kind, and not the known one."""
    return (
        isinstance(verdict, Event)
        and verdict.name == known.name
        and verdict.delivery_id not in {None, known.delivery_id}
    )


def _bodies(body: bytes, known: str | None) -> Iterator[bytes]:
    """The body with one of its ids made new: those of which the known one is made, longest first, then any other."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return
    parts = [] if known is None else [known, *sorted(_PART.findall(known), key=_likeness, reverse=True)]
    for part in dict.fromkeys(parts):
        whole = re.compile(rf"(?<!\w){re.escape(part)}(?!\w)")
        if not _DATE.match(part) and whole.search(text):
            yield fresh(part).join(whole.split(text)).encode()
    for found in (found for pattern in _IDS for found in pattern.finditer(text)):
        yield f"{text[: found.start(1)]}{fresh(found[1])}{text[found.end(1) :]}".encode()


def _likeness(part: str) -> tuple[bool, bool, int]:
    """How much a part of an id is like one, and not a word."""
    return any(letter.isdigit() for letter in part), not part.islower(), len(part)


def fresh(known: str) -> str:
    """An id that looks like the known one, and is random behind its label (`evt_`)."""
    label = _LABEL.match(known)
    assert label is not None
    rest = known[label.end() :]
    letters = _HEX_LETTERS if _HEX.fullmatch(rest) else _LETTERS
    return label[0] + "".join(_other(letter, letters, first=place == 0) for place, letter in enumerate(rest))


def _other(letter: str, letters: str, *, first: bool) -> str:
    if letter in _DIGITS:
        # A number must not begin with a zero.
        return secrets.choice(_DIGITS[1:] if first else _DIGITS)
    if letter.lower() in _LETTERS:
        made = secrets.choice(letters)
        return made.upper() if letter.isupper() else made
    return letter
