"""All the SQL about endpoints."""

from datetime import datetime

from sqlalchemy import func, update

from app.db.base import BaseTable
from app.db.endpoint.model import EndpointRow


class EndpointsTable(BaseTable[EndpointRow]):
    """The endpoints of one application."""

    row = EndpointRow
    scope = "application_id"
    noun = "endpoint"
    unique_uid = "endpoints_application_uid"

    async def count(self, application_id: str) -> int:
        """How many there are."""
        live = self._live(application_id).with_only_columns(func.count())
        counted: int = (await self.session.execute(live)).scalar_one()
        return counted

    async def soft_delete_all(self, application_id: str, at: datetime) -> None:
        """Mark all endpoints of an application as deleted."""
        await self.session.execute(
            update(self._table)
            .where(self._column("application_id") == application_id, self._column("deleted_at").is_(None))
            .values(deleted_at=at)
        )
