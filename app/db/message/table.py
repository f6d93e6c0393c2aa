"""The SQL that reads messages, and expunges them. What writes them is publish.py."""

from collections.abc import Collection, Sequence
from time import monotonic
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, text
from sqlmodel import col, select

from app.db.audit.trail import note
from app.db.base import Page
from app.db.history import EXAMINED, Found, HistoryTable, Span, find_keys
from app.db.message.model import MessageEventIdRow, MessageFilter, MessageRow
from app.payload_store.stored import StoredPayload

# Rows of an index that are looked at for one page, which takes less than rows of a table.
_EXAMINED_IN_INDEX: Final = 10 * EXAMINED
_EXPUNGE: Final = text("""
UPDATE messages SET payload = NULL, stored_bytes = NULL, stored_digest = NULL, transformations_params = NULL,
       received = NULL
WHERE id = ANY (:message_ids) AND application_id = :application_id
""")
# Messages whose payloads one statement looks through, and seconds after which no further one is begun.
_BITE: Final = 250
_LOOKING_SECONDS: Final = 1.0


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
    # What may be as large as a payload, and is in no list.
    unread = ("transformations_params", "received")

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
        return None if row is None else _located(*row)

    async def locate_all(self, application_id: str, references: Sequence[str]) -> dict[str, Located]:
        """Which messages references name, without reading them; those that name none are left out."""
        row, named = MessageRow, {reference for reference in references if not reference.startswith("msg_")}
        of_events = select(MessageEventIdRow.event_id, MessageEventIdRow.message_id).where(
            col(MessageEventIdRow.application_id) == application_id, col(MessageEventIdRow.event_id).in_(named)
        )
        names = {row.event_id: row.message_id for row in await self.session.execute(of_events)} if named else {}
        names |= {reference: reference for reference in references if reference not in named}
        statement = select(row.id, col(row.payload).is_not(None), row.stored_bytes, row.stored_digest).where(
            col(row.application_id) == application_id, col(row.id).in_(set(names.values()))
        )
        found = {row[0]: _located(*row) for row in await self.session.execute(statement)}
        return {reference: found[key] for reference, key in names.items() if key in found}

    async def get_all(self, application_id: str, message_ids: Collection[str]) -> dict[str, MessageRow]:
        """Messages by their ids; those that are not there are left out."""
        statement = self._live(application_id).where(col(MessageRow.id).in_(message_ids))
        return {row.id: row for row in (await self.session.execute(statement)).scalars()}

    async def how_sent(self, application_id: str, message_id: str) -> tuple[bytes | None, bytes | None]:
        """What is said of how a message is sent, as JSON, and the request that it came in; None: nothing, or gone."""
        statement = select(MessageRow.transformations_params, MessageRow.received).where(
            col(MessageRow.application_id) == application_id, col(MessageRow.id) == message_id
        )
        found = (await self.session.execute(statement)).one_or_none()
        return (None, None) if found is None else (found[0], found[1])

    async def received_all(self, application_id: str, message_ids: Collection[str]) -> dict[str, bytes]:
        """The requests that messages came in, by the messages' ids; those that are gone are left out."""
        statement = select(MessageRow.id, MessageRow.received).where(
            col(MessageRow.application_id) == application_id,
            col(MessageRow.id).in_(message_ids),
            col(MessageRow.received).is_not(None),
        )
        return {key: received for key, received in await self.session.execute(statement) if received is not None}

    async def page_about(self, application_id: str, span: Span, about: MessageFilter) -> Page[MessageRow]:
        """One page of the messages that a filter is about."""
        conditions = about.conditions
        if about.text is not None:
            return await self._page_with_text(application_id, span, conditions)
        if about.event_types is not None and len(conditions) == 1:
            # The index knows the type, so that what is of another type is passed over without being read.
            return await self.page_in(application_id, span, (), conditions, examined=_EXAMINED_IN_INDEX)
        return await self.page_in(application_id, span, (), conditions)

    async def _page_with_text(
        self, application_id: str, span: Span, conditions: Sequence[ColumnElement[bool]]
    ) -> Page[MessageRow]:
        """Payloads are read for this, however large they are: in bites, until the page is full or the time is over."""
        ends_at = monotonic() + _LOOKING_SECONDS
        keys: list[str] = []
        rest, found = span, Found([], None)
        for _ in range(EXAMINED // _BITE):
            found = await self._find(application_id, rest, conditions, _BITE)
            keys += found.keys
            if found.reached is None or monotonic() >= ends_at:
                break
            rest = rest.beyond(found.reached, span.limit - len(keys))
        return await self._page_of(application_id, span, Found(keys, found.reached))

    async def _find(
        self, application_id: str, span: Span, conditions: Sequence[ColumnElement[bool]], examined: int
    ) -> Found:
        rows = select(MessageRow.id).where(col(MessageRow.application_id) == application_id)
        return await find_keys(self.session, rows, self._column(self.key), span, conditions, examined)

    async def expunge(self, application_id: str, message_ids: Collection[str]) -> None:
        """Forget messages' payloads for good."""
        await self.session.execute(_EXPUNGE, {"application_id": application_id, "message_ids": list(message_ids)})
        for message_id in message_ids:
            note(self.session, "message", message_id, {"payload": {"changed": True}})


def _located(key: str, is_here: bool, size: int | None, digest: bytes | None) -> Located:
    stored = None if size is None or digest is None else StoredPayload(key, size, digest)
    return Located(key, is_here or stored is not None, stored)
