"""Searching, following and forgetting messages over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from app.api.deps import (
    REFERENCE,
    ApplicationDep,
    MessageRef,
    OrganizationDep,
    PayloadStoreDep,
    ReadApplicationDep,
    ReadSessionDep,
    SessionDep,
)
from app.api.exact import exact
from app.api.history.models import (
    BulkExpungeContentsIn,
    BulkExpungeContentsOut,
    ExpungeAllContentsOut,
    FoundMessageOut,
    MessageEventsOut,
    MessageRawPayloadOut,
    MessageSearchIn,
)
from app.api.history.service import HistoryService
from app.api.message.models import MessageOut
from app.api.paging import LimitDep, ListOut
from app.api.strict import StrictRoute
from app.api.timeline import After, ChannelsDep, EventTypesDep
from app.api.turns import poll_turn
from app.db.message.feed import FeedFilter

router = APIRouter(prefix="/app/{app_id}", tags=["Message"], route_class=StrictRoute)
finding = APIRouter(tags=["Message"], route_class=StrictRoute)


def _writing(session: SessionDep, store: PayloadStoreDep) -> HistoryService:
    return HistoryService(session, store)


def _reading(session: ReadSessionDep, store: PayloadStoreDep) -> HistoryService:
    return HistoryService(session, store)


HistoryDep = Annotated[HistoryService, Depends(_writing, scope="function")]
ReadHistoryDep = Annotated[HistoryService, Depends(_reading, scope="function")]


@finding.get("/message/find", operation_id="v1.message.find", response_model_exclude_none=True)
async def find_messages(
    caller: OrganizationDep,
    history: ReadHistoryDep,
    reference: Annotated[
        str,
        Query(
            description="A message's id or event id, or an attempt's id.",
            max_length=256,
            pattern=REFERENCE,
            examples=["invoice-4711-paid"],
        ),
    ],
    limit: LimitDep,
    iterator: Annotated[
        str | None, Query(description="The `iterator` of the page before.", max_length=64, pattern=REFERENCE)
    ] = None,
) -> ListOut[FoundMessageOut]:
    """Find the messages of a name in all applications of the organization, in the order of the applications."""
    return await history.find(caller.organization_id, reference, iterator, limit)


@router.post("/msg/search", operation_id="v1.message.search", response_model=ListOut[MessageOut])
async def search_messages(app: ReadApplicationDep, body: MessageSearchIn, history: ReadHistoryDep) -> Response:
    """Search messages: those that match all that is said, newest first."""
    return exact(await history.search(app, body))


@router.get(
    "/events",
    operation_id="v1.message.events",
    response_model=MessageEventsOut,
    dependencies=[Depends(poll_turn, scope="function")],
)
async def read_message_events(
    app: ApplicationDep,
    history: HistoryDep,
    limit: LimitDep,
    event_types: EventTypesDep,
    channels: ChannelsDep,
    iterator: Annotated[
        str | None,
        Query(
            description="The `iterator` of the answer before: nothing is skipped, and what came since follows.",
            max_length=128,
            examples=["3MQjNnoC3ZsQ733qax9ssyrukn9.2f4.1a2b3c4d5e6"],
        ),
    ] = None,
    after: After = None,
) -> Response:
    """Follow the messages of an application, in the order in which they were stored."""
    return exact(await history.events(app, iterator, after, FeedFilter(event_types, channels), limit))


@router.get("/msg/{msg_id}/raw", operation_id="v1.message.get-raw-payload")
async def get_raw_payload(app: ApplicationDep, msg_id: MessageRef, history: HistoryDep) -> MessageRawPayloadOut:
    """Get what is sent of a message, byte for byte, in a text."""
    return await history.raw(app, msg_id)


@router.post("/msg/bulk-expunge", operation_id="v1.message.bulk-expunge-content")
async def expunge_messages(
    _caller: OrganizationDep, app: ApplicationDep, body: BulkExpungeContentsIn, history: HistoryDep
) -> BulkExpungeContentsOut:
    """Forget the payloads of messages for good; what was still to be delivered of them is canceled when it is due."""
    return await history.expunge(app, body)


@router.post("/msg/expunge-all-contents", status_code=202, operation_id="v1.message.expunge-all-contents")
async def expunge_all_messages(
    _caller: OrganizationDep, app: ApplicationDep, history: HistoryDep
) -> ExpungeAllContentsOut:
    """Forget the payloads of all messages of an application for good, as a background task."""
    return await history.expunge_everything(app)
