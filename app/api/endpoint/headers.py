"""The rules of custom headers: which names and values may be sent, which values are never shown again."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

# RFC 9110 §5.6.2 (token), and §5.5 without obs-text: what every receiver reads alike.
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}")
# Spaces at its ends are no part of a value (§5.5): some receivers would get another one than was saved.
_VALUE: Final = re.compile(r"([\x21-\x7e]([\t\x20-\x7e]*[\x21-\x7e])?)?")
_LONGEST_VALUE: Final = 4096
# In all, names, values and line ends: what servers commonly take as a whole request's head.
MOST_BYTES: Final = 16_384
_VALUE_SCHEMA: Final = {"type": "string", "maxLength": _LONGEST_VALUE, "pattern": f"^{_VALUE.pattern}$"}
# An object of headers, as far as JSON Schema has words for the rules; and one of changes, in which null removes one.
SCHEMA: Final[dict[str, Any]] = {
    "propertyNames": {"pattern": f"^{_NAME.pattern}$"},
    "additionalProperties": _VALUE_SCHEMA,
}
CHANGES_SCHEMA: Final[dict[str, Any]] = {
    **SCHEMA,
    "additionalProperties": {"anyOf": [_VALUE_SCHEMA, {"type": "null"}]},
}

# Ours to set, the connection's, or a proxy's and a cache's on the way: the Svix API's list, and those that frame a
# request or that the delivery engine writes itself.
_FORBIDDEN: Final = frozenset(
    {
        "accept-encoding",
        "age",
        "cache-control",
        "clear-site-data",
        "connection",
        "expect",
        "expires",
        "host",
        "keep-alive",
        "pragma",
        "te",
        "trailer",
        "trailers",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "warning",
    }
)
_FORBIDDEN_PREFIXES: Final = (
    "content-",
    "proxy-",
    "svix-",
    "webhook-",
    "x-amz-",
    "x-amzn-",
    "x-azure-",
    "x-fd-",
    "x-gfe",
    "x-goog-",
    "x-google",
    "x-svix-",
)
_SENSITIVE: Final = frozenset({"authorization", "cookie", "x-api-key", "x-auth-token", "www-authenticate"})


def check_names(names: Iterable[str]) -> None:
    """ValueError for a name that may not be sent, or that is given twice (names do not differ by case)."""
    seen: set[str] = set()
    for name in names:
        lower = name.lower()
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name[:64]!r} is not a header name: use letters, digits and hyphens, up to 256")
        if lower in _FORBIDDEN or lower.startswith(_FORBIDDEN_PREFIXES):
            raise ValueError(
                f"the header {name!r} is not allowed: leave it out, it is set for each delivery or reserved"
            )
        if lower in seen:
            raise ValueError(f"the header {name!r} is given twice: names that differ only by case are the same")
        seen.add(lower)


def check_value(name: str, value: str) -> None:
    """ValueError for a value that may not be sent; its text does not repeat the value."""
    if len(value) > _LONGEST_VALUE:
        raise ValueError(f"the value of the header {name!r} must be at most {_LONGEST_VALUE} characters")
    if not _VALUE.fullmatch(value):
        raise ValueError(
            f"the value of the header {name!r} must be printable ASCII, without line breaks or spaces at its ends"
        )


def check_total(headers: Mapping[str, str]) -> None:
    """ValueError for headers that are too many bytes together."""
    if sum(len(name) + len(value) + 4 for name, value in headers.items()) > MOST_BYTES:
        raise ValueError(f"all headers of an endpoint together must be at most {MOST_BYTES} bytes: remove some")


def merged(current: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """The headers after a change; None removes one. Names are compared without case, and spelled as given last."""
    headers = {name.lower(): (name, value) for name, value in current.items()}
    for name, value in changes.items():
        if value is None:
            headers.pop(name.lower(), None)
        else:
            headers[name.lower()] = (name, value)
    return dict(headers.values())


def is_sensitive(name: str) -> bool:
    """Whether the header's value is kept back: it is a credential."""
    lower = name.lower()
    return lower in _SENSITIVE or lower.startswith("proxy-auth")


def check_of_code(headers: Mapping[str, str]) -> None:
    """ValueError for headers that a transformation may not set: as an endpoint's, but it may say what its body is."""
    kinds = [name for name in headers if name.lower() == "content-type"]
    if len(kinds) > 1:
        raise ValueError("the header 'content-type' is given twice: names that differ only by case are the same")
    check_names(name for name in headers if name not in kinds)
    for name, value in headers.items():
        check_value(name, value)
    check_total(headers)
