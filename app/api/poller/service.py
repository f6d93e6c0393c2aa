"""The rules of pollers, and of how far their readers have come. What is polled is history.py."""

from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncSession

from app import clock, ids
from app.api.paging import ListOut, Paging, list_out
from app.api.poller.models import (
    PollerIn,
    PollerOut,
    PollerPatch,
    PollerV2CommitIn,
    PollingEndpointSeekIn,
    PollingEndpointSeekOut,
)
from app.db.api_token.table import ApiTokensTable
from app.db.application.model import ApplicationRow
from app.db.audit.trail import note
from app.db.event_type.table import EventTypesTable
from app.db.message.feed import FeedPosition
from app.db.poller.model import PollerRow
from app.db.poller.table import MOST_READERS, PollerReadersTable, PollersTable
from app.errors import BadRequest, NotFound, ValidationFailed, Violation, existing
from app.tokens import Principal


class PollerService:
    """Keeps an application's pollers. A reference is a poller's id or uid."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._pollers = PollersTable(session)

    async def page(self, app: ApplicationRow, paging: Paging) -> ListOut[PollerOut]:
        """The application's pollers, newest first unless asked otherwise."""
        page = await self._pollers.page(app.id, paging.window(ascending=False, ids_of="poll"))
        return list_out(page.rows, page.done, key=lambda row: row.id, item=_out)

    async def create(self, app: ApplicationRow, body: PollerIn) -> PollerOut:
        """A new poller. ValidationFailed for event types that there are not, Conflict if the uid is taken."""
        now = clock.now()
        row = PollerRow(id=ids.new_id("poll"), application_id=app.id, created_at=now, updated_at=now)
        return await self._save(app, row, body, PollerIn.model_fields)

    async def patch(self, app: ApplicationRow, reference: str, body: PollerPatch) -> PollerOut:
        """Change those fields of a poller that the body holds. Raises what `create` raises, and NotFound."""
        row = existing(await self._pollers.find_to_change(app.id, reference))
        return await self._save(app, row, body, body.model_fields_set)

    async def delete(self, app: ApplicationRow, reference: str) -> None:
        """Delete a poller with its readers, and end its tokens."""
        row = existing(await self._pollers.find_to_change(app.id, reference))
        ended = await ApiTokensTable(self._session).expire_of_poller(app.organization_id, row.id, 0)
        for token_id in ended:
            note(self._session, "api_token", token_id, {"revoked": {"after": True}})
        await self._pollers.delete(row)
        note(self._session, "poller", row.id, {"deleted": {"after": True}})

    async def seek(
        self, caller: Principal, app: ApplicationRow, reference: str, name: str, body: PollingEndpointSeekIn
    ) -> PollingEndpointSeekOut:
        """Put a reader at a time, a new one too. BadRequest if there are too many."""
        poller = await find_poller(self._session, caller, app, reference)
        position = FeedPosition.since(body.after).text
        readers = PollerReadersTable(self._session, poller)
        await check_room(readers, name, by_offset=False)
        await readers.place(name, position)
        return PollingEndpointSeekOut(iterator=position)

    async def acknowledge(
        self, caller: Principal, app: ApplicationRow, reference: str, name: str, body: PollerV2CommitIn
    ) -> None:
        """A reader has dealt with all messages up to an offset. ValidationFailed if it was not handed that one yet.

        To say it again does no harm, nor does it to commit less than before.
        """
        poller = await find_poller(self._session, caller, app, reference)
        readers = PollerReadersTable(self._session, poller)
        reader = await readers.find_to_change(name, by_offset=True)
        committed, leased = (reader.committed, reader.leased) if reader else (0, [])
        newly = body.offset - committed
        if newly > len(leased):
            text = f"This reader was handed no message of that offset. The last one was {committed + len(leased)}."
            raise ValidationFailed(Violation(("body", "offset"), text))
        if newly > 0:
            await readers.acknowledge(name, body.offset, leased[newly:])

    async def _save(
        self, app: ApplicationRow, row: PollerRow, body: PollerIn | PollerPatch, fields: Iterable[str]
    ) -> PollerOut:
        if body.event_types:
            known = await EventTypesTable(self._session).existing_names(app.organization_id, body.event_types)
            if missing := [name for name in body.event_types if name not in known]:
                text = f"The following event types don't exist: {', '.join(missing)}"
                raise ValidationFailed(Violation(("body", "eventTypes"), text))
        for name in fields:
            setattr(row, name, getattr(body, name))
        row.updated_at = clock.now()
        await self._pollers.save(row)
        return _out(row)


async def find_poller(session: AsyncSession, caller: Principal, app: ApplicationRow, reference: str) -> PollerRow:
    """The application's poller of that id or uid, if the caller may poll it. NotFound otherwise, without a hint why."""
    row = existing(await PollersTable(session).find(app.id, reference))
    if caller.poller_id not in {None, row.id}:
        raise NotFound
    return row


async def check_room(readers: PollerReadersTable, name: str, *, by_offset: bool) -> None:
    """BadRequest (`limit_reached`) if a reader would be new and there are enough: whoever polls makes up names."""
    if await readers.find_to_change(name, by_offset=by_offset) is None and await readers.count() >= MOST_READERS:
        text = f"A poller keeps the positions of at most {MOST_READERS} consumers. Poll with an id that is known."
        raise BadRequest(text, code="limit_reached")


def _out(row: PollerRow) -> PollerOut:
    return PollerOut.model_validate(row.model_dump())
