"""The rules of attempts: who may be shown what came of a delivery, and when it may be tried again."""

import codecs
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from app import clock, ids
from app.api.attempt.headers import headers_of, headers_of_message, response_headers
from app.api.attempt.models import (
    AttemptTimingsOut,
    CountOut,
    EndpointMessageOut,
    MessageAttemptHeadersOut,
    MessageAttemptOut,
    MessageEndpointOut,
    MessageStatus,
    StatusCodeClass,
    TriggerType,
)
from app.api.endpoint.service import endpoint_view
from app.api.message.history import NO_PAYLOAD, message_out, payloads_out, stored_payload
from app.api.paging import ListOut, Paging, list_out
from app.api.timeline import Timeline
from app.db.application.model import ApplicationRow
from app.db.attempt.model import AttemptRow
from app.db.attempt.table import AttemptFilter, AttemptsTable
from app.db.delivery.model import DeliveryState
from app.db.delivery.table import DeliveriesTable, EndpointStanding, MessageStanding
from app.db.endpoint.table import EndpointsTable
from app.db.message.model import MessageRow
from app.db.message.table import MessagesTable
from app.db.pending_delivery.table import PendingDeliveriesTable
from app.delivery.client import MAX_RESPONSE_BYTES
from app.delivery.exchange import unpacked
from app.errors import BadRequest, NotFound, existing
from app.payload_store.store import PayloadStore
from app.sealing import Sealer

_HIDDEN: Final = "{}"
_LATELY: Final = timedelta(hours=1)
# Of deliveries alone: an attempt has come to its end.
_NEVER_OF_ATTEMPTS: Final = frozenset({MessageStatus.PENDING, MessageStatus.SENDING, MessageStatus.CANCELED})


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
        *,
        with_message: bool = False,
    ) -> ListOut[MessageAttemptOut]:
        """What was tried at an endpoint, newest first; with the messages, without payloads, if they are wanted."""
        row = existing(await self._endpoints.find(app.id, endpoint))
        only = AttemptFilter(None, row.id, status, code_class)
        return await self._page(app, timeline, only, with_message=with_message)

    async def recent(self, app: ApplicationRow, status: MessageStatus | None, limit: int) -> ListOut[MessageAttemptOut]:
        """What was tried lately at any endpoint, newest first, with the messages, without any content."""
        if status in _NEVER_OF_ATTEMPTS:
            return ListOut[MessageAttemptOut](data=[], iterator=None, done=True)
        now = clock.now()
        # The ids of an hour to come, too: they are made by the clocks of many machines.
        between = ids.floor_id("atmpt", now - _LATELY), ids.floor_id("atmpt", now + _LATELY)
        rows = await AttemptsTable(self._session).recent(app.id, between, status, limit)
        table = MessagesTable(self._session, with_content=False)
        messages = await table.get_all(app.id, {row.message_id for row in rows})
        data = [_attempt_out(row, False, messages.get(row.message_id)) for row in rows]
        return ListOut[MessageAttemptOut](data=data, iterator=None, done=True)

    async def count_by_endpoint(
        self,
        app: ApplicationRow,
        endpoint: str,
        timeline: Timeline,
        status: MessageStatus | None,
        code_class: StatusCodeClass | None,
    ) -> CountOut:
        """How often it was tried to reach an endpoint."""
        row = existing(await self._endpoints.find(app.id, endpoint))
        if status in _NEVER_OF_ATTEMPTS:
            return CountOut(count=0, approximated=False)
        only = AttemptFilter(None, row.id, status, code_class, timeline.about)
        count, is_more = await AttemptsTable(self._session).count_of(app.id, timeline.span("atmpt"), only)
        return CountOut(count=count, approximated=is_more)

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

    async def headers(
        self, app: ApplicationRow, message: str, attempt_id: str, sealer: Sealer, *, whitelabel: bool
    ) -> MessageAttemptHeadersOut:
        """What was sent with an attempt, as far as it can be told now."""
        found = existing(await self._messages.locate(app.id, message))
        row = existing(await AttemptsTable(self._session, with_content=False).find_of(app.id, found.id, attempt_id))
        endpoint = await self._endpoints.get(app.id, row.endpoint_id)
        of_message = headers_of_message(*await self._messages.how_sent(app.id, found.id))
        return headers_of(row, endpoint, of_message, sealer, whitelabel=whitelabel)

    async def expunge(self, app: ApplicationRow, message: str, attempt_id: str) -> None:
        """Forget what the receiver answered, for good."""
        found = existing(await self._messages.locate(app.id, message))
        if not await AttemptsTable(self._session).expunge(app.id, found.id, attempt_id):
            raise NotFound

    async def messages_of(
        self,
        app: ApplicationRow,
        endpoint: str,
        timeline: Timeline,
        status: MessageStatus | None,
        *,
        with_canceled: bool,
    ) -> ListOut[EndpointMessageOut]:
        """Messages that were tried at an endpoint or are due there, newest first, and how far they are.

        Unless `with_canceled`, what was canceled is shown as a success: the caller knows no other status for it.
        """
        row = existing(await self._endpoints.find(app.id, endpoint))
        if status is MessageStatus.SENDING:
            return ListOut[EndpointMessageOut](data=[], iterator=None, done=True)
        span = timeline.span("msg")
        page = await self._deliveries.page_of_endpoint(
            app.id,
            row.id,
            span,
            timeline.about,
            None if status is None else DeliveryState(status),
            with_content=timeline.with_content,
        )
        messages = [message for message, _ in page.rows]
        payloads = await payloads_out(self._session, self._store, messages, timeline.with_content)
        return list_out(
            page.rows,
            page.done,
            key=lambda standing: standing[0].id,
            item=lambda standing: _endpoint_message_out(standing, payloads[standing[0].id], with_canceled),
            reached=page.reached,
            backwards=span.window.backwards,
        )

    async def endpoints_of(
        self, app: ApplicationRow, message: str, paging: Paging, *, with_canceled: bool
    ) -> ListOut[MessageEndpointOut]:
        """Endpoints at which a message was tried or is due, in the order of their ids, and how far it is there.

        Unless `with_canceled`, what was canceled is shown as a success, as in `messages_of`.
        """
        found = existing(await self._messages.locate(app.id, message))
        page = await self._deliveries.page_of_message(app.id, found.id, paging.window(ascending=True, ids_of="ep"))
        return list_out(
            page.rows,
            page.done,
            key=lambda standing: standing[0].id,
            item=lambda standing: _message_endpoint_out(standing, with_canceled),
        )

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

    async def _page(
        self, app: ApplicationRow, timeline: Timeline, only: AttemptFilter, *, with_message: bool = False
    ) -> ListOut[MessageAttemptOut]:
        if only.status in _NEVER_OF_ATTEMPTS:
            return ListOut[MessageAttemptOut](data=[], iterator=None, done=True)
        attempts = AttemptsTable(self._session, with_content=timeline.with_content)
        span = timeline.span("atmpt")
        page = await attempts.page_of(app.id, span, replace(only, about=timeline.about))
        messages: Mapping[str, MessageRow] = {}
        if with_message:
            table = MessagesTable(self._session, with_content=False)
            messages = await table.get_all(app.id, {row.message_id for row in page.rows})
        return list_out(
            page.rows,
            page.done,
            key=lambda row: row.id,
            item=lambda row: _attempt_out(row, timeline.with_content, messages.get(row.message_id)),
            reached=page.reached,
            backwards=span.window.backwards,
        )


