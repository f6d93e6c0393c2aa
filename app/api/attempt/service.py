"""The rules of attempts: who may be shown what came of a delivery, and when it may be tried again."""

import codecs
from base64 import b64encode
from dataclasses import replace
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from app.api.attempt.models import (
    EndpointMessageOut,
    MessageAttemptOut,
    MessageEndpointOut,
    MessageStatus,
    StatusCodeClass,
    TriggerType,
)
from app.api.endpoint.service import endpoint_view
from app.api.message.history import payloads_out, stored_payload
from app.api.paging import ListOut, Paging, list_out
from app.api.timeline import Timeline
from app.db.application.model import ApplicationRow
from app.db.attempt.model import AttemptRow
from app.db.attempt.table import AttemptFilter, AttemptsTable
from app.db.delivery.model import DeliveryState
from app.db.delivery.table import DeliveriesTable, EndpointStanding, MessageStanding
from app.db.endpoint.table import EndpointsTable
from app.db.message.table import MessagesTable
from app.db.pending_delivery.table import PendingDeliveriesTable
from app.delivery.client import MAX_RESPONSE_BYTES
from app.errors import BadRequest, NotFound, existing
from app.payload_store.store import PayloadStore

_HIDDEN: Final = "{}"


class AttemptService:
    """Shows what came of the deliveries of an application, and has them tried again.

    A reference is an id, or a message's event id, or an endpoint's uid. Every method raises NotFound if the
    application has nothing of that name.
    """

    def __init__(self, session: AsyncSession, store: PayloadStore | None) -> None:
        self._session = session
        self._store = store
        self._messages = MessagesTable(session)
        self._endpoints = EndpointsTable(session)
        self._deliveries = DeliveriesTable(session)
        self._pending = PendingDeliveriesTable(session)

    async def page_by_endpoint(
        self,
        app: ApplicationRow,
        endpoint: str,
        timeline: Timeline,
        status: MessageStatus | None,
        code_class: StatusCodeClass | None,
    ) -> ListOut[MessageAttemptOut]:
        """What was tried at an endpoint, newest first."""
        row = existing(await self._endpoints.find(app.id, endpoint))
        return await self._page(app, timeline, AttemptFilter(None, row.id, status, code_class))

    async def page_by_message(
        self,
        app: ApplicationRow,
        message: str,
        endpoint: str | None,
        timeline: Timeline,
        status: MessageStatus | None,
        code_class: StatusCodeClass | None,
    ) -> ListOut[MessageAttemptOut]:
        """What was tried of a message, at all endpoints or at one, newest first."""
        found = existing(await self._messages.locate(app.id, message))
        endpoint_id = None if endpoint is None else existing(await self._endpoints.find(app.id, endpoint)).id
        return await self._page(app, timeline, AttemptFilter(found.id, endpoint_id, status, code_class))

    async def get(self, app: ApplicationRow, message: str, attempt_id: str) -> MessageAttemptOut:
        """One attempt of a message."""
        found = existing(await self._messages.locate(app.id, message))
        row = await AttemptsTable(self._session).find_of(app.id, found.id, attempt_id)
        if row is None:
            raise NotFound
        return _attempt_out(row, True)

    async def expunge(self, app: ApplicationRow, message: str, attempt_id: str) -> None:
        """Forget what the receiver answered, for good."""
        found = existing(await self._messages.locate(app.id, message))
        if not await AttemptsTable(self._session).expunge(app.id, found.id, attempt_id):
            raise NotFound

    async def messages_of(
        self, app: ApplicationRow, endpoint: str, timeline: Timeline, status: MessageStatus | None
    ) -> ListOut[EndpointMessageOut]:
        """Messages that were tried at an endpoint or are due there, newest first, and how far they are."""
        row = existing(await self._endpoints.find(app.id, endpoint))
        if status is MessageStatus.SENDING:
            return ListOut[EndpointMessageOut](data=[], iterator=None, done=True)
        rows, done = await self._deliveries.page_of_endpoint(
            app.id,
            row.id,
            timeline.span("msg"),
            timeline.about,
            None if status is None else DeliveryState(status),
            with_content=timeline.with_content,
        )
        messages = [message for message, _ in rows]
        payloads = await payloads_out(self._session, self._store, messages, timeline.with_content)
        return list_out(
            rows,
            done,
            key=lambda standing: standing[0].id,
            item=lambda standing: _endpoint_message_out(standing, payloads[standing[0].id]),
        )

    async def endpoints_of(self, app: ApplicationRow, message: str, paging: Paging) -> ListOut[MessageEndpointOut]:
        """Endpoints at which a message was tried or is due, newest first, and how far it is there."""
        found = existing(await self._messages.locate(app.id, message))
        rows, done = await self._deliveries.page_of_message(
            app.id, found.id, paging.window(ascending=False, ids_of="ep")
        )
        return list_out(rows, done, key=lambda standing: standing[0].id, item=_message_endpoint_out)

    async def resend(self, app: ApplicationRow, message: str, endpoint: str) -> int:
        """Have a message tried at an endpoint now, whatever came of it; the shard to ring for after the commit.

        BadRequest if the payload is gone, or the endpoint is disabled.
        """
        found = existing(await self._messages.locate(app.id, message))
        row = existing(await self._endpoints.find(app.id, endpoint))
        if not found.has_payload:
            text = "The message's payload has expired or was expunged, so that it cannot be sent again."
            raise BadRequest(text, code="missing_payload")
        if row.disabled:
            raise BadRequest("The endpoint is disabled: enable it, then resend.")
        payload: bytes | None = None
        if found.stored is not None and row.ordered_by is not None:
            # Its place is in the line that its payload says.
            await self._session.close()
            payload = await stored_payload(self._store, found.stored)
        await self._pending.resend(app.id, found.id, row.id, payload)
        return row.shard

    async def _page(self, app: ApplicationRow, timeline: Timeline, only: AttemptFilter) -> ListOut[MessageAttemptOut]:
        attempts = AttemptsTable(self._session, with_content=timeline.with_content)
        page = await attempts.page_of(app.id, timeline.span("atmpt"), replace(only, about=timeline.about))
        return list_out(
            page.rows, page.done, key=lambda row: row.id, item=lambda row: _attempt_out(row, timeline.with_content)
        )


