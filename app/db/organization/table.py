"""All the SQL about organizations."""

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.db.organization.model import OrganizationRow


class OrganizationsTable:
    """Organizations come into being when a validly signed token that names them writes something."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def ensure(self, organization_id: str) -> None:
        """Make the organization's row unless it exists."""
        row = insert(OrganizationRow).values(id=organization_id, created_at=clock.now())
        await self.session.execute(row.on_conflict_do_nothing())
