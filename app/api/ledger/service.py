"""The rules of the ledger."""

import asyncio
from datetime import datetime, timedelta
from typing import Final

from app import clock
from app.api.ledger.models import LedgerOut, ledger_out
from app.db.ledger.report import Wish, applications_of, draw_up, ledger_connection
from app.db.session import unavailable_when_unreachable
from app.errors import Unavailable

_DEFAULT_SPAN: Final = timedelta(hours=24)
_SECONDS: Final = 10.0
_WAITING_SECONDS: Final = 15.0


class LedgerService:
    """Draws up ledgers, one at a time in each process: nobody's curiosity may become everybody's load."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._turn = asyncio.Lock()

    async def draw_up(self, organization_id: str, since: datetime | None) -> LedgerOut:
        """The ledger of an organization's messages since then (the last 24 hours), and of all that it has waiting.

        Goes back as far as it comes in ten seconds. Unavailable if others ask for as long.
        """
        try:
            async with asyncio.timeout(_WAITING_SECONDS):
                await self._turn.acquire()
        except TimeoutError:
            raise Unavailable("Other ledgers are being drawn up. Try again.", retry_after=10) from None
        try:
            async with unavailable_when_unreachable(), ledger_connection(self._dsn) as connection:
                applications = await applications_of(connection, organization_id)
                wish = Wish(since or clock.now() - _DEFAULT_SPAN, applications, seconds=_SECONDS)
                return ledger_out(await draw_up(connection, wish))
        finally:
            self._turn.release()
