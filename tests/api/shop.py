"""An application whose history tests make up, and what they ask about it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx

from app.db.session import Database
from tests import factories
from tests.factories import Json


@dataclass(frozen=True)
class Shop:
    """An application with one endpoint, and short ways to record what a worker would record of it."""

    application: str
    endpoint: str
    database: Database
    now: datetime

    async def message(self, age: float = 60, **fields: object) -> str:
        """A message of so many seconds ago."""
        at = self.now - timedelta(seconds=age)
        return await factories.record_message(self.database.pool, self.application, at, **fields)  # type: ignore[arg-type]

    async def attempt(
        self, message: str, age: float = 50, code: int = 200, response: bytes = b"ok", **fields: int
    ) -> str:
        """An attempt of so many seconds ago."""
        at = self.now - timedelta(seconds=age)
        return await factories.record_attempt(
            self.database.pool, self.application, message, self.endpoint, at, code, response, **fields
        )

    @property
    def by_endpoint(self) -> str:
        return f"/app/{self.application}/attempt/endpoint/{self.endpoint}"

    def by_message(self, message: str) -> str:
        return f"/app/{self.application}/attempt/msg/{message}"

    async def delivery(self, message: str, state: int = 0) -> None:
        """How far the message's delivery to the endpoint is: 0 delivered, 1 due, 2 failed, 4 canceled."""
        await factories.record_delivery(self.database.pool, self.application, message, self.endpoint, state)

    async def due(self, message: str, after: float = 0, tries: int = 0) -> datetime:
        """The message is to be tried at the endpoint in so many seconds; when that is."""
        at = self.now + timedelta(seconds=after)
        await factories.queue_delivery(self.database.pool, self.application, message, self.endpoint, at, tries)
        return at

    async def queued(self) -> int:
        """How much is still to do for the application."""
        count: int = await self.database.pool.fetchval(
            "SELECT count(*) FROM pending_deliveries WHERE application_id = $1", self.application
        )
        return count


async def page_of(client: httpx.AsyncClient, path: str, **params: object) -> Json:
    """One page of a list, as the API answers it."""
    response = await client.get(path, params=params)  # type: ignore[arg-type]
    assert response.status_code == 200, response.text
    page: Json = response.json()
    return page


async def ids_of(client: httpx.AsyncClient, path: str, **params: object) -> list[str]:
    """The ids on one page of a list."""
    return [item["id"] for item in (await page_of(client, path, **params))["data"]]
