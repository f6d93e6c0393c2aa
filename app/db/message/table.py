"""The SQL that reads messages, and expunges them. What writes them is publish.py."""

from typing import NamedTuple

from sqlalchemy import ColumnElement, update
from sqlmodel import col, select

from app.db.base import Page
from app.db.history import HistoryTable, Span
from app.db.message.model import MessageEventIdRow, MessageFilter, MessageRow
from app.payload_store.stored import StoredPayload


class Located(NamedTuple):
    """A message that a reference names."""

    id: str
    has_payload: bool
    # Set if it is in the payload store.
    stored: StoredPayload | None


class MessagesTable(HistoryTable[MessageRow]):
    """The messages of one application. A reference is a message's id or its event id."""

    row = MessageRow
    content = "payload"

    def _named(self, application_id: str, reference: str) -> ColumnElement[bool]:
        """The condition that a message is the one that `reference` names. No event id begins like an id."""
        if reference.startswith("msg_"):
            return col(MessageRow.id) == reference
        message_id = select(MessageEventIdRow.message_id).where(
            col(MessageEventIdRow.application_id) == application_id, col(MessageEventIdRow.event_id) == reference
        )
        return col(MessageRow.id) == message_id.scalar_subquery()

    async def find(self, application_id: str, reference: str) -> MessageRow | None:
        """The message that `reference` names, or None."""
        found = await self.session.execute(self._live(application_id).where(self._named(application_id, reference)))
        return found.scalar_one_or_none()

    async def locate(self, application_id: str, reference: str) -> Located | None:
        """Which message `reference` names, without reading it; or None."""
        statement = select(
            MessageRow.id, col(MessageRow.payload).is_not(None), MessageRow.stored_bytes, MessageRow.stored_digest
        ).where(col(MessageRow.application_id) == application_id, self._named(application_id, reference))
        row = (await self.session.execute(statement)).one_or_none()
        if row is None:
            return None
        key, is_here, size, digest = row
        stored = None if size is None or digest is None else StoredPayload(key, size, digest)
        return Located(key, is_here or stored is not None, stored)

    async def page_about(self, application_id: str, span: Span, about: MessageFilter) -> Page[MessageRow]:
        """One page of the messages that a filter is about."""
        conditions = about.conditions
        if about.event_types is not None and about.channel is None and about.tag is None:
            # The index knows the type, so that what is of another type is passed over without being read. In two
            # statements, because as a join the planner may read all messages of the span.
            key = self._column(self.key)
            found = select(MessageRow.id).where(col(MessageRow.application_id) == application_id, span.holds(key))
            page = found.where(*conditions).order_by(key.asc() if span.upwards else key.desc()).limit(span.limit + 1)
            conditions = [key.in_((await self.session.execute(page)).scalars().all())]
        return await self.page_in(application_id, span, *conditions)

    async def expunge(self, application_id: str, message_id: str) -> bool:
        """Forget a message's payload for good; False if there is no such message."""
        statement = (
            update(self._table)
            .where(self._column("application_id") == application_id, self._column("id") == message_id)
            .values(payload=None, stored_bytes=None, stored_digest=None)
            .returning(self._column("id"))
        )
        return (await self.session.execute(statement)).first() is not None
