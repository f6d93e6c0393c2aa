"""An organization in a database of its own, of which a ledger is drawn up: published, delivered, changed by hand."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from app import ids
from app.db.ledger.model import Finding, Kind, Ledger
from app.db.ledger.report import Wish, draw_up, ledger_connection
from app.db.message.new import NewMessage, Stored
from app.db.message.publish import Publishing
from app.db.pending_delivery.queue import Attempted, Claimed, DeliveryQueue, Recording, Source
from app.db.pending_delivery.table import PendingDeliveriesTable
from app.db.session import Database
from app.db.shard.model import SHARDS, shard_of
from app.settings import Settings

DELIVERED, DUE, FAILED, CANCELED = 0, 1, 2, 4
BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)

_APPLICATION: Final = """
INSERT INTO applications (id, organization_id, name, operational, created_at, updated_at)
VALUES ($1, $2, 'Acme', false, now(), now())
"""
_ENDPOINT: Final = """
INSERT INTO endpoints (id, application_id, url, secrets, shard, event_types, ordered_by, rate_limit, created_at,
                       updated_at)
VALUES ($1, $2, 'http://127.0.0.1:1', '', $3, $4, $5, $6, now(), now())
"""


@dataclass
class Books:
    """One organization; `application` is its first."""

    dsn: str
    database: Database
    organization: str
    application: str = ""

    async def add_application(self) -> str:
        made = ids.new_id("app")
        await self.run(_APPLICATION, made, self.organization)
        return made

    async def add_endpoint(
        self,
        *,
        event_types: Sequence[str] | None = None,
        ordered_by: str | None = None,
        rate_limit: int | None = None,
        application: str = "",
    ) -> str:
        made = ids.new_id("ep")
        values = (made, application or self.application, shard_of(made), event_types, ordered_by, rate_limit)
        await self.run(_ENDPOINT, *values)
        return made

    async def publish(self, count: int = 1, event_type: str = "invoice.paid", application: str = "") -> list[str]:
        """The ids of so many new messages."""
        app = application or self.application
        batch = [
            NewMessage(
                id=ids.new_id("msg"),
                organization_id=self.organization,
                application_id=app,
                uid=None,
                event_type=event_type,
                event_id=None,
                channels=None,
                payload=b"{}",
                key=None,
                request_hash=None,
            )
            for _ in range(count)
        ]
        results, _ = await Publishing(self.database.pool).publish(batch)
        assert all(isinstance(result, Stored) for result in results)
        return [message.id for message in batch]

    async def due(self, room: int = 1000) -> list[Claimed]:
        sources = {shard: Source(BEGINNING, room) for shard in range(SHARDS)}
        return await DeliveryQueue(self.database.pool).due_of_shards(sources, ())

    async def record(self, claimed: Sequence[Claimed], state: int = DELIVERED, delay: float | None = None) -> None:
        """As a worker that tried them; without an attempt if they are canceled."""

        def attempt() -> Attempted | None:
            if state == CANCELED:
                return None
            failed = state != DELIVERED
            return Attempted(ids.new_id("atmpt"), "http://127.0.0.1:1", 2 * failed, 500 if failed else 200, b"", 7)

        await DeliveryQueue(self.database.pool).record([Recording(row, state, delay, attempt()) for row in claimed])

    async def resend(self, message: str, endpoint: str) -> None:
        async with self.database.transaction() as session:
            await PendingDeliveriesTable(session).resend(self.application, message, endpoint)

    async def run(self, statement: str, *values: object) -> None:
        await self.database.pool.execute(statement, *values)

    async def ledger(self, wish: Wish | None = None) -> Ledger:
        async with ledger_connection(self.dsn) as connection:
            return await draw_up(connection, wish or Wish())

    async def findings(self, kind: Kind) -> list[Finding]:
        return [finding for finding in (await self.ledger()).findings if finding.kind is kind]


@asynccontextmanager
async def opened(settings: Settings, dsn: str) -> AsyncIterator[Books]:
    """The books of a new organization, with one application, in the database of that name."""
    database = Database(settings.model_copy(update={"db_dsn": dsn}))
    await database.open()
    books = Books(dsn, database, ids.new_id("org"))
    await books.run("INSERT INTO organizations (id) VALUES ($1)", books.organization)
    books.application = await books.add_application()
    yield books
    await database.close()
