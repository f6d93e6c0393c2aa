"""Requests that were rejected, kept for those who look for the reason: not more of them than are worth a look."""

import asyncio
from dataclasses import dataclass
from typing import Final

import asyncpg
from cachetools import LRUCache
from loguru import logger

from app import ids
from app.api.inbound.sources import OpenSource
from app.db.session import CONNECTION_ERRORS
from app.db.source.lookup import log_rejected
from app.receiving.contract import Request
from app.receiving.record import pack, received_of

LONGEST_BODY: Final = 16_384
"""Bytes that are kept of a body."""
MOST_AT_ONCE: Final = 100
"""Requests of one source that one process keeps, until time has passed."""
_PER_SECOND: Final = 1.0
_MOST_SOURCES: Final = 10_000


@dataclass(slots=True)
class _Allowance:
    left: float
    at: float


class Rejections:
    """Keeps what one process rejects."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._allowances: LRUCache[str, _Allowance] = LRUCache(_MOST_SOURCES)

    async def keep(self, source: OpenSource, request: Request, status: int, reason: str) -> None:
        """Keep a request, if the source wants that. What cannot be kept is refused all the same."""
        if not source.found.keeps_rejected or not self._may_keep(source.id):
            return
        received = received_of(
            request, source.provider, source.config, request.body[:LONGEST_BODY], source.found.forwards_original
        )
        try:
            await log_rejected(self._pool, ids.new_short_id("log"), source.id, status, reason, pack(received))
        except CONNECTION_ERRORS as error:
            logger.warning("what {} rejected is not kept: {}: {}", source.id, type(error).__name__, error)

    def _may_keep(self, source_id: str) -> bool:
        """Whoever knows a URL must not fill the database with what is refused."""
        now = asyncio.get_running_loop().time()
        allowance = self._allowances.get(source_id)
        if allowance is None:
            allowance = self._allowances[source_id] = _Allowance(MOST_AT_ONCE, now)
        left = min(MOST_AT_ONCE, allowance.left + (now - allowance.at) * _PER_SECOND)
        allowance.at = now
        allowance.left = left - 1 if left >= 1 else left
        return left >= 1
