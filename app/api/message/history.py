"""The rules of reading messages, and of forgetting what was in them."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
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
from app.errors import NotFound, Unavailable
from app.payload_store.store import PayloadMissing, PayloadStore, StoreAway
from app.payload_store.stored import StoredPayload

NO_PAYLOAD: Final = b"{}"
"""Stands for one that was not asked for."""
_EXPIRED: Final = b'{"expired":true}'


class MessageHistory:
    """Reads the messages of an application. A reference is a message's id or its event id."""

    def __init__(self, session: AsyncSession, store: PayloadStore | None) -> None:
        self._session = session
        self._store = store

    async def page(self, app: ApplicationRow, timeline: Timeline) -> ListOut[MessageOut]:
        """The application's messages, newest first."""
        messages = MessagesTable(self._session, with_content=timeline.with_content)
        span = timeline.span("msg")
        page = await messages.page_about(app.id, span, timeline.about)
        payloads = await payloads_out(self._session, self._store, page.rows, timeline.with_content)
        return list_out(
            page.rows,
            page.done,
            key=lambda row: row.id,
            item=lambda row: message_out(row, payloads[row.id]),
            reached=page.reached,
            backwards=span.window.backwards,
        )

    async def get(self, app: ApplicationRow, reference: str, with_content: bool) -> MessageOut:
        """One message. NotFound if the application has none of that name."""
        messages = MessagesTable(self._session, with_content=with_content)
        row = await messages.find(app.id, reference)
        if row is None:
            raise NotFound
        payloads = await payloads_out(self._session, self._store, [row], with_content)
        return message_out(row, payloads[row.id])

    async def expunge(self, app: ApplicationRow, reference: str) -> None:
        """Forget a message's payload for good. NotFound if the application has none of that name."""
        if not await self.expunge_all(app, [reference]):
            raise NotFound

    async def expunge_all(self, app: ApplicationRow, references: Sequence[str]) -> Collection[str]:
        """Forget the payloads of messages for good; those of the references that name one.

        Nobody waits in a line for what will not be sent: what is due of it is canceled, now where others wait for it.
        """
        messages = MessagesTable(self._session)
        found = await messages.locate_all(app.id, references)
        if stored := [each.id for each in found.values() if each.stored is not None]:
            # The transaction has only read, and ends here: none waits for the payload store.
            await self._session.close()
            await _forget(self._store, stored)
        keys = {each.id for each in found.values()}
        await messages.expunge(app.id, keys)
        pending = PendingDeliveriesTable(self._session)
        due_after_commit(self._session).update(await pending.hurry_in_lines(app.id, keys))
        return found.keys()


def message_out(row: MessageRow, payload: bytes) -> MessageOut:
    """A message on the wire, with what stands for its payload."""
    return MessageOut(
        id=row.id,
        event_type=row.event_type,
        event_id=row.event_id,
        channels=row.channels,
        payload=payload,
        timestamp=row.created_at,
        tags=row.tags,
        deliver_at=row.deliver_at,
    )


async def payloads_out(
    session: AsyncSession, store: PayloadStore | None, rows: Sequence[MessageRow], with_content: bool
) -> Mapping[str, bytes]:
    """The JSON that stands for each message's payload: `{}` if it was not asked for, or that it has expired.

    Ends the session's transaction, which has only read, if the payload store must be asked. Unavailable if that cannot
    be reached. Payloads are touched only with content.
    """
    if not with_content:
        return {row.id: NO_PAYLOAD for row in rows}
    wanted = {row.id: found for row in rows if (found := row.stored) is not None}
    payloads = {row.id: _EXPIRED if row.payload is None else row.payload for row in rows if row.id not in wanted}
    if wanted:
        await session.close()
        read = await asyncio.gather(*(stored_payload(store, each) for each in wanted.values()))
        payloads |= zip(wanted, read, strict=True)
    return payloads


async def stored_payload(store: PayloadStore | None, stored: StoredPayload) -> bytes:
    """What stands for a payload that is in the payload store. Unavailable if that cannot be reached."""
    try:
        if store is None:
            raise StoreAway("POSTRIDER_PAYLOAD_STORE is not set")
        return await store.get(stored)
    except PayloadMissing:
        # The store has logged it. One that is lost must not make a whole list unreadable.
        return _EXPIRED
    except StoreAway as away:
        text = "The payload store cannot be reached right now. with_content=false does without it."
        raise Unavailable(text) from away


async def _forget(store: PayloadStore | None, message_ids: Collection[str]) -> None:
    try:
        if store is None:
            raise StoreAway("POSTRIDER_PAYLOAD_STORE is not set")
        await store.delete(message_ids)
    except StoreAway as away:
        raise Unavailable("The payload store cannot be reached right now. Nothing was forgotten; try again.") from away
