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
