"""A few threads in which transformations run, so that no event loop waits for one, nor one customer for another's."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Final, TypeVar

from app.transformation.contract import Draft, Failed, Limits, Result, Transformation

if TYPE_CHECKING:
    from app.transformation.sandbox import Sandbox

T = TypeVar("T")
_MAKING: Final = threading.Lock()


class Busy(Exception):
    """As many runs as one customer may wait for are waited for already."""


@dataclass(slots=True)
class _Line:
    """Those who wait for the runs of one customer; `length` with the one that runs."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    length: int = 0


class TransformationPool:
    """Runs transformations for one event loop, of each customer one at a time, in turn with those of others."""

    def __init__(self, limits: Limits, threads: int = 2) -> None:
        self._limits = limits
        self._places = asyncio.Semaphore(threads)
        self._threads = ThreadPoolExecutor(threads, "transformation")
        self._lines: dict[str, _Line] = {}

    async def run(
        self, whose: str, transformation: Transformation, draft: Draft, most_in_line: int | None = None
    ) -> Result:
        """The result of one run, for the customer of that id. Busy if as many as `most_in_line` are there before it."""
        return await self._in_turn(whose, most_in_line, partial(_run, transformation, draft, self._limits))

    async def check(self, whose: str, code: str, most_in_line: int | None = None) -> Failed | None:
        """Why no message could be sent through some code (Sandbox.check), in the same line as runs. Busy as they."""
        return await self._in_turn(whose, most_in_line, partial(_check, code, self._limits))

    async def _in_turn(self, whose: str, most_in_line: int | None, work: Callable[[], T]) -> T:
        line = self._lines.setdefault(whose, _Line())
        if most_in_line is not None and line.length >= most_in_line:
            raise Busy
        line.length += 1
        try:
            async with line.turn, self._places:
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._threads, work)
        finally:
            line.length -= 1
            if not line.length:
                del self._lines[whose]


def _run(transformation: Transformation, draft: Draft, limits: Limits) -> Result:
    return process_sandbox().run(transformation, draft, limits)


def _check(code: str, limits: Limits) -> Failed | None:
    return process_sandbox().check(code, limits)


def process_sandbox() -> "Sandbox":
    """The process's own. Made, and what it is made of imported, when there is a transformation: most have none."""
    # `cache` alone would let two threads make one each.
    with _MAKING:
        return _sandbox()


@cache
def _sandbox() -> "Sandbox":
    from app.transformation.sandbox import Sandbox

    return Sandbox()
