"""All the SQL about applications."""

from app.db.application.model import ApplicationRow
from app.db.base import BaseTable


class ApplicationsTable(BaseTable[ApplicationRow]):
    """The applications of one organization."""

    row = ApplicationRow
    scope = "organization_id"
    noun = "application"
    unique_uid = "applications_organization_uid"
