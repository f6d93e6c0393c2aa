"""All the SQL of the API about sources; that of what arrives at them is in lookup.py."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app import clock, ids
from app.db.base import BaseTable
from app.db.source.lookup import hash_of
from app.db.source.model import SourceLogRow, SourceRow, SourceTokenRow
from app.sealing import Sealer

_BYTES: Final = 32
_RESERVE: Final = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")


class SourcesTable(BaseTable[SourceRow]):
    """The sources of one organization."""

    row = SourceRow
    scope = "organization_id"
    noun = "source"
    unique_uid = "sources_organization_uid"

    async def reserve(self, organization_id: str, uid: str) -> None:
        """Wait for others who are making a source of that name, and have others wait until the transaction ends."""
        await self.session.execute(_RESERVE, {"name": f"source {organization_id} {uid}"})

    async def count_of_application(self, organization_id: str, application_id: str) -> int:
        """How many deliver to an application."""
        statement = self._live(organization_id).where(self._column("application_id") == application_id)
        counted: int = (await self.session.execute(statement.with_only_columns(func.count()))).scalar_one()
        return counted

    async def providers_of_application(self, organization_id: str, application_id: str) -> set[str]:
        """The kinds of those that deliver to an application."""
        statement = self._live(organization_id).where(self._column("application_id") == application_id)
        found = await self.session.execute(statement.with_only_columns(self._column("provider")))
        return set(found.scalars())

    async def soft_delete_of_application(self, organization_id: str, application_id: str, at: datetime) -> None:
        """Mark those that deliver to an application as deleted."""
        await self.session.execute(
            update(self._table)
            .where(
                self._column("organization_id") == organization_id,
                self._column("application_id") == application_id,
                self._column("deleted_at").is_(None),
            )
            .values(deleted_at=at)
        )


class SourceTokensTable:
    """The tokens of sources, which are the tenant's: whoever has a source's row may read them."""

    def __init__(self, session: AsyncSession, sealer: Sealer) -> None:
        self._session = session
        self._sealer = sealer

    async def current(self, sources: Sequence[SourceRow]) -> dict[str, str]:
        """The tokens that the sources' URLs end with, by their sources' ids; some have none."""
        statement = select(SourceTokenRow).where(
            col(SourceTokenRow.source_id).in_([source.id for source in sources]),
            col(SourceTokenRow.expires_at).is_(None),
        )
        rows = (await self._session.execute(statement)).scalars()
        return {row.source_id: self._sealer.open(row.sealed, row.id).decode() for row in rows}

    async def begin(self, source: SourceRow) -> str:
        """A new token of a source that has none, or whose others end."""
        token, row_id = secrets.token_urlsafe(_BYTES), ids.new_id("key")
        sealed = self._sealer.seal(token.encode(), row_id)
        self._session.add(
            SourceTokenRow(id=row_id, source_id=source.id, hash=hash_of(token), sealed=sealed, created_at=clock.now())
        )
        await self._session.flush()
        return token

    async def count_ending(self, source: SourceRow) -> int:
        """How many earlier ones are still good."""
        statement = (
            select(func.count())
            .select_from(SourceTokenRow)
            .where(col(SourceTokenRow.source_id) == source.id, col(SourceTokenRow.expires_at) > clock.now())
        )
        counted: int = (await self._session.execute(statement)).scalar_one()
        return counted

    async def end_current(self, source: SourceRow, grace: timedelta) -> None:
        """The current one is good for so long from now; those whose time is over are forgotten."""
        of_source, now = col(SourceTokenRow.source_id) == source.id, clock.now()
        await self._session.execute(
            update(SourceTokenRow)
            .where(of_source, col(SourceTokenRow.expires_at).is_(None))
            .values(expires_at=now + grace)
        )
        await self._session.execute(delete(SourceTokenRow).where(of_source, col(SourceTokenRow.expires_at) <= now))

    async def delete(self, source: SourceRow) -> None:
        """End all at once."""
        await self._session.execute(delete(SourceTokenRow).where(col(SourceTokenRow.source_id) == source.id))


class SourceLogsTable(BaseTable[SourceLogRow]):
    """The rejected requests of one source."""

    row = SourceLogRow
    scope = "source_id"
