"""All the SQL about endpoints."""

from datetime import datetime
from typing import Final

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from app.db.base import BaseTable
from app.db.endpoint.model import EndpointRow
from app.errors import Conflict

_UNIQUE_UID: Final = "endpoints_application_uid"


class EndpointsTable(BaseTable[EndpointRow]):
    """The endpoints of one application."""

    row = EndpointRow
    scope = "application_id"

    async def find_to_change(self, application_id: str, reference: str) -> EndpointRow | None:
        """The row whose id or uid is `reference`, locked until the transaction ends, so that no change is lost."""
        either = (self._column("id") == reference) | (self._column("uid") == reference)
        found = await self.session.execute(self._live(application_id).where(either).with_for_update())
        return found.scalar_one_or_none()

    async def soft_delete_all(self, application_id: str, at: datetime) -> None:
        """Mark all endpoints of an application as deleted."""
        await self.session.execute(
            update(self._table)
            .where(self._column("application_id") == application_id, self._column("deleted_at").is_(None))
            .values(deleted_at=at)
        )

    async def save(self, row: EndpointRow) -> None:
        """Write a new or changed row now. Conflict, with nothing of it written, if its uid is taken."""
        try:
            async with self.session.begin_nested():
                self.session.add(row)
                await self.session.flush()
        except IntegrityError as error:
            if _UNIQUE_UID not in str(error.orig):
                raise
            raise Conflict("An endpoint with that id or uid already exists") from None
