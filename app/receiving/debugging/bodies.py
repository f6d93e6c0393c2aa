"""The bodies that may have been signed, of which the one at hand was made by mistake."""

import base64
import binascii
import contextlib
import html
import json
import unicodedata
from collections.abc import Callable, Iterator
from itertools import chain, groupby
from typing import Final, Literal

from app.receiving.debugging.findings import Code, Repair
from app.receiving.debugging.json_forms import other_forms

Body = tuple[bytes, Repair]

_MARK: Final = "\ufeff"
_RAW: Final = (
    "Verify the bytes as they arrive, before anything parses them: what is parsed and written anew is other bytes."
)
_EXACT: Final = "Verify, and copy, the body byte for byte: as a file, or as base64."
_SMART: Final = str.maketrans("“”„‘’\u00a0\u200b", '"""\'\' \u200b')
# Of the work that the forms of JSON are: so many bytes are written, and at least so many forms.
_MOST_WRITTEN: Final = 4 * 1024 * 1024
_LEAST_FORMS: Final = 6
_MOST_NORMALIZED: Final = 100_000
_MOST_MARKS: Final = 30


def other_bodies(body: bytes, *, line_ends_known: bool) -> Iterator[Body]:
    """The likeliest first; one may come twice."""
    text = body.decode("utf-8", "surrogateescape")
    yield from _line_ends(text, line_ends_known)
    forms = _forms(text, max(_LEAST_FORMS, _MOST_WRITTEN // (len(body) + 1)))
    for written, repair in chain(_whitespace(text), forms, _encodings(text)):
        yield _encoded(written), repair
    yield from _binary(body)


def _encoded(text: str) -> bytes:
    """Bytes that were no UTF-8 as they were; half of a surrogate pair, which JSON may hold, as it would be encoded."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _repair(code: Code, title: str, right_for: str, advice: str = _EXACT) -> Repair:
    return Repair(code, title, right_for, advice)


def _line_ends(text: str, known: bool) -> Iterator[Body]:
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    for ends, name in (("\n", "LF"), ("\r\n", "CRLF"), ("\r", "CR")):
        changed = plain.replace("\n", ends)
        if changed == text:
            continue
        if known:
            repair = _repair(
                "body-whitespace", "The body's line ends were changed.", f"the body with {name} as line end"
            )
        else:
            repair = Repair(
                "body-whitespace",
                f"The body that was signed has {name} as line end.",
                f"the body with {name} as line end, which a form of a browser does not keep",
                "If your receiver sees other line ends, something between changes them; else all is well.",
                "note",
            )
        yield changed.encode("utf-8", "surrogateescape"), repair


def _whitespace(text: str) -> Iterator[tuple[str, Repair]]:
    title = "The body's blanks at its ends were changed."
    candidates: tuple[tuple[str, str], ...] = (
        (text.rstrip("\r\n"), "the body without the line end at its end"),
        (text + "\n", "the body with a line end (LF) at its end"),
        (text + "\r\n", "the body with a line end (CRLF) at its end"),
        (text.strip(), "the body without blanks at its begin and end"),
        (text.lstrip(), "the body without blanks at its begin"),
        (text + " ", "the body with a space at its end"),
        (text.replace("\t", "    "), "the body with four spaces for each tab"),
        ("\n".join(line.rstrip() for line in text.split("\n")), "the body without blanks at the ends of its lines"),
    )
    for changed, right_for in candidates:
        if changed != text:
            yield changed, _repair("body-whitespace", title, right_for)
    bare = text.removeprefix(_MARK)
    if bare != text:
        yield (
            bare,
            _repair(
                "body-whitespace", "There is a byte order mark before the body.", "the body without its byte order mark"
            ),
        )
    else:
        yield (
            _MARK + text,
            _repair(
                "body-whitespace",
                "The body's byte order mark was removed.",
                "the body with a byte order mark before it",
            ),
        )


def _forms(text: str, most: int) -> Iterator[tuple[str, Repair]]:
    for number, (name, written) in enumerate(other_forms(text)):
        if number >= most:
            return
        for end, suffix in (("", ""), ("\n", ", with a line end at its end")):
            if written + end != text:
                yield (
                    written + end,
                    _repair(
                        "body-serialised",
                        "The JSON was parsed and written anew: that changed its bytes.",
                        f"the body {name}{suffix}",
                        _RAW,
                    ),
                )


def _encodings(text: str) -> Iterator[tuple[str, Repair]]:
    title = "The body was encoded once more, or once too little."
    steps: tuple[tuple[Callable[[str], str], str], ...] = (
        (_inner_text, "the text inside the JSON text that the body is"),
        (lambda given: json.dumps(given, ensure_ascii=False), "the body as a JSON text, in quotes and escaped"),
        (json.dumps, "the body as a JSON text, in quotes and escaped, in ASCII"),
        (lambda given: _inner_text(f'"{given}"'), "the body with its backslashes taken for escapes"),
        (lambda given: given[1:-1] if given[:1] in {"'", '"'} else given, "the body without the quotes around it"),
        (html.unescape, "the body with &quot; and the like read as HTML"),
        (lambda given: given.translate(_SMART).replace("\u200b", ""), "the body with plain quotes and spaces"),
        (lambda given: _normalized("NFC", given), "the body with composed letters (NFC)"),
        (lambda given: _normalized("NFD", given), "the body with decomposed letters (NFD)"),
        (lambda given: given.encode("latin-1").decode(), "the body read as UTF-8, not as Latin-1"),
        (lambda given: given.encode("cp1252").decode(), "the body read as UTF-8, not as Windows-1252"),
        (lambda given: given.encode().decode("latin-1"), "the body in UTF-8 twice over"),
        (lambda given: repr(given.encode()), "the way in which Python shows bytes (b'…')"),
        (lambda given: repr(json.loads(given)), "the way in which Python shows the parsed body"),
        (lambda _given: "[object Object]", "the text [object Object]: JavaScript's of a parsed body"),
        (lambda _given: "", "an empty body: something had read it before"),
        (lambda _given: "{}", "the empty object {}"),
    )
    for step, right_for in steps:
        try:
            changed = step(text)
        except (ValueError, RecursionError):
            continue
        if changed != text:
            yield changed, _repair("body-encoding", title, right_for, _RAW)


def _normalized(form: Literal["NFC", "NFD"], text: str) -> str:
    """The text itself if it is long, or piles up marks: to put n of them in order takes n² steps."""
    if text.isascii() or len(text) > _MOST_NORMALIZED:
        return text
    runs = groupby(text, key=lambda letter: unicodedata.combining(letter) > 0)
    if any(marks and sum(1 for _ in run) > _MOST_MARKS for marks, run in runs):
        return text
    return unicodedata.normalize(form, text)


def _inner_text(text: str) -> str:
    inner = json.loads(text, strict=False)
    return inner if isinstance(inner, str) else text


def _binary(body: bytes) -> Iterator[Body]:
    title = "The body is in base64, or was."
    advice = "Some gateways hand the body over in base64 (isBase64Encoded): decode it before you verify."
    decoded = b""
    with contextlib.suppress(binascii.Error, ValueError):
        decoded = base64.b64decode(body, validate=True)
    if decoded:
        yield decoded, _repair("body-encoding", title, "the body decoded", advice)
    yield base64.b64encode(body), _repair("body-encoding", title, "the body in base64", advice)
    try:
        latin = body.decode().encode("latin-1")
    except ValueError:
        return
    if latin != body:
        yield latin, _repair("body-encoding", "The body's encoding was changed.", "the body in Latin-1", _RAW)
