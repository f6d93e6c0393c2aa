"""The feed of an application's messages: whoever reads on from a position is given each message, none is skipped.

An id is made before its message is committed, and commits overtake each other. "What follows the last id that I saw"
would therefore miss what is committed late: by a transaction that is still open, or that had not even begun. So a
position is a mark in the order of transactions, and what follows is what they committed: a window of transactions,
those that had not ended at the mark before and have ended now, is read in the order of its ids, which are made a minute
before their transaction has its number at most. What is older than that belongs to the window whoever changed it since.
What is changed (expunged, resent) within that minute may be given again.

Asked of the server that is written to: a replica would compare its own past with our clock.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import BigInteger, ColumnElement, Table, literal, literal_column, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import ids
from app.db.history import Span, find_keys
from app.db.message.mark import Look, Mark, look, marks_text, parse_mark
from app.db.message.model import MessageRow
from app.db.message.table import MessagesTable

_MESSAGES: Final[Table] = MessageRow.__table__  # type: ignore[attr-defined]  # SQLModel sets it, undeclared
# Between the making of an id and the number of its transaction: the line of those who publish, the payload store, and
# what the clocks of the machines differ by.
_BEFORE_TRANSACTION: Final = timedelta(seconds=60)
# Rows know 32 bits of their transaction's number, which say what came first among 2^31. Half of that is left to the
# transactions that run at the same time.
_LOW_32: Final = 2**32 - 1
_HALF: Final = 2**31
_COMPARABLE: Final = 2**30
_XMIN: Final = "messages.xmin::text::bigint"
# An id without its prefix, and up to three marks.
_MARK: Final = r"\.([0-9a-f]+\.[0-9a-f]+)"
_POSITION: Final = re.compile(rf"([0-9A-Za-z]{{27}})(?:{_MARK}(?:{_MARK}(?:{_MARK})?)?)?")


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """How far a feed was read: all before the mark `passed`, and, of what is before `until`, ids up to `after`.

    All transactions before `passed` and `until` have ended. `proof` is a later mark, of which that is not known yet: it
    says since when there are the transactions behind it, for whoever cannot find that out when they are next.
    """

    after: str
    passed: Mark | None = None
    until: Mark | None = None
    proof: Mark | None = None

    @classmethod
    def since(cls, at: datetime | None) -> "FeedPosition":
        """Before all messages that came at that time or later; None: before all that are kept."""
        return cls(ids.floor_id("msg", at or datetime.min.replace(tzinfo=UTC)))

    @classmethod
    def parse(cls, text: str) -> "FeedPosition":
        """The position of a text. ValueError if none has such a text."""
        found = _POSITION.fullmatch(text)
        if found is None:
            raise ValueError("this is not a position of a feed")
        after, *marks = found.groups()
        return cls(f"msg_{after}", *map(parse_mark, marks))

    @property
    def text(self) -> str:
        """The iterator of the API."""
        return self.after.removeprefix("msg_") + marks_text(self.passed, self.until, self.proof)


@dataclass(frozen=True, slots=True)
class FeedFilter:
    """Which messages a feed is about: of one of these event types, on one of these channels, on this one, and what came
    of what arrived at this source. None: any.
    """

    event_types: tuple[str, ...] | None = None
    channels: tuple[str, ...] | None = None
    channel: str | None = None
    source_id: str | None = None

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        """The same on the columns of `messages`."""
        found: list[ColumnElement[bool]] = []
        if self.event_types is not None:
            found.append(_MESSAGES.c.event_type.in_(self.event_types))
        if self.channels is not None:
            found.append(_MESSAGES.c.channels.overlap(list(self.channels)))
        if self.channel is not None:
            found.append(_MESSAGES.c.channels.contains([self.channel]))
        if self.source_id is not None:
            found.append(_MESSAGES.c.source_id == self.source_id)
        return found


@dataclass(frozen=True, slots=True)
class FeedPage:
    """What follows a position, and the position behind it; `done` when there is no more for now."""

    rows: Sequence[MessageRow]
    position: FeedPosition
    done: bool


class MessageFeed:
    """Reads the feed of an application, in a session of the server that is written to."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def read(self, application_id: str, position: FeedPosition, about: FeedFilter, limit: int) -> FeedPage:
        """At most `limit` messages that follow a position; fewer, without being done, if many others had to be read."""
        now = await look(self._session)
        position = _as_of(position, now)
        until = position.until or now.mark((position.passed, position.proof))
        position = replace(position, until=until, proof=_proof(position, until, now))
        conditions = [*_within(position.passed, until, now.ended), *about.conditions]
        span = Span(position.after, "msg_~", limit, upwards=True, ascending=True)
        rows = select(_MESSAGES.c.id).where(_MESSAGES.c.application_id == application_id)
        found = await find_keys(self._session, rows, _MESSAGES.c.id, span, conditions)
        if len(found.keys) > limit:
            behind, done = replace(position, after=found.keys[limit - 1]), False
        elif found.reached is not None:
            behind, done = replace(position, after=found.reached), False
        else:
            # A window that was opened earlier may have been followed by another meanwhile.
            behind = FeedPosition(_first_after(until), until, proof=position.proof)
            done = until.xid >= now.ended
        return FeedPage(await self.rows(application_id, found.keys[:limit]), behind, done)

    async def rows(self, application_id: str, keys: Sequence[str]) -> Sequence[MessageRow]:
        """Those of the application's messages with these ids that are still kept, in the order of their ids."""
        rows = await MessagesTable(self._session).get_all(application_id, keys)
        return [rows[key] for key in keys if key in rows]


def _as_of(position: FeedPosition, now: Look) -> FeedPosition:
    """The position without marks that are still to come: they are of a server that took its last transactions along."""
    passed, until, proof = position.passed, position.until, position.proof
    if passed is not None and passed.xid > now.ended:
        passed = None
    if until is not None and until.xid > now.ended:
        until = None
    if proof is not None and proof.xid > now.next.xid:
        proof = None
    return FeedPosition(position.after, passed, until, proof)


def _proof(position: FeedPosition, until: Mark, now: Look) -> Mark | None:
    """What is to be kept until all before it have ended: replaced earlier, it would be out of reach for ever."""
    proof = position.proof if position.proof and position.proof.xid > until.xid else now.next
    return proof if proof.xid > until.xid else None


def _first_after(mark: Mark) -> str:
    """No message that is committed after the mark has a lower id."""
    return ids.floor_id("msg", mark.at - _BEFORE_TRANSACTION)


def _within(passed: Mark | None, until: Mark, ended: int) -> list[ColumnElement[bool]]:
    """The conditions that a message was committed between two marks; `ended` is where a mark would be now."""
    xmin: ColumnElement[int] = literal_column(_XMIN, BigInteger)
    # Who follows goes on behind these: a later transaction can have changed them, and cannot have made them.
    old = _MESSAGES.c.id <= _first_after(until)
    found: list[ColumnElement[bool]] = [
        or_(old, _distance(literal(until.xid, BigInteger), xmin).between(1, literal(_HALF, BigInteger)))
    ]
    # After a long absence numbers do not tell what came first: what was in the last minute is given again.
    if passed is not None and ended - passed.xid < _COMPARABLE:
        found.append(_distance(xmin, literal(passed.xid, BigInteger)) < literal(_HALF, BigInteger))
    return found


def _distance(later: ColumnElement[int], earlier: ColumnElement[int]) -> ColumnElement[int]:
    """How many transactions lie between two, of which 32 bits are known; beyond 2^31: the second is the later one."""
    return (later - earlier).op("&")(literal(_LOW_32, BigInteger))
