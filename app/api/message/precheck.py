"""Asking whether a message would be sent to anybody."""

import asyncpg

from app.api.message.models import MessagePrecheckIn, MessagePrecheckOut
from app.db.message.wanted import is_wanted
from app.errors import existing


class Precheck:
    """Looks at the endpoints of applications as publishing does, and publishes nothing."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def ask(self, organization_id: str, application: str, body: MessagePrecheckIn) -> MessagePrecheckOut:
        """Whether an enabled endpoint of the application would get such a message. NotFound if there is none."""
        wanted = await is_wanted(self._pool, organization_id, application, body.event_type, body.channels)
        return MessagePrecheckOut(active=existing(wanted))
