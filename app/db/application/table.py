"""All the SQL about applications."""

from collections.abc import Collection
from typing import Final

from sqlalchemy import Boolean, ColumnElement, Select, literal_column

from app.db.application.model import PLAY, ApplicationRow, LeftOut
from app.db.base import BaseTable

_ENDPOINT: Final = "SELECT FROM endpoints e WHERE e.application_id = applications.id AND e.deleted_at IS NULL"
_HAS_ANY: Final = literal_column(f"EXISTS ({_ENDPOINT})", Boolean)
_HAS_NONE_OR_ENABLED: Final = literal_column(
    f"(NOT EXISTS ({_ENDPOINT}) OR EXISTS ({_ENDPOINT} AND NOT e.disabled))", Boolean
)
_HAS_NONE_OR_REAL: Final = literal_column(
    f"(NOT EXISTS ({_ENDPOINT}) OR EXISTS ({_ENDPOINT} AND e.url NOT LIKE '{PLAY}'))", Boolean
)


class ApplicationsTable(BaseTable[ApplicationRow]):
    """The applications of one organization, but for the one that holds its operational endpoints."""

    row = ApplicationRow
    scope = "organization_id"
    noun = "application"
    unique_uid = "applications_organization_uid"

    @staticmethod
    def but_for(left_out: LeftOut) -> list[ColumnElement[bool]]:
        """Conditions of the applications that are not left out."""
        asked = {
            _HAS_ANY: left_out.without_endpoints,
            _HAS_NONE_OR_ENABLED: left_out.with_disabled_ones_only,
            _HAS_NONE_OR_REAL: left_out.with_play_ones_only,
        }
        return [condition for condition, is_asked in asked.items() if is_asked]

    async def ids_of(self, organization_id: str, references: Collection[str]) -> dict[str, str]:
        """The ids of the applications that these ids and uids name, by what names them."""
        key, uid = self._column("id"), self._column("uid")
        rows = await self.session.execute(
            self._live(organization_id).where(key.in_(references) | uid.in_(references)).with_only_columns(key, uid)
        )
        found = {name: row_id for row_id, row_uid in rows.all() for name in (row_id, row_uid) if name is not None}
        return {reference: found[reference] for reference in references if reference in found}

    def _live(self, scope_id: str) -> Select[ApplicationRow]:
        return super()._live(scope_id).where(self._column("operational").is_(False))
