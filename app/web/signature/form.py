"""What the debugger's form says, read. What cannot be read is refused at its field."""

import base64
import binascii
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from app import clock
from app.receiving.debugging.diagnosis import Question
from app.receiving.debugging.headers_text import PastedHeaders, read_headers
from app.receiving.debugging.key_readings import KnownSecret
from app.web.forms import refused
from app.web.view import View

# Shown again with the answer. Secrets are not.
_SHOWN: Final = ("headers", "body", "body_form", "app_id", "endpoint_id", "computed", "url", "now")
_MILLISECONDS: Final = 13


@dataclass(frozen=True, slots=True)
class Asked:
    """A form that was sent, or an empty one."""

    values: dict[str, str] = field(repr=False)
    secrets: tuple[KnownSecret, ...] = field(repr=False)


def read_form(view: View) -> Asked:
    """As it was sent: nothing is stripped, because what is around a secret may be what is wrong with it."""
    texts = {name: value for name, value in view.form.multi_items() if isinstance(value, str)}
    values = {name: texts.get(name, "") for name in _SHOWN}
    # Browsers make all line ends of a form CRLF.
    values["body"] = values["body"].replace("\r\n", "\n")
    secrets = [KnownSecret(texts["secret"])] if texts.get("secret") else []
    if texts.get("former"):
        secrets.append(KnownSecret(texts["former"], "former"))
    return Asked(values, tuple(secrets))


def question_of(asked: Asked, secrets: tuple[KnownSecret, ...]) -> Question:
    """What is asked of the engine. ApiError for what cannot be read."""
    values = asked.values
    is_base64 = values["body_form"] == "base64"
    moment = _moment(values["now"].strip())
    return Question(
        _headers(values["headers"]),
        _decoded(values["body"]) if is_base64 else values["body"].encode("utf-8", "surrogatepass"),
        secrets,
        clock.unix() if moment is None else moment,
        now_is_given=moment is not None,
        line_ends_known=is_base64,
        computed=values["computed"].strip(),
        url=values["url"].strip(),
    )


def _headers(text: str) -> PastedHeaders:
    try:
        return read_headers(text)
    except ValueError as error:
        raise refused("headers", f"{error}.") from None


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise refused("body", "This is not base64: choose text, or encode the body's bytes.") from None


def _moment(text: str) -> float | None:
    """Unix seconds (or milliseconds), or a time as RFC 3339 writes it, in UTC unless it says otherwise."""
    if not text:
        return None
    if text.isascii() and text.isdecimal() and len(text) <= _MILLISECONDS:
        return int(text) / (1000 if len(text) == _MILLISECONDS else 1)
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise refused("now", "Write a time as 2026-11-22T10:15:00Z, or Unix seconds.") from None
