"""Organizations as the operator of the installation manages them; the Svix API calls them environments."""

from dataclasses import dataclass
from typing import Final

import asyncpg
from sqlalchemy import Select
from sqlmodel import col, select

from app import ids
from app.db.base import BaseTable
from app.db.organization.model import OrganizationRow

# What it protects: an application is not deleted before its last endpoint, so that a bite that is the last for a while
# leaves nothing that is sent to and that nobody finds. Applications are locked first, as by whoever deletes one.
_DELETE_APPLICATIONS: Final = """
WITH chosen AS MATERIALIZED (
    SELECT id FROM applications WHERE organization_id = $1 AND deleted_at IS NULL ORDER BY id LIMIT $2 FOR UPDATE
), found AS MATERIALIZED (
    SELECT e.id FROM endpoints e
    WHERE e.application_id IN (SELECT id FROM chosen) AND e.deleted_at IS NULL
    ORDER BY e.application_id, e.id LIMIT $3 FOR UPDATE
), silent AS (
    UPDATE endpoints e SET deleted_at = now() FROM found WHERE e.id = found.id RETURNING e.application_id, e.id
), gone AS (
    UPDATE applications a SET deleted_at = now() FROM chosen
    WHERE a.id = chosen.id AND (SELECT count(*) FROM found) < $3
    RETURNING a.id
), unheard AS (
    UPDATE sources s SET deleted_at = now() FROM gone WHERE s.application_id = gone.id AND s.deleted_at IS NULL
)
SELECT (SELECT count(*) FROM gone) AS applications,
       ARRAY(SELECT application_id FROM silent ORDER BY id) AS application_ids,
       ARRAY(SELECT id FROM silent ORDER BY id) AS endpoint_ids
"""

_END_TOKENS: Final = """
UPDATE api_tokens SET expires_at = least(expires_at, clock_timestamp()), changed_at = clock_timestamp()
WHERE organization_id = $1 AND (expires_at IS NULL OR expires_at > clock_timestamp())
"""


class EnvironmentsTable(BaseTable[OrganizationRow]):
    """All organizations that were not deleted, but for the one that manages them, which is the scope."""

    row = OrganizationRow
    scope = "id"
    noun = "environment"

    def _live(self, scope_id: str) -> Select[OrganizationRow]:
        if scope_id != ids.MANAGEMENT_ORGANIZATION_ID:
            raise ValueError("only the management organization manages others")
        return select(OrganizationRow).where(
            col(OrganizationRow.deleted_at).is_(None), col(OrganizationRow.id) != scope_id
        )


@dataclass(frozen=True, slots=True)
class Deleted:
    """What of an organization was deleted at once."""

    applications: int
    endpoints: list[tuple[str, str]]
    """Application and endpoint, whose deliveries are to be canceled."""


async def delete_some(
    connection: asyncpg.Connection, organization_id: str, applications: int, endpoints: int
) -> Deleted:
    """Delete at most so many applications of an organization, and so many of their endpoints; nothing if none is left.

    Applications whose endpoints are too many for once stay until the last of these.
    """
    row = await connection.fetchrow(_DELETE_APPLICATIONS, organization_id, applications, endpoints)
    return Deleted(row["applications"], list(zip(row["application_ids"], row["endpoint_ids"], strict=True)))


async def end_tokens(connection: asyncpg.Connection, organization_id: str) -> None:
    """End all API tokens of an organization now."""
    await connection.execute(_END_TOKENS, organization_id)
