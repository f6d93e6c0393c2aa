"""The SQL of the API about operational webhooks: who gets them, and what happened to endpoints."""

from collections.abc import Mapping
from typing import Final

import orjson
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock, ids
from app.db.application.model import ApplicationRow
from app.db.operational_webhook.outbox import TELLING
from app.db.organization.model import OrganizationRow
from app.db.organization.table import OrganizationsTable
from app.db.session import due_after_commit
from app.errors import NotFound

_OF_ENDPOINT: Final = text(f"""
WITH happened AS (
    SELECT i.id, i.event_type, e.application_id,
           jsonb_build_object('endpointId', e.id, 'endpointUid', e.uid) || i.data AS data
    FROM unnest(CAST(:ids AS text[]), CAST(:event_types AS text[]), CAST(:data AS jsonb[])) AS i(id, event_type, data)
    CROSS JOIN endpoints e
    WHERE e.id = :endpoint_id
), {TELLING}
SELECT DISTINCT shard FROM told_deliveries
""")


class OperationalApplications:
    """The application that holds an organization's operational endpoints. Nothing else finds it."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find(self, organization_id: str) -> ApplicationRow | None:
        """The organization's, or None if it never had an operational endpoint."""
        statement = (
            select(ApplicationRow)
            .join(OrganizationRow, OrganizationRow.operational_application_id == ApplicationRow.id)  # type: ignore[arg-type]
            .where(OrganizationRow.id == organization_id)  # type: ignore[arg-type]
        )
        return (await self._session.execute(statement)).scalar_one_or_none()

    async def ensure(self, organization_id: str) -> ApplicationRow:
        """The organization's (whose row exists), made if there is none. Two at once make one.

        NotFound if the organization was deleted.
        """
        found = await self.find(organization_id)
        if found is not None:
            return found
        organization = await OrganizationsTable(self._session).get_to_change(organization_id)
        if organization.deleted_at is not None:
            raise NotFound("The environment was deleted.")
        found = await self.find(organization_id)
        if found is not None:
            return found
        now = clock.now()
        row = ApplicationRow(
            id=ids.new_id("app"),
            organization_id=organization_id,
            name="Operational webhooks",
            operational=True,
            created_at=now,
            updated_at=now,
        )
        self._session.add(row)
        await self._session.flush()
        await self._session.execute(
            update(OrganizationRow)
            .where(OrganizationRow.id == organization_id)  # type: ignore[arg-type]
            .values(operational_application_id=row.id)
        )
        return row


class OperationalEvents:
    """Tells an organization what happened, in the transaction in which it happens."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def tell_of_endpoint(self, endpoint_id: str, events: Mapping[str, Mapping[str, str]]) -> None:
        """Event types, and what each says beyond the ids of the endpoint and its application.

        The endpoint's row must have been flushed.
        """
        values = {
            "ids": [ids.new_id("msg") for _ in events],
            "event_types": list(events),
            "data": [orjson.dumps(data).decode() for data in events.values()],
            "endpoint_id": endpoint_id,
        }
        shards = (await self._session.execute(_OF_ENDPOINT, values)).scalars()
        due_after_commit(self._session).update(shards)
