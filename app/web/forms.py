"""How the fields of forms become what the API takes, and back. What cannot be read is refused as the API would."""

from collections.abc import Iterable, Mapping
from typing import Final

import orjson

from app.web.api_client import ApiError

_LONGEST_SHOWN: Final = 100


def refused(field: str, text: str) -> ApiError:
    """As the API refuses a field of a body."""
    return ApiError(422, "validation_error", f"{field}: {text}", ((field, text),))


def number_or_text(text: str) -> int | str | None:
    """A whole number; None for nothing; any other text as it is, for the API to say what is wrong with it."""
    if not text:
        return None
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else text


def words(text: str) -> list[str]:
    """What is separated by commas, spaces or lines."""
    return [word for word in text.replace(",", " ").split() if word]


def as_json(values: Mapping[str, object]) -> str:
    """An object for a text field; nothing for an empty one."""
    return orjson.dumps(values, option=orjson.OPT_INDENT_2).decode() if values else ""


def json_object(field: str, text: str) -> dict[str, object]:
    """A JSON object; an empty one for nothing. ApiError for anything else."""
    if not text:
        return {}
    try:
        value = orjson.loads(text)
        # What is too deep for us can be read, but not be sent on.
        orjson.dumps(value)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError) as error:
        raise refused(field, f"This is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise refused(field, 'This must be a JSON object, such as {"plan": "gold"}.')
    return value


def as_lines(values: Mapping[str, str]) -> str:
    """`name: value`, one in a line."""
    return "\n".join(f"{name}: {value}" for name, value in values.items())


def from_lines(field: str, text: str) -> dict[str, str]:
    """What as_lines makes, read. ApiError for a line without a colon."""
    return dict(_pair(field, line) for line in text.splitlines() if line.strip())


def _pair(field: str, line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise refused(field, f"There is no colon in the line {line.strip()[:_LONGEST_SHOWN]!r}: write `Name: value`.")
    return name.strip(), value.strip()


def without_case(names: Iterable[str]) -> frozenset[str]:
    """Names of headers, to be compared."""
    return frozenset(name.lower() for name in names)
