"""What `postrider up` shows: one line per step while it starts, then its children's lines."""

import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, TextIO

import orjson

from app import clock

_COLOURS: Final = {"api": "36", "worker": "35", "beat": "33"}
_WIDTH: Final = 7
# The beginning of a line of app/logs.py.
_LOGGED: Final = re.compile(r"(?P<head>\d{4}-\d\d-\d\d \S+ [A-Z]+ +)(?P<process>\w+) ")


class Console:
    """Lines for a person on a terminal (coloured, the current step redrawn in place), plain lines otherwise.

    Safe to use from several threads. A reader that went away (a closed pipe) is no reason to stop serving.
    """

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        # Children log JSON, which a name before it would spoil; what is not JSON in their output is wrapped.
        self.children_log_json = False
        self.is_terminal = out.isatty() and os.environ.get("TERM") != "dumb"
        self._coloured = self.is_terminal and not os.environ.get("NO_COLOR")
        self._lock = threading.RLock()
        self._current = ""

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Show that something begins, and, when the block ends without an error, how long it took."""
        begun = time.monotonic()
        self.doing(title)
        try:
            yield
        except BaseException:
            self._finish()
            raise
        mark = self._paint("✓", "32") if self.is_terminal else "done:"
        self._finish(f"  {mark} {title} ({time.monotonic() - begun:.1f} s)")

    def doing(self, text: str) -> None:
        """What is being done now; replaces the current step's line on a terminal."""
        with self._lock:
            if self.is_terminal:
                self._current = f"  · {text} …"
                self._write(f"\r\x1b[2K{self._current}")
            else:
                self._write(f"  {text} …\n")

    def line(self, text: str = "") -> None:
        """One line, above the current step's."""
        with self._lock:
            if self._current:
                self._write(f"\r\x1b[2K{text}\n{self._current}")
            else:
                self._write(f"{text}\n")

    def child_line(self, name: str, text: str) -> None:
        """A line of a child's output, with the child's name once."""
        if not text:
            return
        if not self.children_log_json:
            label = self._paint(name.ljust(_WIDTH), _COLOURS.get(name, "34"))
            logged = _LOGGED.match(text)
            if logged and logged["process"] == name:
                text = logged["head"] + text[logged.end() :]
            self.line(f"{label}| {text}")
        elif text.startswith("{"):
            self.line(text)
        else:
            fields = {"process": name, "time": clock.now().isoformat(timespec="milliseconds"), "message": text}
            self.line(orjson.dumps(fields).decode())

    def warn(self, text: str) -> None:
        self.line(self._paint(f"  ! {text}", "33"))

    def title(self, text: str) -> None:
        self.line(self._paint(text, "1"))

    def _finish(self, text: str = "") -> None:
        with self._lock:
            if self.is_terminal:
                self._write("\r\x1b[2K")
            self._current = ""
            if text:
                self._write(f"{text}\n")

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._coloured else text

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            self._out.write(text)
            self._out.flush()
