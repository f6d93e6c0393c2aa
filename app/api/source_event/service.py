"""The rules of following what arrives at a source."""

from base64 import b64encode
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.api.message.history import payloads_out
from app.api.source_event.models import IngestEventOut, IngestEventsOut, ReceivedOut
from app.db.application.model import ApplicationRow
from app.db.message.feed import FeedFilter, FeedPosition, MessageFeed
from app.db.message.model import MessageRow
from app.db.message.table import MessagesTable
from app.db.source.table import SourcesTable
from app.errors import NotFound, ValidationFailed, Violation, existing
from app.payload_store.store import PayloadStore
from app.receiving.record import unpack

_NOT_AN_ITERATOR = "The iterator is not one that this feed returned; leave it out to begin with the oldest event."


class SourceEventService:
    """Reads the feed of sources, in a session of the server that is written to."""

    def __init__(self, session: AsyncSession, store: PayloadStore | None) -> None:
        self._session = session
        self._store = store

    async def follow(
        self,
        organization_id: str,
        reference: str,
        iterator: str | None,
        after: datetime | None,
        event_types: tuple[str, ...] | None,
        limit: int,
    ) -> IngestEventsOut:
        """What follows in the feed of the source with that id or uid; `after` counts only without an iterator.

        ValidationFailed for what is no iterator. What arrived before the source delivered to another application is
        not in the feed any more.
        """
        source = existing(await SourcesTable(self._session).find(organization_id, reference))
        try:
            position = FeedPosition.parse(iterator) if iterator else FeedPosition.since(after)
        except ValueError:
            raise ValidationFailed(Violation(("query", "iterator"), _NOT_AN_ITERATOR)) from None
        application_id, about = source.application_id, FeedFilter(event_types, source_id=source.id)
        page = await MessageFeed(self._session).read(application_id, position, about, limit)
        keys = [row.id for row in page.rows]
        received = await MessagesTable(self._session).received_all(application_id, keys)
        kept = [row for row in page.rows if row.payload is not None or row.stored is not None]
        payloads = await payloads_out(self._session, self._store, kept, with_content=True)
        return IngestEventsOut(
            data=[_out(row, received.get(row.id), payloads.get(row.id)) for row in page.rows],
            iterator=page.position.text,
            done=page.done,
        )

    async def received(self, app: ApplicationRow, reference: str) -> ReceivedOut:
        """The request in which a message arrived. NotFound if it did not arrive at a source, or its content is gone."""
        messages = MessagesTable(self._session, with_content=False)
        row = existing(await messages.find(app.id, reference))
        _, arrived = await messages.how_sent(app.id, row.id)
        if row.source_id is None or arrived is None:
            raise NotFound
        request = unpack(arrived)
        return ReceivedOut(
            source_id=row.source_id, method=request.method, query=request.query, headers=list(request.headers)
        )


def _out(row: MessageRow, received: bytes | None, payload: bytes | None) -> IngestEventOut:
    out = IngestEventOut(id=row.id, event_type=row.event_type, event_id=row.event_id, created_at=row.created_at)
    if received is None or payload is None:
        return out
    request = unpack(received)
    out.method, out.query, out.headers = request.method, request.query, list(request.headers)
    out.content_type = request.content_type
    if request.body is None:
        out.payload = payload
    body = payload if request.body is None else request.body
    try:
        out.body = body.decode()
    except UnicodeDecodeError:
        out.body_base64 = b64encode(body).decode()
    return out
