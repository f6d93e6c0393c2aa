"""All the SQL about applications."""

from sqlalchemy import Select

from app.db.application.model import ApplicationRow
from app.db.base import BaseTable


class ApplicationsTable(BaseTable[ApplicationRow]):
    """The applications of one organization, but for the one that holds its operational endpoints."""

    row = ApplicationRow
    scope = "organization_id"
    noun = "application"
    unique_uid = "applications_organization_uid"

    def _live(self, scope_id: str) -> Select[ApplicationRow]:
        return super()._live(scope_id).where(self._column("operational").is_(False))
