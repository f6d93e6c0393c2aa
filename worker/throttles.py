"""The throttles of applications: what this process was given of their rates, over all of their endpoints."""

from collections.abc import Collection
from time import monotonic
from weakref import WeakValueDictionary

import asyncpg

from app.db.throttle.table import Asking, ThrottlesTable
from app.delivery.permits import AHEAD_SECONDS, BEHIND_SECONDS, Permits


class Throttles:
    """The permits of one worker process. An application's are kept as long as a lane of its endpoints holds them."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._table = ThrottlesTable(pool, AHEAD_SECONDS, BEHIND_SECONDS)
        self._permits: WeakValueDictionary[str, Permits] = WeakValueDictionary()

    async def exist(self) -> bool:
        """Whether any application is throttled."""
        return await self._table.exist()

    def of(self, application_id: str, per_second: int | None) -> Permits | None:
        """The permits of an application that may be sent to so often; None: as often as there is something to send."""
        if per_second is None:
            return None
        permits = self._permits.get(application_id)
        if permits is None:
            permits = self._permits[application_id] = Permits(application_id, per_second)
        permits.per_second = per_second
        return permits

    async def replenish(self, waited_for: Collection[Permits]) -> None:
        """Ask for more of those for which something waits, where it is time to: in one statement for all."""
        asked_at = monotonic()
        short = {p.application_id: (p, wanted) for p in waited_for if (wanted := p.wanted(asked_at))}
        if not short:
            return
        given = await self._table.ask([Asking(key, p.interval, wanted) for key, (p, wanted) in short.items()])
        for key, (permits, _) in short.items():
            if (found := given.get(key)) is None:
                permits.give_nothing(asked_at)
            else:
                permits.give(asked_at, found.first, found.count, found.wait)