def response_text(response: bytes) -> str:
    """What a receiver answered, as text: in base64 if it is not UTF-8. A character that was cut in two is left out."""
    whole = len(response) < MAX_RESPONSE_BYTES
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(response, final=whole)
    except UnicodeDecodeError:
        return b64encode(response).decode("ascii")


def _attempt_out(row: AttemptRow, with_content: bool, message: MessageRow | None = None) -> MessageAttemptOut:
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
        timings=_timings_out(row),
        response_headers=response_headers(row) if with_content else None,
        msg=None if message is None else message_out(message, NO_PAYLOAD),
    )


def _timings_out(row: AttemptRow) -> AttemptTimingsOut | None:
    if row.exchange is None:
        return None
    reused, *seconds = unpacked(row.exchange).timings
    dns, connect, tls, first_byte = (None if value is None else round(value * 1000, 3) for value in seconds)
    return AttemptTimingsOut(reused=reused, dns_ms=dns, connect_ms=connect, tls_ms=tls, first_byte_ms=first_byte)


def _endpoint_message_out(standing: MessageStanding, payload: bytes, with_canceled: bool) -> EndpointMessageOut:
    row, how_far = standing
    return EndpointMessageOut(
        id=row.id,
        event_type=row.event_type,
        event_id=row.event_id,
        channels=row.channels,
        payload=payload,
        timestamp=row.created_at,
        status=_status(how_far.state, with_canceled),
        next_attempt=how_far.next_attempt_at,
    )


def _message_endpoint_out(standing: EndpointStanding, with_canceled: bool) -> MessageEndpointOut:
    row, how_far = standing
    status = _status(how_far.state, with_canceled)
    return MessageEndpointOut(status=status, next_attempt=how_far.next_attempt_at, **endpoint_view(row))


def _status(state: int, with_canceled: bool) -> MessageStatus:
    """How far a delivery is, in the words that the caller knows."""
    status = MessageStatus(state)
    return MessageStatus.SUCCESS if status is MessageStatus.CANCELED and not with_canceled else status
