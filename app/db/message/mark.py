"""Places in the order of transactions, and since when the transactions behind them have their numbers.

Numbers of transactions count for all databases of a server, and Postgres keeps no time with them. So a time is what can
be proved: nothing that this role may not see (the transactions of other roles, unless it may `pg_read_all_stats`), and
nothing that is in no session (those that are prepared), can make it too late.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_LOW_32: Final = 2**32 - 1
_LONG_AGO: Final = datetime.fromtimestamp(0, UTC)
# Transaction and milliseconds since 1970, in hexadecimal digits.
_TEXT: Final = re.compile(r"([0-9a-f]{1,15})\.([0-9a-f]{1,11})")
_NONE: Final = "0.0"

# `age` counts from the number that is given out next, or from our own. The snapshot's xmax is neither: numbers behind
# it are those of transactions that run. The number is read before the sessions are.
_NEXT: Final = text("""
SELECT now() AS at,
    pg_snapshot_xmin(pg_current_snapshot())::text::bigint + age(pg_snapshot_xmin(pg_current_snapshot())::xid) AS next,
    (SELECT json_object_agg(backend_xid::text, extract(epoch FROM xact_start)) FROM pg_stat_activity
     WHERE backend_xid IS NOT NULL AND xact_start IS NOT NULL) AS running
""")
_ENDED: Final = text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the order of transactions: those from `xid` on were given their numbers at `at` or later."""

    xid: int
    at: datetime

    @property
    def text(self) -> str:
        """As `parse_mark` reads it; a time that is no whole number of milliseconds is rounded down."""
        return f"{self.xid:x}.{int(self.at.timestamp() * 1000):x}"


def marks_text(*marks: Mark | None) -> str:
    """The text of marks of which some may be missing, up to the last that is not: each with a dot before it."""
    texts = [mark.text if mark else _NONE for mark in marks]
    while texts and texts[-1] == _NONE:
        texts.pop()
    return "".join(f".{text}" for text in texts)


def parse_mark(text: str | None) -> Mark | None:
    """The mark of a text; None if there is none. ValueError for what is not the text of a mark."""
    found = _TEXT.fullmatch(text or _NONE)
    if found is None:
        raise ValueError("this is not a place in the order of transactions")
    xid, at = int(found[1], 16), int(found[2], 16)
    return Mark(xid, datetime.fromtimestamp(at / 1000, UTC)) if xid else None


@dataclass(frozen=True, slots=True)
class Look:
    """What a server says of its transactions: all below `ended` have ended; `next` came from no earlier one.

    `running` are those that this role may see: the low 32 bits of their numbers, and since when they run, in seconds.
    """

    ended: int
    next: Mark
    running: Mapping[str, float]

    def mark(self, known: Iterable[Mark | None]) -> Mark:
        """Where all before have ended, with the latest time that is proved: by us, or by what was known before."""
        proofs = [mark for mark in (self.next, *known) if mark is not None]
        times = [mark.at for mark in proofs if mark.xid <= self.ended]
        if (began := self.running.get(str(self.ended & _LOW_32))) is not None:
            times.append(datetime.fromtimestamp(began, UTC))
        return Mark(self.ended, max(times, default=_LONG_AGO))


async def look(session: AsyncSession) -> Look:
    """What the server says now; in this order, so that what has its number since the first answer is not in doubt."""
    first = (await session.execute(_NEXT)).one()
    ended: int = (await session.execute(_ENDED)).scalar_one()
    return Look(ended, Mark(first.next, first.at), first.running or {})
