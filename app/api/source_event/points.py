"""Following what arrives at sources, over HTTP."""

from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from app.api.deps import ApplicationDep, MessageRef, OrganizationDep, PayloadStoreDep, SessionDep, SourceRef
from app.api.exact import exact
from app.api.paging import LimitDep
from app.api.source_event.models import IngestEventsOut, ReceivedOut
from app.api.source_event.service import SourceEventService
from app.api.strict import StrictRoute
from app.api.timeline import After, EventTypesDep
from app.api.turns import PollTurns

router: Final = APIRouter(prefix="/source/{source_id}/event", tags=["Ingest Event"], route_class=StrictRoute)


of_messages: Final = APIRouter(tags=["Message"], route_class=StrictRoute)


async def _turn(request: Request, caller: OrganizationDep, reference: SourceRef) -> AsyncIterator[None]:
    turns: PollTurns = request.app.state.poll_turns
    async with turns.turn(caller.organization_id, reference):
        yield


def _reading(session: SessionDep, store: PayloadStoreDep) -> SourceEventService:
    return SourceEventService(session, store)


@router.get(
    "",
    operation_id="v1.ingest.event.list",
    response_model=IngestEventsOut,
    dependencies=[Depends(_turn, scope="function")],
)
async def read_source_events(
    caller: OrganizationDep,
    reference: SourceRef,
    events: Annotated[SourceEventService, Depends(_reading, scope="function")],
    limit: LimitDep,
    event_types: EventTypesDep,
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
    """Follow what arrives at a source and is accepted, in the order in which it was stored."""
    return exact(await events.follow(caller.organization_id, reference, iterator, after, event_types, limit))


@of_messages.get("/app/{app_id}/msg/{msg_id}/received", operation_id="v1.message.get-received")
async def get_received_request(
    _caller: OrganizationDep,
    app: ApplicationDep,
    message: MessageRef,
    events: Annotated[SourceEventService, Depends(_reading, scope="function")],
) -> ReceivedOut:
    """Get the request in which a message arrived at a source, without its body."""
    return await events.received(app, message)
