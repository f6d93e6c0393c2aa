"""Passes through history: first all messages, later those that are new, and those that were tried again since.

How far a pass is stands in our database, and moves in the transaction that brings a bite: whoever is killed goes on.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Final

from app import ids
from app.svix_import.connection import Connection, run
from app.svix_import.history import Bite, History
from app.svix_import.source import Source

# Messages of a bite, and how long one should take: so that what a killed run does again is little, and nobody's memory
# is filled by large payloads.
_FEWEST: Final = 100
_FIRST: Final = 2000
_MOST: Final = 20_000
_SHORT_SECONDS: Final = 0.7
_LONG_SECONDS: Final = 2.0
_ATTEMPTS: Final = 2000
# A pass begins so long before the one before it did. Ids are made before they are committed, and by clocks that differ.
_MARGIN: Final = timedelta(hours=1)
# What waits for a retry was tried within the longest wait of a schedule, and that is of hours.
_PENDING_MARGIN: Final = timedelta(days=7)
# No id is older.
BEGINNING: Final = datetime(2014, 5, 13, 16, 53, 20, tzinfo=UTC)
_ALL: Final = "*"

_FIND: Final = """
SELECT since, began_at, floor, cursor, has_gaps, complete_to FROM svix_imports WHERE source = %s AND scope = %s
"""
_BEGIN: Final = """
INSERT INTO svix_imports (source, scope, since, began_at, floor, has_gaps, complete_to)
VALUES (%(source)s, %(scope)s, %(since)s, %(began_at)s, %(floor)s, false, %(complete_to)s)
ON CONFLICT (source, scope) DO UPDATE
SET since = excluded.since, began_at = excluded.began_at, floor = excluded.floor, cursor = NULL, has_gaps = false,
    complete_to = excluded.complete_to
"""
_ADVANCE: Final = """
UPDATE svix_imports SET cursor = %(cursor)s, has_gaps = has_gaps OR %(has_gaps)s
WHERE source = %(source)s AND scope = %(scope)s
"""
# What a pass could not bring, the next one shall look for.
_END: Final = """
UPDATE svix_imports
SET began_at = NULL, floor = NULL, cursor = NULL, has_gaps = false,
    complete_to = CASE WHEN has_gaps THEN complete_to ELSE began_at END
WHERE source = %(source)s AND scope = %(scope)s
"""
_PARTITIONS: Final = "SELECT ensure_partitions(0, %s)"
_NOW: Final = "SELECT now() AS now"


@dataclass(frozen=True, slots=True)
class _Pass:
    """One way through history. `complete_to`: from when on the source's changes may not be here; None: none are."""

    since: datetime
    began_at: datetime
    floor: str
    cursor: str | None = None
    complete_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a pass is: the share of its time that is done, or None if that cannot be said."""

    share: float | None


class Passes:
    """Goes through history from a time on. `maker` is a second connection to ours, which makes partitions."""

    def __init__(
        self, source: Source, target: Connection, maker: Connection, history: History, since: datetime
    ) -> None:
        self._source = source
        self._target = target
        self._maker = maker
        self._history = history
        self._since = max(since, BEGINNING)
        self._margin = _PENDING_MARGIN if history.delivers_pending else _MARGIN
        self._key = {"source": source.identity, "scope": source.organization or _ALL}
        self._weeks: set[datetime] = set()
        self._size = _FIRST

    def run(self) -> Iterator[Reached]:
        """Bring what is missing; after each bite how far it is. One that was broken off is ended first."""
        while True:
            resumed, current = self._begin()
            yield from self._messages(current)
            yield from self._tried_again(current)
            if not self._target.read_only:
                run(self._target, _END, self._key)
            if not resumed:
                return

    def _begin(self) -> tuple[bool, _Pass]:
        """The pass to make, and whether it had begun before."""
        now = run(self._source.connection, _NOW).fetchone()
        assert now is not None
        fresh = _Pass(self._since, now["now"], ids.floor_id("msg", self._since))
        if self._target.read_only:
            return False, fresh
        row = run(self._target, _FIND, [self._key["source"], self._key["scope"]]).fetchone()
        if row is not None and row["since"] <= self._since:
            if row["began_at"] is not None:
                return True, _Pass(row["since"], row["began_at"], row["floor"], row["cursor"], row["complete_to"])
            if row["complete_to"] is not None:
                floor = max(fresh.floor, ids.floor_id("msg", row["complete_to"] - self._margin))
                fresh = replace(fresh, since=row["since"], floor=floor, complete_to=row["complete_to"])
        values = {
            **self._key,
            "since": fresh.since,
            "began_at": fresh.began_at,
            "floor": fresh.floor,
            "complete_to": fresh.complete_to,
        }
        run(self._target, _BEGIN, values)
        return False, fresh

    def _messages(self, current: _Pass) -> Iterator[Reached]:
        """Those from the pass's first id on that were there when it began."""
        after = current.cursor or current.floor
        if after.startswith("atmpt_"):
            return
        ceiling = ids.floor_id("msg", current.began_at)
        while last := self._source.last_of_bite(after, ceiling, self._size):
            began = monotonic()
            self._bite(Bite(after, last), last)
            self._adapt(monotonic() - began)
            after = last
            yield Reached(_share(current, last))

    def _tried_again(self, current: _Pass) -> Iterator[Reached]:
        """Older ones that have attempts which the pass before did not see."""
        if current.complete_to is None:
            return
        floor = ids.floor_id("msg", self._since)
        after = ids.floor_id("atmpt", current.complete_to - self._margin)
        if current.cursor is not None and current.cursor.startswith("atmpt_"):
            after = current.cursor
        ceiling = ids.floor_id("atmpt", current.began_at)
        while True:
            last, messages = self._source.tried_again(after, ceiling, floor, current.floor, _ATTEMPTS)
            if last is None:
                return
            if messages:
                self._bite(Bite(messages=tuple(messages)), last)
            after = last
            yield Reached(None)

    def _bite(self, bite: Bite, cursor: str) -> None:
        with self._target.transaction():
            weeks = self._history.read(bite)
            if not self._target.read_only:
                self._make_partitions(weeks)
            is_whole = self._history.write(bite)
            if not self._target.read_only:
                run(self._target, _ADVANCE, {**self._key, "cursor": cursor, "has_gaps": not is_whole})

    def _make_partitions(self, weeks: list[datetime]) -> None:
        """In transactions of their own: they hold locks that publishing waits for. What has none is kept, too."""
        for week in weeks:
            if week not in self._weeks:
                run(self._maker, _PARTITIONS, [week])
                self._weeks.add(week)

    def _adapt(self, seconds: float) -> None:
        if seconds < _SHORT_SECONDS:
            self._size = min(_MOST, self._size * 2)
        elif seconds > _LONG_SECONDS:
            self._size = max(_FEWEST, self._size // 2)


def _share(current: _Pass, message_id: str) -> float | None:
    """How much of the pass's time lies before a message."""
    try:
        begin, at = ids.created_at(current.floor), ids.created_at(message_id)
    except ValueError:
        return None
    return min(1.0, (at - begin) / max(current.began_at - begin, timedelta(seconds=1)))
