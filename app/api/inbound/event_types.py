"""The event types of what arrives are kept as others are, so that endpoints can be told which of them they want."""

import asyncio
from typing import Final

import asyncpg
from cachetools import LRUCache
from loguru import logger

from app.api.inbound.sources import OpenSource
from app.db.event_type.arrived import add_arrived
from app.db.session import CONNECTION_ERRORS

_MOST_KNOWN: Final = 50_000
_MOST_AT_ONCE: Final = 16


class ArrivedEventTypes:
    """Notes the event types of one process's arrivals. Belongs to one event loop."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._known: LRUCache[tuple[str, str], bool] = LRUCache(_MOST_KNOWN)
        self._adding: set[asyncio.Task[None]] = set()

    def note(self, source: OpenSource, event_type: str) -> None:
        """Have its organization know an event type, soon. Whoever sent it does not wait for that."""
        if not source.is_verified and event_type != source.provider.event_prefix:
            # Whoever knows the URL could make up as many as there may be.
            return
        place = source.found.organization_id, event_type
        # What there is no room for now is noted when the next one arrives.
        if place in self._known or len(self._adding) >= _MOST_AT_ONCE:
            return
        self._known[place] = True
        task = asyncio.create_task(self._add(source, event_type))
        self._adding.add(task)
        task.add_done_callback(self._adding.discard)

    async def close(self) -> None:
        """Wait for what is being noted."""
        await asyncio.gather(*self._adding)

    async def _add(self, source: OpenSource, event_type: str) -> None:
        provider, organization_id = source.provider, source.found.organization_id
        description = f"Sent by {provider.title}, and arrived at a source."
        group = provider.event_prefix
        try:
            await add_arrived(self._pool, organization_id, event_type, description, group)
        except CONNECTION_ERRORS as error:
            self._known.pop((organization_id, event_type), None)
            logger.warning("the event type {} is not kept yet: {}: {}", event_type, type(error).__name__, error)
