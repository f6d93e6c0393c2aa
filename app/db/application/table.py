"""All the SQL about applications."""

from typing import Final

from sqlalchemy.exc import IntegrityError

from app.db.application.model import ApplicationRow
from app.db.base import BaseTable
from app.errors import Conflict

_UNIQUE_UID: Final = "applications_organization_uid"


class ApplicationsTable(BaseTable[ApplicationRow]):
    """The applications of one organization."""

    row = ApplicationRow
    scope = "organization_id"

    async def find_to_change(self, organization_id: str, reference: str) -> ApplicationRow | None:
        """The row whose id or uid is `reference`, locked until the transaction ends, so that no change is lost."""
        either = (self._column("id") == reference) | (self._column("uid") == reference)
        found = await self.session.execute(self._live(organization_id).where(either).with_for_update())
        return found.scalar_one_or_none()

    async def save(self, row: ApplicationRow) -> None:
        """Write a new or changed row now. Conflict, with nothing of it written, if its uid is taken."""
        try:
            async with self.session.begin_nested():
                self.session.add(row)
                await self.session.flush()
        except IntegrityError as error:
            if _UNIQUE_UID not in str(error.orig):
                raise
            raise Conflict("An application with that id or uid already exists") from None
