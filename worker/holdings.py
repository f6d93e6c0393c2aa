"""The shards that this process owns: rung for, acquired, renewed, lost and given back."""

from collections.abc import Iterable
from datetime import UTC, datetime
from time import monotonic
from typing import Final

from loguru import logger

from app.db.shard.table import LEASE_SECONDS, ShardLeases
from worker.patience import DATABASE_ERRORS

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
# What ended the last owner will probably be sent by then.
_WATCHED_SECONDS: Final = 60.0


class Holding:
    """A shard that this process owns, by its own clock until `until`: that goes on while the process is stopped."""

    __slots__ = ("busy_at", "has_more", "since", "until", "watched_until")

    def __init__(self, until: float) -> None:
        # Up to where it was read, and whether that was not all.
        self.since = BEGINNING
        self.has_more = False
        self.until = until
        self.busy_at = monotonic()
        # What is sent is noted until then, because the last owner died.
        self.watched_until = 0.0


class Holdings:
    """The shards of one worker process."""

    def __init__(self, leases: ShardLeases) -> None:
        self._leases = leases
        self._rung: set[int] = set()
        self._owned: dict[int, Holding] = {}
        # Owned, and not read any more, because they are about to be given away.
        self._leaving: set[int] = set()

    def __bool__(self) -> bool:
        return bool(self._owned)

    def of(self, number: int) -> Holding | None:
        """A shard of this process, unless it is about to be given away."""
        return None if number in self._leaving else self._owned.get(number)

    def owned(self) -> set[int]:
        return set(self._owned)

    @property
    def leaving(self) -> set[int]:
        """The owned shards that are about to be given away."""
        return self._leaving & self._owned.keys()

    def held(self) -> set[int]:
        """The shards that may be read: their leases have not run out, and they are not about to be given away."""
        return {number for number in self._owned if self.is_held(number)}

    def is_held(self, number: int) -> bool:
        holding = self.of(number)
        return holding is not None and holding.until > monotonic()

    def touch(self, number: int) -> None:
        """Something was started or has ended there."""
        if (holding := self._owned.get(number)) is not None:
            holding.busy_at = monotonic()

    def last_busy_at(self) -> float:
        return max((holding.busy_at for holding in self._owned.values()), default=0.0)

    def ring(self, shards: Iterable[int]) -> None:
        """They are to be acquired at the next opportunity."""
        self._rung.update(shards)

    async def acquire_rung(self) -> None:
        """Acquire what was rung for and nobody owns. What cannot be asked for now stays rung for."""
        rung = self._rung - self._owned.keys()
        for number in self._rung & self._owned.keys():
            self.touch(number)
        self._rung.clear()
        if not rung:
            return
        until = monotonic() + LEASE_SECONDS
        try:
            acquired = await self._leases.take_over(rung)
        except DATABASE_ERRORS:
            self.ring(rung)
            raise
        self._own(acquired, until)
        for number, was_left in acquired.items():
            if was_left:
                self._owned[number].watched_until = monotonic() + _WATCHED_SECONDS

    def is_watched(self, number: int) -> bool:
        """Whether its last owner died, not long ago."""
        holding = self._owned.get(number)
        return holding is not None and holding.watched_until > 0 and holding.watched_until > monotonic()

    async def take_offered(self, most: int) -> set[int]:
        """Acquire at most so many of the shards that other workers offer; those that there were."""
        until = monotonic() + LEASE_SECONDS
        taken = await self._leases.take_offered(most)
        self._own(taken, until)
        return taken

    def _own(self, shards: Iterable[int], until: float) -> None:
        for number in shards:
            self._leaving.discard(number)
            self._owned[number] = Holding(until)

    async def renew(self) -> list[int]:
        """Keep what is owned for another lease; the shards that have passed to somebody else."""
        held = dict(self._owned)
        until = monotonic() + LEASE_SECONDS
        kept = await self._leases.renew(held) if held else set()
        lost = []
        for number, holding in held.items():
            if self._owned.get(number) is not holding:
                continue  # It was given back meanwhile, and perhaps acquired anew.
            if number in kept:
                holding.until = until
            else:
                logger.warning("the lease of shard {} has passed to another worker", number)
                del self._owned[number]
                lost.append(number)
        return lost

    def idle_for(self, seconds: float) -> list[int]:
        """Shards in which nothing has started or ended for so long."""
        now = monotonic()
        return [number for number, holding in self._owned.items() if now - holding.busy_at > seconds]

    async def release(self, shards: Iterable[int]) -> None:
        """Give shards back; look once more afterwards, for a ring that went to an owner that was about to leave."""
        numbers = list(shards)
        for number in numbers:
            self._owned.pop(number, None)
        try:
            await self._leases.release(numbers)
            self.ring(await self._leases.due_without_owner() & set(numbers))
        except DATABASE_ERRORS:
            self.ring(numbers)  # They may be ours still: acquire them again, and see.
            raise

    def stop_reading(self, shards: Iterable[int]) -> None:
        """They are about to be given away."""
        self._leaving.update(self._owned.keys() & set(shards))

    async def give(self, shards: Iterable[int], *, offer: bool) -> None:
        """Give shards away: to whoever comes first, or, if they are offered, to a worker that has too few."""
        numbers = list(shards)
        for number in numbers:
            self._owned.pop(number, None)
        self._leaving.difference_update(numbers)
        try:
            await (self._leases.offer if offer else self._leases.release)(numbers)
        except DATABASE_ERRORS:
            self.ring(numbers)  # They may be ours still: acquire them again, and see.
            raise

    async def release_all(self) -> None:
        """At the end of the process."""
        await self._leases.release_all()

    @property
    def is_rung(self) -> bool:
        return bool(self._rung)
