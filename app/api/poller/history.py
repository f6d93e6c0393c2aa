"""Polling: what follows an iterator that the caller keeps, or the position of a reader that we keep.

Nothing is handed out before the position is committed that says so, and payloads are fetched after that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.api.message.history import payloads_out
from app.api.poller.models import (
    PollerV2MessageOut,
    PollerV2PollOut,
    PollingEndpointMessageOut,
    PollingEndpointOut,
    StartingPosition,
)
from app.api.poller.service import check_room, find_poller
from app.db.application.table import ApplicationsTable
from app.db.message.feed import FeedFilter, FeedPage, FeedPosition, MessageFeed
from app.db.message.model import MessageRow
from app.db.poller.model import PollerReaderRow, PollerRow
from app.db.poller.table import Lease, PollerReadersTable
from app.db.session import Database
from app.errors import NotFound, ValidationFailed, Violation, existing
from app.payload_store.store import PayloadStore
from app.tokens import Principal


@dataclass(frozen=True, slots=True)
class Polled:
    """Which poller is polled, by whom; the references are ids or uids."""

    caller: Principal
    application: str
    poller: str


@dataclass(frozen=True, slots=True)
class PollQuery:
    """What a caller wants who keeps the iterator: without one, messages from `after` on, or all that are kept."""

    limit: int
    iterator: str | None = None
    event_type: str | None = None
    channel: str | None = None
    after: datetime | None = None


class PollerHistory:
    """Reads an application's messages through a poller. From the server that is written to, in own transactions."""

    def __init__(self, database: Database, store: PayloadStore | None) -> None:
        self._database = database
        self._store = store

    async def poll(self, polled: Polled, query: PollQuery) -> PollingEndpointOut:
        """What follows an iterator. NotFound, ValidationFailed for what is no iterator."""
        position = FeedPosition.since(query.after) if query.iterator is None else _position(query.iterator)
        async with self._database.transaction() as session:
            poller = await _find(session, polled)
            about = _about(poller, query.event_type, query.channel)
            page = await MessageFeed(session).read(poller.application_id, position, about, query.limit)
        return await self._out(session, page)

    async def poll_as(self, polled: Polled, name: str, query: PollQuery) -> PollingEndpointOut:
        """What follows the position of a reader; an iterator confirms all before it, and is its position then.

        What is not confirmed is handed out again. BadRequest if there are too many readers.
        """
        confirmed = None if query.iterator is None else _position(query.iterator)
        async with self._database.transaction() as session:
            poller = await _find(session, polled)
            readers = PollerReadersTable(session, poller)
            if confirmed is None:
                reader = await readers.find_to_change(name, by_offset=False)
                position = FeedPosition.since(None) if reader is None else _kept(reader)
            else:
                await check_room(readers, name, by_offset=False)
                await readers.place(name, confirmed.text)
                position = confirmed
            page = await MessageFeed(session).read(poller.application_id, position, _about(poller), query.limit)
        return await self._out(session, page)

    async def lease(
        self, polled: Polled, name: str, limit: int, seconds: float, start: StartingPosition
    ) -> PollerV2PollOut:
        """What follows the last offset that a reader committed; nothing while others of its name work on that.

        The same messages have the same offsets however often they are handed out.
        """
        async with self._database.transaction() as session:
            poller = await _find(session, polled)
            readers, feed = PollerReadersTable(session, poller), MessageFeed(session)
            reader = await _reader_by_offset(readers, name, start)
            if reader.leased and await readers.is_leased(reader):
                return PollerV2PollOut(data=[], done=True)
            lease = Lease(reader.position, reader.committed, reader.leased)
            rows, done = (await feed.rows(poller.application_id, lease.message_ids))[:limit], False
            if not rows:
                # What was handed out is forgotten by now, or there was nothing.
                page = await feed.read(poller.application_id, _kept(reader), _about(poller), limit)
                rows, done = page.rows, page.done
                committed = lease.committed + len(lease.message_ids)
                lease = Lease(page.position.text, committed, [row.id for row in rows])
            await readers.lease(name, lease, seconds)
        payloads = await payloads_out(session, self._store, rows, True)
        return PollerV2PollOut(data=_with_offsets(lease, rows, payloads), done=done)

    async def _out(self, session: AsyncSession, page: FeedPage) -> PollingEndpointOut:
        payloads = await payloads_out(session, self._store, page.rows, True)
        data = [PollingEndpointMessageOut(**_fields(row, payloads[row.id])) for row in page.rows]
        return PollingEndpointOut(data=data, iterator=page.position.text, done=page.done)


async def _find(session: AsyncSession, polled: Polled) -> PollerRow:
    caller = polled.caller
    app = existing(await ApplicationsTable(session).find(caller.organization_id, polled.application))
    if caller.application_id not in {None, app.id}:
        raise NotFound
    return await find_poller(session, caller, app, polled.poller)


async def _reader_by_offset(readers: PollerReadersTable, name: str, start: StartingPosition) -> PollerReaderRow:
    """The reader of that name, locked; a new one begins where it is told."""
    reader = await readers.find_to_change(name, by_offset=True)
    if reader is None:
        await check_room(readers, name, by_offset=True)
        beginning = FeedPosition.since(clock.now() if start is StartingPosition.LATEST else None)
        await readers.begin(name, beginning.text, by_offset=True)
        reader = await readers.find_to_change(name, by_offset=True)
    return existing(reader)


def _position(iterator: str) -> FeedPosition:
    try:
        return FeedPosition.parse(iterator)
    except ValueError:
        text = "The iterator is not one that this poller returned; leave it out to begin with the oldest message."
        raise ValidationFailed(Violation(("query", "iterator"), text)) from None


def _kept(reader: PollerReaderRow) -> FeedPosition:
    return FeedPosition.since(None) if reader.position is None else FeedPosition.parse(reader.position)


def _about(poller: PollerRow, event_type: str | None = None, channel: str | None = None) -> FeedFilter:
    """What the poller shows, and of that what the caller wants."""
    types = None if poller.event_types is None else tuple(poller.event_types)
    if event_type is not None:
        types = (event_type,) if types is None or event_type in types else ()
    return FeedFilter(types, None if poller.channels is None else tuple(poller.channels), channel)


def _with_offsets(lease: Lease, rows: Sequence[MessageRow], payloads: Mapping[str, bytes]) -> list[PollerV2MessageOut]:
    offsets = {message_id: lease.committed + place for place, message_id in enumerate(lease.message_ids, 1)}
    by_offset = sorted(rows, key=lambda row: offsets[row.id])
    return [PollerV2MessageOut(offset=offsets[row.id], **_fields(row, payloads[row.id])) for row in by_offset]


def _fields(row: MessageRow, payload: bytes) -> dict[str, object]:
    return {
        "id": row.id,
        "event_id": row.event_id,
        "event_type": row.event_type,
        "payload": payload,
        "channels": row.channels,
        "timestamp": row.created_at,
        "tags": row.tags,
        "deliver_at": row.deliver_at,
    }
