"""A request as a command that sends it again: `curl`, for a POSIX shell, byte for byte, whatever its bytes are."""

from collections.abc import Iterable
from shlex import quote
from typing import Final

# One argument of a program may hold 131,072 bytes on Linux; what a shell writes itself may be longer.
_LONGEST_ARGUMENT: Final = 100_000
# curl would send these by itself if they are not said; with nothing after the colon it does not.
_BY_ITSELF: Final = ("user-agent", "accept", "content-type")
_WAITING: Final = "expect"


def curl_command(url: str, headers: Iterable[tuple[str, str]], body: bytes) -> str:
    """The command that POSTs these bytes with these headers, and none beside them but those that frame a request.

    Nothing in it is anything but text to the shell, and nothing in a URL, header or body is a pattern or the name of a
    file to curl. Control characters stand as octal numbers, so that none does anything to a terminal.
    """
    said = list(headers)
    names = {name.lower() for name, _ in said}
    words = ["curl", "--include", "--globoff", "--path-as-is", "--http1.1", "--request", "POST"]
    lines = [" ".join(words), f"--url {_word(url)}"]
    # `name;` is how curl is told of a header without a value.
    lines += [f"--header {_word(f'{name}: {value}' if value else f'{name};')}" for name, value in said]
    lines += [f"--header {_word(f'{name}:')}" for name in (*_BY_ITSELF, _WAITING) if name not in names]
    text = _as_text(body)
    if text is not None and len(body) <= _LONGEST_ARGUMENT and not body.startswith(b"@"):
        return _joined([*lines, f"--data-binary {quote(text)}"])
    source = f"printf '{_octal(body)}'" if text is None else f"printf %s {quote(text)}"
    return f"{source} | " + _joined([*lines, "--data-binary @-"])


def _joined(lines: list[str]) -> str:
    return " \\\n  ".join(lines)


def _word(text: str) -> str:
    """One word of the shell; control characters cannot be in what was sent, and are left out."""
    return quote("".join(character for character in text if character.isprintable() or character == "\t"))


def _as_text(body: bytes) -> str | None:
    """The body, if it can be read and copied as it is; None if some of it would be lost, or do something."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    return text if all(line.isprintable() for line in text.split("\n")) else None


def _octal(body: bytes) -> str:
    """For the format of printf, in which letters, digits and a few signs stand for themselves."""
    return "".join(chr(byte) if _stands_for_itself(byte) else f"\\{byte:03o}" for byte in body)


def _stands_for_itself(byte: int) -> bool:
    character = chr(byte)
    return character.isascii() and (character.isalnum() or character in ' {}[]":,._-=<>/+;()')
