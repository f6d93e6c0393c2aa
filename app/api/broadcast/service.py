"""The rules of broadcasts."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.api.broadcast.models import MessageBroadcastIn, MessageBroadcastOut
from app.db.background_task.model import TaskKind
from app.db.background_task.table import BackgroundTasksTable
from app.db.broadcast.model import BroadcastRow
from app.db.broadcast.table import BroadcastsTable


class BroadcastService:
    """Starts the background tasks that publish broadcasts."""

    def __init__(self, session: AsyncSession) -> None:
        self._tasks = BackgroundTasksTable(session)
        self._broadcasts = BroadcastsTable(session)

    async def start(self, organization_id: str, body: MessageBroadcastIn, payload: bytes) -> MessageBroadcastOut:
        """Have a message published to each of the organization's applications; `payload` as it stands in the request.

        ValidationFailed if the body contradicts itself.
        """
        hours = body.payload_hours
        task = await self._tasks.start(organization_id, None, TaskKind.BROADCAST, {"eventType": body.event_type})
        await self._broadcasts.insert(
            BroadcastRow(
                id=task.id,
                organization_id=organization_id,
                event_type=body.event_type,
                event_id=body.event_id,
                channels=body.channels,
                payload=payload,
                payload_hours=hours,
            )
        )
        return MessageBroadcastOut(id=task.id, status="running", task="message.broadcast", updated_at=task.updated_at)
