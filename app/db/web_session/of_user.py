"""The web sessions of one user, as they see and end them themselves, or as they are ended with whatever was granted."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.web_session.table import IDLE

_LIST: Final = text(f"""
SELECT id, created_at, seen_at, expires_at FROM web_sessions
WHERE organization_id = :organization_id AND user_id = :user_id
  AND expires_at > clock_timestamp() AND seen_at > clock_timestamp() - {IDLE}
ORDER BY seen_at DESC, id LIMIT :most
""")
_END: Final = text("""
DELETE FROM web_sessions WHERE organization_id = :organization_id AND user_id = :user_id AND id = :id RETURNING id
""")
_END_ALL: Final = text("DELETE FROM web_sessions WHERE organization_id = :organization_id AND user_id = :user_id")


@dataclass(frozen=True, slots=True)
class UserSession:
    """A browser in which a user is signed in."""

    id: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


class UserSessionsTable:
    """The web sessions of one user."""

    def __init__(self, session: AsyncSession, organization_id: str, user_id: str) -> None:
        self._session = session
        self._values = {"organization_id": organization_id, "user_id": user_id}

    async def newest(self, most: int) -> list[UserSession]:
        """Those that have not ended, the last used first."""
        return [UserSession(*row) for row in await self._session.execute(_LIST, {**self._values, "most": most})]

    async def end(self, session_id: str) -> bool:
        """End one; whether there was one."""
        return (await self._session.execute(_END, {**self._values, "id": session_id})).first() is not None

    async def end_all(self) -> None:
        """End all."""
        await self._session.execute(_END_ALL, self._values)
