"""Receiver code: what a receiver needs to verify signatures, in eight languages, each with its standard library.

The files beside this one are shown as they are, and are run by the tests.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final


@dataclass(frozen=True, slots=True)
class ReceiverCode:
    """A receiver in one language."""

    language: str
    # As it is called in Markdown, and the part of its file's name before the dot.
    name: str
    text: str


_LANGUAGES: Final = (
    ("Python", "python.py"),
    ("JavaScript", "javascript.js"),
    ("Go", "go.go"),
    ("Ruby", "ruby.rb"),
    ("PHP", "php.php"),
    ("Java", "java.java"),
    ("C#", "csharp.cs"),
    ("Rust", "rust.rs"),
)


@cache
def receiver_codes() -> tuple[ReceiverCode, ...]:
    """All of them, in the order in which they are shown."""
    folder = Path(__file__).parent
    return tuple(
        ReceiverCode(language, file.partition(".")[0], (folder / file).read_text(encoding="utf-8"))
        for language, file in _LANGUAGES
    )
