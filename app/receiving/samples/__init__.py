"""Sample: what a provider sends for one of its events, written for Postrider, about people that there are not.

The files beside this one are called `<provider>.<event>.<form>`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

_FORMS: Final = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "xml": "text/xml; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """What is sent for one event, without its headers."""

    event: str
    body: bytes = field(repr=False)
    content_type: str


@cache
def _paths() -> Mapping[str, Mapping[str, Path]]:
    """By provider and event, in the order of their names."""
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(Path(__file__).parent.iterdir()):
        if path.suffix[1:] in _FORMS:
            provider, _, event = path.stem.partition(".")
            found.setdefault(provider, {})[event] = path
    return found


def names_of(provider: str) -> tuple[str, ...]:
    """The events of which there are samples, as the provider calls them; none for most who only sign as others do."""
    return tuple(_paths().get(provider, ()))


def sample(provider: str, event: str) -> Sample:
    """What the provider sends for an event. KeyError if `names_of` does not have it."""
    path = _paths()[provider][event]
    return Sample(event, path.read_bytes(), _FORMS[path.suffix[1:]])
