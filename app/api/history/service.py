"""The rules of searching, following and forgetting messages."""

from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from app import ids
from app.api.history.models import (
    BulkExpungeContentsIn,
    BulkExpungeContentsOut,
    BulkExpungeStatus,
    ExpungeAllContentsOut,
    FoundMessageOut,
    MessageEventsOut,
    MessageRawPayloadOut,
    MessageSearchIn,
)
from app.api.message.history import MessageHistory, message_out, payloads_out
from app.api.message.models import MessageOut
from app.api.message.substitute import substituted
from app.api.paging import ListOut, Paging, list_out
from app.api.timeline import Timeline
from app.db.application.model import ApplicationRow
from app.db.background_task.model import TaskKind, TaskStatus
from app.db.background_task.table import BackgroundTasksTable
from app.db.message.across import Found, FoundMessages
from app.db.message.feed import FeedFilter, FeedPosition, MessageFeed
from app.db.message.model import MessageFilter
from app.db.message.table import MessagesTable
from app.errors import ValidationFailed, Violation, existing
from app.payload_store.store import PayloadStore

_NOT_AN_ITERATOR: Final = "The iterator is not one that this list returned; leave it out to begin with the first page."


class HistoryService:
    """What became of the messages of an application after they were published."""

    def __init__(self, session: AsyncSession, store: PayloadStore | None) -> None:
        self._session = session
        self._store = store
        self._history = MessageHistory(session, store)

    async def search(self, app: ApplicationRow, body: MessageSearchIn) -> ListOut[MessageOut]:
        """The messages that match all that is said, newest first. ValidationFailed if the iterator is none."""
        iterator = body.iterator
        if iterator and iterator != "-" and not ids.is_id(iterator.removeprefix("-"), "msg"):
            raise ValidationFailed(Violation(("body", "iterator"), _NOT_AN_ITERATOR))
        types = tuple(body.event_types) if body.event_types else None
        about = MessageFilter(types, body.channel, body.tag, body.text)
        paging = Paging(limit=body.limit, iterator=iterator, order=None)
        return await self._history.page(app, Timeline(paging, body.before, body.after, about, body.with_content))

    async def find(
        self, organization_id: str, reference: str, iterator: str | None, limit: int
    ) -> ListOut[FoundMessageOut]:
        """The messages of a name in all applications. ValidationFailed if the iterator is none."""
        if iterator is not None and not ids.is_id(iterator, "app"):
            raise ValidationFailed(Violation(("query", "iterator"), _NOT_AN_ITERATOR))
        page = await FoundMessages(self._session).page(organization_id, reference, iterator, limit)
        return list_out(page.rows, page.done, key=lambda row: row.app_id, item=_found_out, reached=page.reached)

    async def events(
        self, app: ApplicationRow, iterator: str | None, after: datetime | None, about: FeedFilter, limit: int
    ) -> MessageEventsOut:
        """What follows in the feed; `after` counts only without an iterator. ValidationFailed if that is none."""
        try:
            position = FeedPosition.parse(iterator) if iterator else FeedPosition.since(after)
        except ValueError:
            text = "The iterator is not one that this feed returned; leave it out to begin with the oldest message."
            raise ValidationFailed(Violation(("query", "iterator"), text)) from None
        page = await MessageFeed(self._session).read(app.id, position, about, limit)
        payloads = await payloads_out(self._session, self._store, page.rows, with_content=True)
        return MessageEventsOut(
            data=[message_out(row, payloads[row.id]) for row in page.rows], iterator=page.position.text, done=page.done
        )

    async def raw(self, app: ApplicationRow, reference: str) -> MessageRawPayloadOut:
        """What is sent of a message, as a text. NotFound if the application has none of that name."""
        messages = MessagesTable(self._session)
        row = existing(await messages.find(app.id, reference))
        if (instead := substituted(*await messages.how_sent(app.id, row.id))) is not None:
            # The specification has a text here; of what is none, the rest can be read.
            return MessageRawPayloadOut(payload=instead.decode(errors="replace"))
        payloads = await payloads_out(self._session, self._store, [row], with_content=True)
        return MessageRawPayloadOut(payload=payloads[row.id].decode())

    async def expunge(self, app: ApplicationRow, body: BulkExpungeContentsIn) -> BulkExpungeContentsOut:
        """Forget the payloads of messages; what became of each, by the name that was given."""
        found = await self._history.expunge_all(app, body.ids)
        return BulkExpungeContentsOut(
            results={
                name: BulkExpungeStatus.EXPUNGED if name in found else BulkExpungeStatus.NOT_FOUND for name in body.ids
            }
        )

    async def expunge_everything(self, app: ApplicationRow) -> ExpungeAllContentsOut:
        """Begin to forget the payloads of all messages that were published until now."""
        tasks = BackgroundTasksTable(self._session)
        task = await tasks.start(app.organization_id, app.id, TaskKind.PURGE_CONTENT, {})
        return ExpungeAllContentsOut(
            id=task.id, status=TaskStatus(task.status), task=TaskKind(task.kind), updated_at=task.updated_at
        )


def _found_out(found: Found) -> FoundMessageOut:
    return FoundMessageOut(
        id=found.id,
        event_id=found.event_id,
        event_type=found.event_type,
        timestamp=found.created_at,
        app_id=found.app_id,
        app_uid=found.app_uid,
        app_name=found.app_name,
    )
