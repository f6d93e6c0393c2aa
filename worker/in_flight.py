"""What one worker process is sending at this moment: how much in all, for each endpoint and of each shard."""

import asyncio
from collections import Counter

from app.db.pending_delivery.queue import Claimed, Key


class InFlight:
    """The claimed deliveries that have not ended. At most `most` of them, and `most_per_endpoint` to one endpoint."""

    def __init__(self, most: int) -> None:
        self.most = most
        # An endpoint that does not answer takes a quarter of the room, and no more.
        self.most_per_endpoint = max(1, most // 4)
        self._keys: set[Key] = set()
        # Ended since the current reading began: its snapshot may still show them as due.
        self._just_ended: set[Key] = set()
        self._of_endpoint: Counter[str] = Counter()
        self._of_shard: Counter[int] = Counter()
        self._room = asyncio.Event()

    @property
    def room(self) -> int:
        return self.most - len(self._keys)

    def of_endpoint(self, endpoint_id: str) -> int:
        return self._of_endpoint[endpoint_id]

    def of_shard(self, shard: int) -> int:
        """Also what was started before the shard was lost and acquired again."""
        return self._of_shard[shard]

    async def wait_for_room(self) -> None:
        """Returns at once if there is any; else when there is a good deal, or after `stop_waiting()`."""
        if self.room <= 0:
            self._room.clear()
            await self._room.wait()

    def stop_waiting(self) -> None:
        self._room.set()

    def begin_reading(self) -> None:
        """What is read from now on can tell what ended before."""
        self._just_ended.clear()

    def is_new(self, row: Claimed) -> bool:
        """Whether a row that was read is due, as far as this process knows."""
        return row.key not in self._keys and row.key not in self._just_ended

    def start(self, row: Claimed) -> None:
        self._keys.add(row.key)
        self._of_endpoint[row.endpoint_id] += 1
        self._of_shard[row.shard] += 1

    def finish(self, row: Claimed) -> None:
        self._keys.remove(row.key)
        self._just_ended.add(row.key)
        self._of_shard[row.shard] -= 1
        self._of_endpoint[row.endpoint_id] -= 1
        if not self._of_endpoint[row.endpoint_id]:
            del self._of_endpoint[row.endpoint_id]
        if len(self._keys) <= self.most * 3 // 4:
            self._room.set()
