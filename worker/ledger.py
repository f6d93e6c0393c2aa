"""The chore that keeps the ledger's figures, which GET /metrics shows."""

from dataclasses import asdict
from datetime import timedelta
from time import monotonic
from typing import Final

import asyncpg

from app import clock
from app.db.ledger.model import LATE_AFTER_SECONDS
from app.db.ledger.report import Wish, draw_up, ledger_connection
from app.db.ledger.table import LedgerFigures
from app.db.ledger.waiting import queue_of
from app.settings import Settings

_SPAN: Final = timedelta(hours=24)
# The balance is drawn up as often as it may be while it takes no more than a fiftieth of the time, and goes back no
# further than it comes in so many seconds.
_SHARE: Final = 50.0
_SECONDS: Final = 10.0


async def keep_figures(settings: Settings, pool: asyncpg.Pool) -> None:
    """Draw up the queue, and, if it is time again, the balance of the last day, over all organizations."""
    assert settings.db_dsn is not None
    figures = LedgerFigures(pool)
    known = (await figures.load()).get("balance")
    began, now = monotonic(), clock.now()
    async with ledger_connection(settings.db_dsn) as connection:
        queue, _ = await queue_of(connection, None, LATE_AFTER_SECONDS, 0)
        await figures.store("queue", monotonic() - began, asdict(queue))
        if known is not None and known.age < _SHARE * known.seconds:
            return
        began = monotonic()
        ledger = await draw_up(connection, Wish(now - _SPAN, names=0, seconds=_SECONDS))
    reached = ledger.since or now - _SPAN
    numbers = asdict(ledger.total) | {"span_seconds": (now - reached).total_seconds()}
    await figures.store("balance", monotonic() - began, numbers)
