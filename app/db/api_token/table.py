"""All the SQL about API tokens and revocations, but for what processes ask again and again (fresh.py)."""

from datetime import datetime
from typing import Final

from sqlalchemy import func, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.api_token.model import ApiTokenRow
from app.db.base import BaseTable

# What it protects: a token never lives longer for having been ended once more.
_EXPIRE: Final = text("""
UPDATE api_tokens
SET expires_at = least(expires_at, clock_timestamp() + make_interval(secs => :seconds)), changed_at = clock_timestamp()
WHERE organization_id = :organization_id AND id = :id
RETURNING expires_at
""")

_EXPIRE_OF_POLLER: Final = text("""
UPDATE api_tokens
SET expires_at = least(expires_at, clock_timestamp() + make_interval(secs => :seconds)), changed_at = clock_timestamp()
WHERE organization_id = :organization_id AND poller_id = :poller_id
  AND (expires_at IS NULL OR expires_at > clock_timestamp())
RETURNING id
""")

_EXPIRE_OF_APPLICATION: Final = text("""
UPDATE api_tokens
SET expires_at = least(expires_at, clock_timestamp() + make_interval(secs => :seconds)), changed_at = clock_timestamp()
WHERE organization_id = :organization_id AND application_id = :application_id
  AND (expires_at IS NULL OR expires_at > clock_timestamp())
""")

_EXPIRE_ALL: Final = text("""
UPDATE api_tokens SET expires_at = least(expires_at, clock_timestamp()), changed_at = clock_timestamp()
WHERE organization_id = :organization_id AND (expires_at IS NULL OR expires_at > clock_timestamp())
""")

# A revocation that ends no token earlier than another one does is forgotten by it.
_REVOKE: Final = text("""
WITH new AS (
    SELECT CAST(:subject AS text) AS subject, coalesce(CAST(:issued_until AS timestamptz), 'infinity') AS issued_until,
           clock_timestamp() + make_interval(secs => :seconds) AS ends_at
), covered AS (
    DELETE FROM token_revocations r USING new
    WHERE r.subject = new.subject AND r.issued_until < new.issued_until AND r.ends_at >= new.ends_at
)
INSERT INTO token_revocations AS r (subject, issued_until, organization_id, ends_at, forget_at)
SELECT subject, issued_until, :organization_id, ends_at, :forget_at FROM new
ON CONFLICT (subject, issued_until) DO UPDATE
SET ends_at = least(r.ends_at, excluded.ends_at), changed_at = clock_timestamp()
""")


class ApiTokensTable(BaseTable[ApiTokenRow]):
    """The API tokens of one organization."""

    row = ApiTokenRow
    scope = "organization_id"
    noun = "token"

    async def rewrite(self, row: ApiTokenRow) -> None:
        """Write a changed row, so that those who ask what changed lately find it."""
        row.changed_at = func.clock_timestamp()  # type: ignore[assignment]  # computed by the statement
        await self.save(row)

    async def expire(self, organization_id: str, token_id: str, seconds: int) -> datetime | None:
        """End a token in so many seconds, unless it ends before; when it ends. None if there is no such token."""
        values = {"organization_id": organization_id, "id": token_id, "seconds": seconds}
        ends_at: datetime | None = (await self.session.execute(_EXPIRE, values)).scalar_one_or_none()
        return ends_at

    async def expire_of_application(self, organization_id: str, application_id: str, seconds: int) -> None:
        """End all tokens that were made for an application, or for its pollers, unless they end before."""
        values = {"organization_id": organization_id, "application_id": application_id, "seconds": seconds}
        await self.session.execute(_EXPIRE_OF_APPLICATION, values)

    async def expire_all(self, organization_id: str) -> None:
        """End all tokens of the organization now."""
        await self.session.execute(_EXPIRE_ALL, {"organization_id": organization_id})

    async def current_of_poller(self, organization_id: str, poller_id: str) -> ApiTokenRow | None:
        """The newest of the poller's tokens that have not ended; None if all have."""
        ends_at = self._column("expires_at")
        statement = self._live(organization_id).where(
            self._column("poller_id") == poller_id, ends_at.is_(None) | (ends_at > func.clock_timestamp())
        )
        # Ids of the same four milliseconds are in no order.
        newest = statement.order_by(self._column("created_at").desc()).limit(1)
        return (await self.session.execute(newest)).scalar_one_or_none()

    async def expire_of_poller(self, organization_id: str, poller_id: str, seconds: int) -> list[str]:
        """End all tokens of a poller in so many seconds, unless they end before; which those are."""
        values = {"organization_id": organization_id, "poller_id": poller_id, "seconds": seconds}
        return list((await self.session.execute(_EXPIRE_OF_POLLER, values)).scalars())


class RevocationsTable:
    """JWTs that are refused although they have not expired."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def revoke(
        self, organization_id: str, subject: str, issued_until: datetime | None, seconds: int, forget_at: datetime
    ) -> None:
        """End, in so many seconds, the JWTs of a subject that were issued until a time (None: all of them).

        None of them lives after `forget_at`.
        """
        values = {
            "organization_id": organization_id,
            "subject": subject,
            "issued_until": issued_until,
            "seconds": seconds,
            "forget_at": forget_at,
        }
        await self._session.execute(_REVOKE, values)
