"""JSON with line breaks and indentation, in which nothing else is changed: numbers, names and escapes stay the same."""

import re
from typing import Final

# RFC 8259: strings, and what stands between them. Spaces are what is replaced. A string that the text breaks off is
# one, too: or else each quotation mark in it would be tried as the beginning of another one, which takes as long again.
_PART: Final = re.compile(r'"(?:[^"\\]|\\.?)*+(?:"|\Z)|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_INDENT: Final = "  "
_DEEPEST: Final = 64


def indented(text: str) -> str:
    """The text of one JSON value, for people. What is no JSON comes out as some text, and never as an error."""
    found: list[str] = []
    depth = 0
    parts = _PART.findall(text)
    for place, part in enumerate(parts):
        following = parts[place + 1] if place + 1 < len(parts) else ""
        if part in {"{", "["}:
            depth += 1
            found.append(part if following in {"}", "]"} else part + _line(depth))
        elif part in {"}", "]"}:
            depth = max(depth - 1, 0)
            is_empty = place > 0 and parts[place - 1] in {"{", "["}
            found.append(part if is_empty else _line(depth) + part)
        elif part == ",":
            found.append(part + _line(depth))
        elif part == ":":
            found.append(": ")
        else:
            found.append(part)
    return "".join(found)


def _line(depth: int) -> str:
    return "\n" + _INDENT * min(depth, _DEEPEST)
