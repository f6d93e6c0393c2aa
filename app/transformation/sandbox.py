"""Runs transformations: bounded, and with a result that is a value, whatever the code does."""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from math import ceil
from typing import Final, cast

import msgspec
from wasmtime import Trap, TrapCode, WasmtimeError

from app.transformation.contract import (
    METHODS,
    Canceled,
    Draft,
    Failed,
    Limits,
    Method,
    Result,
    Transformation,
    Transformed,
)
from app.transformation.machine import Exited, Machine, TooMuchOutput

_RUNNER: Final = files("app.transformation").joinpath("runner.js").read_bytes()
# Seconds between two looks at the clock.
_TICK: Final = 0.1
# Of the line that is printed before the body.
_MOST_SAID: Final = 100_000
_LONGEST_REASON: Final = 500
_LINE: Final = re.compile(r"<input>:(\d{1,6})")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")

_TOO_LONG: Final = "it took too long: it must do less"
_TOO_DEEP: Final = "its calls, or its values, are nested too deep"
_TRAPS: Final[dict[TrapCode | None, str]] = {
    TrapCode.OUT_OF_FUEL: _TOO_LONG,
    TrapCode.INTERRUPT: _TOO_LONG,
    TrapCode.STACK_OVERFLOW: _TOO_DEEP,
    TrapCode.MEMORY_OUT_OF_BOUNDS: _TOO_DEEP,
}


class _Said(msgspec.Struct):
    """What the runner prints about a result."""

    error: str | None = None
    stack: str = ""
    cancel: bool | None = None
    kept: bool = False
    method: str = "POST"
    url: str | None = None
    # Texts, if the code is right.
    headers: dict[str, object] | None = None

    def __repr__(self) -> str:
        return "<Said>"


_SAID: Final = msgspec.json.Decoder(_Said)


class Sandbox:
    """For all threads of a process; make one, which takes seconds where none was made before."""

    def __init__(self) -> None:
        self._machine = Machine()
        self._lock = threading.Lock()
        self._running = 0
        self._busy = threading.Event()
        # Ticks while something runs. A daemon: it holds nothing that must be given back.
        threading.Thread(target=self._tick, name="transformation clock", daemon=True).start()

    def run(self, transformation: Transformation, draft: Draft, limits: Limits) -> Result:
        """Run the code once. Takes as long as the limits allow, and lets other threads run meanwhile."""
        fuel = limits.fuel + limits.fuel_per_byte * len(draft.payload)
        printed = self._print(transformation.code, [_given(transformation, draft)], fuel, limits)
        return printed if isinstance(printed, Failed) else _result(printed, draft, limits)

    def check(self, code: str, limits: Limits) -> Failed | None:
        """Why no message could be sent through the code: it cannot be parsed, or has no handler. None: it may work.

        It runs, as far as its declarations go; the handler is not called.
        """
        printed = self._print(code, [], limits.fuel, limits)
        said = printed if isinstance(printed, Failed) else _said(printed.partition(b"\n")[0], limits)
        return said if isinstance(said, Failed) else None

    def _print(self, code: str, given: list[bytes], fuel: int, limits: Limits) -> bytes | Failed:
        """What the runner prints of some code."""
        text = code.encode("utf-8", "replace")
        if b"\0" in text:
            return Failed("the code must not hold NUL characters")
        try:
            with self._watched():
                return self._machine.run(
                    [b"qjs", b"-e", _RUNNER, text, *given],
                    fuel=fuel,
                    # The first tick comes at any moment.
                    epochs=1 + ceil(limits.seconds / _TICK),
                    memory=limits.memory,
                    output=limits.output + _MOST_SAID,
                )
        except TooMuchOutput:
            return Failed(f"its result is too large: a body may have {limits.output} bytes")
        except Trap as trap:
            return Failed(_TRAPS.get(trap.trap_code, "it ended the sandbox"))
        except (Exited, WasmtimeError):
            return Failed(f"it used more memory than there is, {limits.memory // 1_048_576} MiB, or ended the sandbox")

    @contextmanager
    def _watched(self) -> Iterator[None]:
        with self._lock:
            self._running += 1
            self._busy.set()
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                if not self._running:
                    self._busy.clear()

    def _tick(self) -> None:
        while True:
            self._busy.wait()
            time.sleep(_TICK)
            self._machine.engine.increment_epoch()


def _given(transformation: Transformation, draft: Draft) -> bytes:
    """The argument of `handler`, as JSON. The payload in it is as it came: no parser but JavaScript's reads it."""
    others = {
        "method": "POST",
        "url": draft.url,
        "eventType": draft.event_type,
        "channels": draft.channels,
        "env": transformation.variables,
        "headers": {},
        "cancel": False,
    }
    start = json.dumps(others)[:-1].encode()
    return b'%b,"transformationsParams":%b,"payload":%b}' % (start, draft.params or b"{}", draft.payload)


def _said(line: bytes, limits: Limits) -> _Said | Failed:
    """What the runner told of a result, or that there is none."""
    if not line:
        return Failed(f"it used more memory than there is, {limits.memory // 1_048_576} MiB")
    try:
        said = _SAID.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        return Failed(f"the returned webhook is not of the right form: {_shown(str(error))}")
    if said.error is not None:
        place = _LINE.search(said.stack)
        return Failed(_shown(said.error if place is None else f"line {place[1]}: {said.error}"))
    return said


def _result(printed: bytes, draft: Draft, limits: Limits) -> Result:
    line, _, body = printed.partition(b"\n")
    said = _said(line, limits)
    if isinstance(said, Failed):
        return said
    if said.cancel:
        return Canceled()
    if said.method not in METHODS:
        return Failed(f"method of the returned webhook must be POST, PUT or PATCH, not {_shown(said.method[:20])}")
    headers: dict[str, str] = {}
    for name, value in (said.headers or {}).items():
        if not isinstance(value, str):
            return Failed(f"the header {_shown(name)!r} of the returned webhook must be a text: use String(…)")
        headers[name] = value
    try:
        text = None if said.kept else body.removesuffix(b"\n").decode()
    except UnicodeDecodeError:
        return Failed("payload of the returned webhook holds half of a character (a lone surrogate)")
    changed = None if text is None else text.encode()
    if changed is not None and len(changed) > limits.output:
        return Failed(f"its result is too large: a body may have {limits.output} bytes")
    method = cast(Method, said.method)  # METHODS holds nothing else.
    return Transformed(method, draft.url if said.url is None else said.url, headers, changed)


def _shown(text: str) -> str:
    """A text of the code's making, for a line of a log and the page of a portal."""
    text = _UNPRINTABLE.sub(" ", text[: 2 * _LONGEST_REASON]).strip()
    return text if len(text) <= _LONGEST_REASON else text[:_LONGEST_REASON] + "…"
