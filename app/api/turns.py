"""Turns: how many polls are served at once, so that who polls much leaves the others connections to the database.

Who waits for a turn holds nothing but the connection to us, and does so for a second.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import Request

from app.api.deps import ApplicationRef, PrincipalDep
from app.errors import Unavailable

_OF_ONE_APPLICATION: Final = 2
_PATIENCE: Final = 1.0
# Half of the control plane's connections, which are half of all (app/db/session.py).
_SHARE: Final = 4


class PollTurns:
    """The turns of one process: two for each application, and one for each fourth connection in all."""

    def __init__(self, connections: int) -> None:
        self._all = asyncio.Semaphore(max(1, connections // _SHARE))
        self._lines: dict[tuple[str, str], _Line] = {}

    @asynccontextmanager
    async def turn(self, organization_id: str, application: str) -> AsyncIterator[None]:
        """Held while it is an application's turn. Unavailable if that takes longer than a second."""
        key = organization_id, application
        line = self._lines.setdefault(key, _Line())
        line.length += 1
        try:
            # First its own: however many it sends, two of them stand in the line of all.
            async with _within_patience(line.turns), _within_patience(self._all):
                yield
        finally:
            line.length -= 1
            if not line.length:
                del self._lines[key]


class _Line:
    """Those of one application who are served or wait."""

    def __init__(self) -> None:
        self.turns = asyncio.Semaphore(_OF_ONE_APPLICATION)
        self.length = 0


@asynccontextmanager
async def _within_patience(turns: asyncio.Semaphore) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(_PATIENCE):
            await turns.acquire()
    except TimeoutError:
        raise Unavailable("Too many polls at once. Send fewer at a time, and this one again.") from None
    try:
        yield
    finally:
        turns.release()


async def poll_turn(request: Request, caller: PrincipalDep, app_id: ApplicationRef) -> AsyncIterator[None]:
    """Waits for a turn before anything is asked of the database, and ends it with the request's last statement."""
    turns: PollTurns = request.app.state.poll_turns
    async with turns.turn(caller.organization_id, caller.application_id or app_id):
        yield