def response_text(response: bytes) -> str:
    """What a receiver answered, as text: in base64 if it is not UTF-8. A character that was cut in two is left out."""
    whole = len(response) < MAX_RESPONSE_BYTES
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(response, final=whole)
    except UnicodeDecodeError:
        return b64encode(response).decode("ascii")


def _attempt_out(row: AttemptRow, with_content: bool) -> MessageAttemptOut:
    return MessageAttemptOut(
        id=row.id,
        msg_id=row.message_id,
        endpoint_id=row.endpoint_id,
        url=row.url,
        response=response_text(row.response or b"") if with_content else _HIDDEN,
        response_status_code=row.response_status_code,
        response_duration_ms=row.response_duration_ms,
        status=MessageStatus(row.status),
        trigger_type=TriggerType(row.trigger),
        timestamp=row.created_at,
    )


def _endpoint_message_out(standing: MessageStanding, payload: bytes) -> EndpointMessageOut:
    row, how_far = standing
    return EndpointMessageOut(
        id=row.id,
        event_type=row.event_type,
        event_id=row.event_id,
        channels=row.channels,
        payload=payload,
        timestamp=row.created_at,
        status=MessageStatus(how_far.state),
        next_attempt=how_far.next_attempt_at,
    )


def _message_endpoint_out(standing: EndpointStanding) -> MessageEndpointOut:
    row, how_far = standing
    return MessageEndpointOut(
        status=MessageStatus(how_far.state), next_attempt=how_far.next_attempt_at, **endpoint_view(row)
    )
