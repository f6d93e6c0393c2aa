"""What POSTs with an idempotency key were answered; messages are told apart in app/db/message/publish.py."""

from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.message.publish import IDEMPOTENCY_HOURS

# What it protects: of two requests with one key, one does what it asks for. The other waits here until the first has
# committed, and then gets nothing; or the first has failed, and the other is the first.
_CLAIM: Final = text(f"""
INSERT INTO idempotent_responses AS r (id, organization_id, request_hash) VALUES (:id, :organization_id, :request_hash)
ON CONFLICT (id) DO UPDATE
    SET request_hash = excluded.request_hash, status = NULL, media_type = NULL, body = NULL, created_at = now()
    WHERE r.created_at < now() - interval '{IDEMPOTENCY_HOURS} hours'
RETURNING true
""")
_FIND: Final = text("""
SELECT request_hash, status, media_type, body FROM idempotent_responses
WHERE id = :id AND organization_id = :organization_id
""")
_KEEP: Final = text("""
UPDATE idempotent_responses SET status = :status, media_type = :media_type, body = :body
WHERE id = :id AND organization_id = :organization_id
""")
_RELEASE: Final = text("DELETE FROM idempotent_responses WHERE id = :id AND organization_id = :organization_id")


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """The answer to an earlier request; `body` is sealed for the row's id, and None if there was none."""

    request_hash: bytes
    status: int
    media_type: str | None
    body: bytes | None = field(repr=False)


class StoredResponsesTable:
    """One organization's, in the transaction of the request."""

    def __init__(self, session: AsyncSession, organization_id: str) -> None:
        self._session = session
        self._organization_id = organization_id

    async def claim(self, row_id: str, request_hash: bytes) -> StoredResponse | None:
        """Claim a key for this transaction; what it stands for instead, if it was used in the last hours."""
        values = {"id": row_id, "organization_id": self._organization_id, "request_hash": request_hash}
        while (await self._session.execute(_CLAIM, values)).first() is None:
            named = {"id": row_id, "organization_id": self._organization_id}
            found = (await self._session.execute(_FIND, named)).one_or_none()
            # None: it was purged between the two statements.
            if found is not None:
                return StoredResponse(*found)
        return None

    async def keep(self, row_id: str, status: int, media_type: str | None, body: bytes | None) -> None:
        """The answer of a request that claimed its key in this transaction; `body` is sealed."""
        values = {"status": status, "media_type": media_type, "body": body}
        await self._session.execute(_KEEP, {"id": row_id, "organization_id": self._organization_id, **values})

    async def release(self, row_id: str) -> None:
        """The request that claimed the key did nothing: the key is free again."""
        await self._session.execute(_RELEASE, {"id": row_id, "organization_id": self._organization_id})
