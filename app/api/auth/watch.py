"""Keeps a process's knowledge of tokens current: what is revoked anywhere is refused here within two seconds."""

import asyncio
from contextlib import suppress
from datetime import datetime
from typing import Final

import asyncpg
from loguru import logger

from app.db.api_token.fresh import news
from app.tokens import TokenVerifier

PAUSE_SECONDS: Final = 1.0
_LONGEST_QUESTION: Final = 5.0
# So often that what is past does not gather; all of many take a moment, in which nothing else is done.
_PAUSES_BETWEEN_ALL: Final = 86_400


class TokenWatch:
    """Asks once a second what changed about tokens. While the database is away nothing is served that needs a token."""

    def __init__(self, pool: asyncpg.Pool, tokens: TokenVerifier) -> None:
        self._pool = pool
        self._tokens = tokens
        self._asked = 0
        self._since: datetime | None = None
        self._fails = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Learn what there is, and go on asking. Raises what the database raises."""
        await self.ask()
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def ask(self) -> None:
        """Ask now. Raises what the database raises; what was known stays known."""
        everything = self._since is None or self._asked % _PAUSES_BETWEEN_ALL == 0
        async with asyncio.timeout(_LONGEST_QUESTION):
            found = await news(self._pool, None if everything else self._since)
        self._tokens.learn(found.tokens, found.revocations, everything=everything)
        self._since = found.at
        self._asked += 1

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(PAUSE_SECONDS)
            try:
                await self.ask()
            except Exception as error:
                # Whatever it is, the next question may be answered.
                if not self._fails:
                    logger.warning("what changed about tokens is not known: {}: {}", type(error).__name__, error)
                self._fails = True
            else:
                self._fails = False
