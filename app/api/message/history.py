"""The rules of reading messages, and of forgetting what was in them."""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from app.api.message.models import MessageOut
from app.api.paging import ListOut, list_out
from app.api.timeline import Timeline
from app.db.application.model import ApplicationRow
from app.db.message.model import MessageRow
from app.db.message.table import MessagesTable
from app.db.pending_delivery.table import PendingDeliveriesTable
from app.db.session import due_after_commit
from app.errors import NotFound

_HIDDEN: Final = b"{}"
_EXPIRED: Final = b'{"expired":true}'


class MessageHistory:
    """Reads the messages of an application. A reference is a message's id or its event id."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def page(self, app: ApplicationRow, timeline: Timeline) -> ListOut[MessageOut]:
        """The application's messages, newest first."""
        messages = MessagesTable(self._session, with_content=timeline.with_content)
        page = await messages.page_about(app.id, timeline.span("msg"), timeline.about)
        return list_out(
            page.rows, page.done, key=lambda row: row.id, item=lambda row: message_out(row, timeline.with_content)
        )

    async def get(self, app: ApplicationRow, reference: str, with_content: bool) -> MessageOut:
        """One message. NotFound if the application has none of that name."""
        messages = MessagesTable(self._session, with_content=with_content)
        row = await messages.find(app.id, reference)
        if row is None:
            raise NotFound
        return message_out(row, with_content)

    async def expunge(self, app: ApplicationRow, reference: str) -> None:
        """Forget a message's payload for good. NotFound if the application has none of that name.

        Nobody waits in a line for what will not be sent: what is due of it is canceled, now where others wait for it.
        """
        messages = MessagesTable(self._session)
        found = await messages.locate(app.id, reference)
        if found is None:
            raise NotFound
        await messages.expunge(app.id, found.id)
        pending = PendingDeliveriesTable(self._session)
        due_after_commit(self._session).update(await pending.hurry_in_lines(app.id, found.id))


def message_out(row: MessageRow, with_content: bool) -> MessageOut:
    """A message on the wire; `{}` stands for a payload that was not asked for."""
    return MessageOut(
        id=row.id,
        event_type=row.event_type,
        event_id=row.event_id,
        channels=row.channels,
        payload=payload_out(row, with_content),
        timestamp=row.created_at,
    )


def payload_out(row: MessageRow, with_content: bool) -> bytes:
    """The JSON that stands for a message's payload; the payload is touched only with content."""
    if not with_content:
        return _HIDDEN
    return _EXPIRED if row.payload is None else row.payload
