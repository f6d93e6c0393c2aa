"""Headers as people copy them: from a log, a terminal, a debugger."""

import json
import re
from dataclasses import dataclass, field
from typing import Final

MOST_CHARACTERS: Final = 65_536
_MOST_LINES: Final = 500

# `name: value`, after what curl (`> `, `< `, `-H '`), PHP (`[name] => value`) or a quoted dictionary put around it.
_LINE: Final = re.compile(
    r"""^\s*(?:[<>*]\s+|(?:curl\s.*?)?(?:-H|--header)\s*)?['"\[]{0,2}
    (?P<name>[A-Za-z0-9_-]+)['"\]]{0,2}\s*(?::|=>)(?P<value>.*)$""",
    re.VERBOSE,
)
_DICTIONARY: Final = re.compile(r"\s*[A-Za-z_]*\(?\{\s*'")
_ENTRY: Final = re.compile(r"""'(?P<name>[A-Za-z0-9_-]+)'\s*:\s*(?P<quote>['"])(?P<value>.*?)(?P=quote)""")
# What stands around headers: the lines with method and status, curl itself, brackets.
_AROUND: Final = re.compile(r"[A-Z]+ \S+ HTTP/[\d.]+|HTTP/[\d.]+ \d{3}.*|curl\s.*|[<>*{}()\[\]]*,?|Array")


@dataclass(frozen=True, slots=True)
class PastedHeaders:
    """Headers in the order in which they came, names in lower case, and the numbers of the lines that are none."""

    headers: tuple[tuple[str, str], ...] = field(repr=False)
    unread: tuple[int, ...] = ()

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.headers if key == name]


def read_headers(text: str) -> PastedHeaders:
    """From lines `name: value`, what `curl -v` prints, JSON, a dictionary. ValueError, with what to do, if too long."""
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"the headers may have {MOST_CHARACTERS:,} characters: paste those of one request only")
    found = _of_json(text) or _of_python(text)
    if found:
        return PastedHeaders(tuple(found))
    lines = text.splitlines()
    if len(lines) > _MOST_LINES:
        raise ValueError(f"the headers may have {_MOST_LINES} lines: paste those of one request only")
    headers: list[tuple[str, str]] = []
    unread: list[int] = []
    for number, line in enumerate(lines, 1):
        match = _LINE.match(line)
        if match is not None:
            headers.append((_name(match["name"]), _unquoted(match["value"].strip(), line)))
        elif not _AROUND.fullmatch(line.strip("<> \t\\")):
            unread.append(number)
    return PastedHeaders(tuple(headers), tuple(unread))


def _name(text: str) -> str:
    """In lower case; CGI, WSGI and PHP call `Svix-Id` HTTP_SVIX_ID."""
    return text.removeprefix("HTTP_").lower().replace("_", "-")


def _unquoted(value: str, line: str) -> str:
    """Without the quote and the comma at the end that belong to a quote at the line's begin, or to the value itself."""
    value = value.removesuffix("\\").rstrip()
    opening = re.match(r"\s*(?:[<>*]\s+|(?:curl\s.*?)?(?:-H|--header)\s*)?(['\"])", line)
    if opening is None:
        return value
    value = value.removesuffix(",").rstrip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value.removesuffix(opening[1])


def _of_python(text: str) -> list[tuple[str, str]]:
    """Of a dictionary as Python shows it. Nothing is evaluated."""
    if not _DICTIONARY.match(text):
        return []
    return [(_name(match["name"]), match["value"]) for match in _ENTRY.finditer(text)]


def _of_json(text: str) -> list[tuple[str, str]] | None:
    """Of an object of texts (or lists of them), or of a list of pairs or of objects with `name` and `value`."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(document, dict):
        inner = document.get("headers")
        pairs = list((inner if isinstance(inner, dict) else document).items())
    elif isinstance(document, list):
        pairs = [_pair(entry) for entry in document]
    else:
        return None
    found: list[tuple[str, str]] = []
    for name, value in pairs:
        values = value if isinstance(value, list) else [value]
        found += [(_name(str(name)), str(each)) for each in values if isinstance(each, str | int)]
    return found


def _pair(entry: object) -> tuple[object, object]:
    if isinstance(entry, dict):
        return entry.get("name", ""), entry.get("value")
    if isinstance(entry, list) and len(entry) == 2:
        return entry[0], entry[1]
    return "", None
