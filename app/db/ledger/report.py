"""Draws up a ledger."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Final

import asyncpg

from app import clock, ids
from app.db.ledger.balance import CEILING, Slice, balance_of
from app.db.ledger.model import LATE_AFTER_SECONDS, NAMES, Balance, Finding, Kind, Ledger
from app.db.ledger.waiting import queue_of

# Messages of a slice: as many as are gone through in a few tenths of a second.
_FEW: Final = 50_000
_MANY: Final = 200_000
_FIRST_SPAN: Final = timedelta(minutes=1)
# No id is older.
_BEGINNING: Final = ids.created_at("msg_" + "0" * 27)
_KINDS: Final = list(Kind)

# A connection of its own: the statements take longer than those of a request, and are planned for what they find. To
# the main server, because a replica is behind: leases that were renewed would seem to have run out.
_SESSION: Final = {
    "application_name": "postrider ledger",
    "default_transaction_read_only": "on",
    "plan_cache_mode": "force_custom_plan",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "work_mem": "32MB",
    "timezone": "UTC",
}
_STATEMENT_SECONDS: Final = 120.0

_APPLICATIONS: Final = "SELECT id FROM applications WHERE id = $1 OR uid = $1"
_OF_ORGANIZATION: Final = "SELECT id FROM applications WHERE organization_id = $1"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a ledger shall be about, and how far it shall go."""

    since: datetime | None = None
    """None: to the oldest message."""
    applications: Sequence[str] | None = None
    """The ids of applications; None: all, of every organization."""
    late_after: float = LATE_AFTER_SECONDS
    """Seconds for which a delivery may be due."""
    names: int = NAMES
    """Most findings of each kind."""
    seconds: float | None = None
    """After so many it goes back no further; None: it takes what it takes."""


@asynccontextmanager
async def ledger_connection(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to draw up ledgers with, which takes no locks that anybody waits for.

    Raises what asyncpg raises for a server that is away.
    """
    settings = _SESSION | {"statement_timeout": f"{_STATEMENT_SECONDS:.0f}s"}
    connection = await asyncpg.connect(
        dsn, timeout=10, command_timeout=_STATEMENT_SECONDS + 5, server_settings=settings
    )
    try:
        yield connection
    finally:
        await connection.close(timeout=5)


async def applications_named(connection: asyncpg.Connection, reference: str) -> list[str]:
    """The ids of the applications with that id or uid, of whichever organization, deleted ones too."""
    return [row["id"] for row in await connection.fetch(_APPLICATIONS, reference)]


async def applications_of(connection: asyncpg.Connection, organization_id: str) -> list[str]:
    """The ids of an organization's applications: deleted ones too, and that of its operational webhooks."""
    return [row["id"] for row in await connection.fetch(_OF_ORGANIZATION, organization_id)]


async def draw_up(connection: asyncpg.Connection, wish: Wish) -> Ledger:
    """The ledger. Each part of it is true of one moment, and no two of the same delivery are of different ones."""
    began = monotonic()
    taken_at, oldest = await connection.fetchrow("SELECT now(), (SELECT min(id) FROM messages)")
    queue, waiting = await queue_of(connection, wish.applications, wish.late_after, wish.names)
    walk = _Walk(connection, wish, oldest)
    while not walk.is_complete and (wish.seconds is None or not walk.steps or monotonic() - began < wish.seconds):
        await walk.step()
    return Ledger(
        taken_at=taken_at,
        since=wish.since if walk.is_complete else walk.reached,
        is_complete=walk.is_complete,
        total=sum(walk.balances.values(), Balance()),
        queue=queue,
        applications=walk.balances,
        findings=_named(walk.findings + waiting, wish.names),
    )


class _Walk:
    """Through history, from now on backwards, in steps of about as many messages."""

    def __init__(self, connection: asyncpg.Connection, wish: Wish, oldest: str | None) -> None:
        self._connection = connection
        self._wish = wish
        self._oldest = oldest or CEILING
        self._end = max(wish.since or _BEGINNING, _made_at(oldest))
        self._ceiling = CEILING
        self._span = _FIRST_SPAN
        self.balances: dict[str, Balance] = {}
        self.findings: list[Finding] = []
        self.reached = clock.now()
        self.is_complete = False
        self.steps = 0

    async def step(self) -> None:
        self.steps += 1
        self.reached = max(self.reached - self._span, self._end)
        self.is_complete = self.reached <= self._end
        floor = ids.floor_id("msg", self.reached)
        if self.is_complete:
            # Not that of the oldest: what was written by hand may have an id without a time.
            floor = ids.floor_id("msg", self._wish.since) if self._wish.since else ""
        part = Slice(floor, self._ceiling, self._oldest, self._wish.applications)
        found, uneven = await balance_of(self._connection, part, self._wish.names)
        for application_id, balance in found.items():
            self.balances[application_id] = self.balances.get(application_id, Balance()) + balance
        self.findings += uneven
        self._ceiling = floor
        messages = sum(balance.messages for balance in found.values())
        if messages < _FEW:
            self._span *= 2
        elif messages > _MANY:
            self._span /= 2


def _made_at(message_id: str | None) -> datetime:
    try:
        return ids.created_at(message_id or "")
    except ValueError:
        return _BEGINNING


def _named(findings: Sequence[Finding], names: int) -> list[Finding]:
    """The worst first, of each kind the oldest."""
    named: list[Finding] = []
    for kind in _KINDS:
        named += sorted((f for f in findings if f.kind is kind), key=lambda finding: finding.since)[:names]
    return named
