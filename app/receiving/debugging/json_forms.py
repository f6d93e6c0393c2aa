"""JSON as the usual serialisers write it: the same document, in other bytes."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import orjson

# Stands before the text of a number while the document is handled as one of texts, so that numbers keep their form.
_MARK: Final = "\ue000"
_ESCAPED_MARK: Final = "\\ue000"
_MARKED: Final = re.compile(f'"(?:{_MARK}|\\{_ESCAPED_MARK})([^"]*)"')
_BEYOND_ASCII: Final = re.compile("[^\x00-\x7f]+")
_INDENTATION: Final = re.compile("^ +", re.MULTILINE)
# Of more characters the numbers are written as Python does: to keep their form takes long.
_MOST_WITH_NUMBERS: Final = 65_536
_LONGEST_NUMBER: Final = 400
_INFINITE: Final = frozenset({float("inf"), float("-inf")})
# Numbers whose first digit is between these places are written without an exponent.
_LEAST_POINT: Final = -7
_MOST_POINT: Final = 21


@dataclass(frozen=True, slots=True)
class _Form:
    name: str
    separators: tuple[str, str] = (",", ":")
    indent: str = ""
    ascii: bool = False
    sort: bool = False
    # What is done to the text afterwards.
    escape: Callable[[str], str] = str


def _of_go(text: str) -> str:
    return re.sub("[<>&\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", text)


def _of_php(text: str) -> str:
    return text.replace("/", "\\/")


def _of_dotnet(text: str) -> str:
    text = re.sub(r"(?<!\\)((?:\\\\)*)\\u([0-9a-f]{4})", lambda found: f"{found[1]}\\u{found[2].upper()}", text)
    text = re.sub(r'(?<!\\)((?:\\\\)*)\\"', r"\1\\u0022", text)
    return re.sub("[<>&'+`]", lambda found: f"\\u{ord(found[0]):04X}", text)


def _of_gson(text: str) -> str:
    return re.sub("[<>&'=]", lambda found: f"\\u{ord(found[0]):04x}", text)


_SPACED: Final = (", ", ": ")
_LINES: Final = (",", ": ")
_TWO: Final = "  "
_FOUR: Final = "    "
_FORMS: Final = (
    _Form("compact, as JSON.stringify or orjson write it"),
    _Form("with a space after each comma and colon, as Python's json.dumps writes it", _SPACED, ascii=True),
    _Form("with a space after each comma and colon", _SPACED),
    _Form("compact, with letters beyond ASCII escaped", ascii=True),
    _Form("indented by 2 spaces", _LINES, _TWO),
    _Form("indented by 4 spaces", _LINES, _FOUR),
    _Form("compact, with sorted names", sort=True),
    _Form("with sorted names and <, > and & escaped, as Go writes a map", sort=True, escape=_of_go),
    _Form("compact, with <, > and & escaped, as Go or Rails write it", escape=_of_go),
    _Form("as PHP's json_encode writes it, with \\/", ascii=True, escape=_of_php),
    _Form("as .NET's System.Text.Json writes it", ascii=True, escape=_of_dotnet),
    _Form("as Gson writes it", escape=_of_gson),
    _Form("with sorted names and a space after each comma and colon", _SPACED, ascii=True, sort=True),
    _Form("with sorted names and spaces, letters unescaped", _SPACED, sort=True),
    _Form("compact, with sorted names and letters beyond ASCII escaped", ascii=True, sort=True),
    _Form("indented by tabs", _LINES, "\t"),
    _Form("indented by 2 spaces, with letters beyond ASCII escaped", _LINES, _TWO, ascii=True),
    _Form("indented by 4 spaces, with letters beyond ASCII escaped", _LINES, _FOUR, ascii=True),
    _Form("indented by 4 spaces, as PHP writes it", _LINES, _FOUR, ascii=True, escape=_of_php),
    _Form("indented by 2 spaces, with sorted names", _LINES, _TWO, sort=True),
    _Form("indented by 4 spaces, with sorted names", _LINES, _FOUR, sort=True),
)


def other_forms(text: str) -> Iterator[tuple[str, str]]:
    """(how it is written, the document written so), the likeliest first; nothing if the text is not JSON.

    Numbers keep their form first; then they are as JavaScript writes them (1.0 is 1).
    """
    if _MARK in text or _ESCAPED_MARK in text.lower():
        return
    if len(text) > _MOST_WITH_NUMBERS:
        yield from _written_in_all(_parsed(text, None), "")
        return
    first = _parsed(text, str)
    yield from _written_in_all(first, "")
    second = _parsed(text, _of_javascript)
    if second != first:
        yield from _written_in_all(second, ", with numbers as JavaScript writes them")


def _written_in_all(document: object, suffix: str) -> Iterator[tuple[str, str]]:
    for form in _FORMS if document is not None else ():
        written = _written(document, form)
        if written is not None:
            yield form.name + suffix, written


def _parsed(text: str, number: Callable[[str], str] | None) -> object:
    """The document, its numbers marked texts unless nothing says how to write them; None if it is no JSON (or null)."""

    def marked(found: str) -> str:
        return _MARK + (number or str)(found)

    mark = marked if number else None
    try:
        return json.loads(text, parse_int=mark, parse_float=mark, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _written(document: object, form: _Form) -> str | None:
    try:
        if form.indent:
            written = _indented(document, form)
        else:
            written = json.dumps(document, ensure_ascii=form.ascii, separators=form.separators, sort_keys=form.sort)
    except (RecursionError, orjson.JSONEncodeError):
        return None
    if _MARK in written or _ESCAPED_MARK in written:
        written = _MARKED.sub(r"\1", written)
    return form.escape(written)


def _indented(document: object, form: _Form) -> str:
    """By orjson, because Python's own is slow with indentation. JSONEncodeError for half of a surrogate pair."""
    options = orjson.OPT_INDENT_2 | (orjson.OPT_SORT_KEYS if form.sort else 0)
    written = orjson.dumps(document, option=options).decode()
    if form.ascii:
        written = _BEYOND_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], written)
    if form.indent == _TWO:
        return written
    # No text of JSON holds a line end.
    return _INDENTATION.sub(lambda found: form.indent * (len(found[0]) // 2), written)


def _of_javascript(text: str) -> str:
    """A number as ECMAScript's Number::toString writes it; one too long to be read, as it is."""
    if len(text) > _LONGEST_NUMBER:
        return text
    value = float(text)
    if value in _INFINITE:
        return "null"
    if value == 0:
        return "0"
    shortest = Decimal(repr(value))
    point = shortest.adjusted()
    if _LEAST_POINT < point < _MOST_POINT:
        plain = format(shortest, "f")
        return plain.rstrip("0").removesuffix(".") if "." in plain else plain
    digits = "".join(map(str, shortest.as_tuple().digits)).rstrip("0")
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{'-' if value < 0 else ''}{digits[0]}{fraction}e{point:+d}"
