"""The three headers of a signature, which several families of names may carry."""

import difflib
import re
from dataclasses import dataclass
from typing import Final

from app.receiving.debugging.findings import Finding
from app.receiving.debugging.headers_text import PastedHeaders

_PARTS: Final = ("id", "timestamp", "signature")
_STANDARD: Final = ("webhook", "svix")
_LIKENESS: Final = 0.8
# Of one part: all are tried with all of the others.
_MOST_VALUES: Final = 4


@dataclass(frozen=True, slots=True)
class ThreeHeaders:
    """Each part's values, those that count first; and what is wrong with them."""

    ids: list[str]
    stamps: list[str]
    signatures: list[str]
    findings: tuple[Finding, ...]
    is_standard: bool

    @property
    def is_absent(self) -> bool:
        """Whether nothing of them is there."""
        return not (self.ids or self.stamps or self.signatures)


def read_three(pasted: PastedHeaders) -> ThreeHeaders:
    """From `webhook-*`, `svix-*`, or three headers of any other common prefix."""
    present = {part: [name for name in _STANDARD if pasted.all(f"{name}-{part}")] for part in _PARTS}
    families: tuple[str, ...] = _STANDARD
    findings: list[Finding] = []
    if not any(present.values()):
        own = _own_family(pasted)
        if own is None:
            return ThreeHeaders([], [], [], (), False)
        families, findings = (own,), [_unknown(own)]
    findings += _twice(pasted, families)
    complete = [name for name in families if all(pasted.all(f"{name}-{part}") for part in _PARTS)]
    ordered = sorted(families, key=lambda name: name not in complete)
    values = {
        part: [value for name in ordered for value in pasted.all(f"{name}-{part}")][:_MOST_VALUES] for part in _PARTS
    }
    if not complete:
        findings += _incomplete(pasted, values)
    return ThreeHeaders(
        list(dict.fromkeys(values["id"])),
        list(dict.fromkeys(values["timestamp"])),
        list(dict.fromkeys(values["signature"])),
        tuple(findings),
        families is _STANDARD,
    )


def _own_family(pasted: PastedHeaders) -> str | None:
    names = {name for name, _ in pasted.headers}
    prefixes = [match[1] for name in names if (match := re.fullmatch(r"(.+)-signature", name))]
    return next((each for each in sorted(prefixes) if {f"{each}-id", f"{each}-timestamp"} <= names), None)


def _unknown(family: str) -> Finding:
    return Finding(
        "headers-unknown",
        "warning",
        "The headers have names of their own.",
        f"They are called {family}-id, {family}-timestamp and {family}-signature.",
        "Libraries read webhook-* or svix-*: rename them before you verify.",
    )


def _twice(pasted: PastedHeaders, families: tuple[str, ...]) -> list[Finding]:
    found = []
    for name in (f"{family}-{part}" for family in families for part in _PARTS):
        values = pasted.all(name)
        if len(values) > 1:
            same = len(set(values)) == 1
            found.append(
                Finding(
                    "header-twice",
                    "warning" if same else "mistake",
                    f"The header {name} is there {len(values)} times.",
                    "All have the same value." if same else "Their values differ: each was tried.",
                    "Something between adds it; or the headers are of two requests: paste those of one.",
                )
            )
    return found


def _incomplete(pasted: PastedHeaders, values: dict[str, list[str]]) -> list[Finding]:
    missing = [part for part in _PARTS if not values[part]]
    if not missing:
        return [
            Finding(
                "headers-mixed",
                "mistake",
                "The headers are of two families, of which neither is complete.",
                "Some begin with webhook-, the others with svix-.",
                "Pass on all three headers of one family: libraries read the one or the other.",
            )
        ]
    names = {name for name, _ in pasted.headers}
    return [_missing(part, names) for part in missing]


def _missing(part: str, names: set[str]) -> Finding:
    wanted = [f"{family}-{part}" for family in _STANDARD]
    known = {f"{family}-{each}" for family in _STANDARD for each in _PARTS}
    near = next((name for each in wanted for name in difflib.get_close_matches(each, names - known, 1, _LIKENESS)), "")
    how = f"There is neither {wanted[0]} nor {wanted[1]}" + (f"; {near} looks like it." if near else ".")
    return Finding(
        "header-missing",
        "mistake",
        f"The header with the {part} is missing.",
        how,
        "Pass all three headers on: proxies and frameworks may drop those that they do not know.",
    )
