"""By which schedule a failed delivery is retried: its event type's, its organization's, or else the installation's.

Looked up when something has failed, and not before, so that it is the schedule of that moment; with those that fail at
the same time. Where nobody has a schedule, nothing is looked up.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

import asyncpg

from app.db.event_type.schedule import schedules_exist, schedules_of
from app.db.group_commit import GroupCommit
from worker.patience import until_done

# Failures wait so long for each other.
_GATHER_SECONDS: Final = 0.002


class RetrySchedules:
    """The schedules, as one worker process sees them."""

    def __init__(self, pool: asyncpg.Pool, default: Sequence[float]) -> None:
        self._pool = pool
        self._default = default
        # Until it is known.
        self._exist = True
        self._lookups: GroupCommit[str, Sequence[float]] = GroupCommit(self._look_up, gather=_GATHER_SECONDS)

    async def look(self) -> None:
        """Find out whether any event type or organization has a schedule."""
        self._exist = await schedules_exist(self._pool)

    async def of(self, message_id: str) -> Sequence[float]:
        """Seconds before each retry of a message. Waits for Postgres as long as it takes."""
        return await self._lookups.put(message_id) if self._exist else self._default

    async def _look_up(self, message_ids: Sequence[str]) -> list[Sequence[float]]:
        statement = partial(schedules_of, self._pool, message_ids)
        found = await until_done(f"the retry of {len(message_ids)} messages waits", statement)
        return [found.get(message_id, self._default) for message_id in message_ids]
