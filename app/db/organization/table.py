"""All the SQL about organizations."""

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from app import clock
from app.db.organization.model import OrganizationRow
from app.errors import NotFound


class OrganizationsTable:
    """Organizations come into being when a validly signed token that names them writes something."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def ensure(self, organization_id: str) -> None:
        """Make the organization's row unless it exists."""
        row = insert(OrganizationRow).values(id=organization_id, created_at=clock.now())
        await self.session.execute(row.on_conflict_do_nothing())

    async def ensure_live(self, organization_id: str) -> None:
        """Make the organization's row unless it exists, and keep it from being deleted until the transaction ends.

        NotFound if it was deleted. Before anything else of it is locked: who deletes it begins with it, too.
        """
        await self.ensure(organization_id)
        held = select(OrganizationRow.deleted_at).where(col(OrganizationRow.id) == organization_id)
        if (await self.session.execute(held.with_for_update(read=True))).scalar_one() is not None:
            raise NotFound("The environment was deleted.")

    async def get(self, organization_id: str) -> OrganizationRow | None:
        """The organization's row; None if it has not written anything yet."""
        statement = select(OrganizationRow).where(col(OrganizationRow.id) == organization_id)
        return (await self.session.execute(statement)).scalar_one_or_none()

    async def get_to_change(self, organization_id: str) -> OrganizationRow:
        """The organization's row, which is there, locked until the transaction ends."""
        statement = select(OrganizationRow).where(col(OrganizationRow.id) == organization_id).with_for_update()
        return (await self.session.execute(statement)).scalar_one()
