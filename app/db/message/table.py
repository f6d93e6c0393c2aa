"""The SQL that reads messages, and expunges them. What writes them is publish.py."""

from typing import NamedTuple

from sqlalchemy import ColumnElement
from sqlmodel import col, select

from app.db.base import Page
from app.db.history import HistoryTable, Span
from app.db.message.model import MessageEventIdRow, MessageFilter, MessageRow


class Located(NamedTuple):
    """A message that a reference names."""

    id: str
    has_payload: bool


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
        statement = select(MessageRow.id, col(MessageRow.payload).is_not(None)).where(
            col(MessageRow.application_id) == application_id, self._named(application_id, reference)
        )
        row = (await self.session.execute(statement)).one_or_none()
        return Located(row[0], row[1]) if row else None

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
        return await self._replace_content(application_id, message_id, None)
