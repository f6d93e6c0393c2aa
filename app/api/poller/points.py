"""Pollers over HTTP."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Response

from app.api.deps import (
    REFERENCE,
    ApplicationDep,
    ApplicationRef,
    DatabaseDep,
    PayloadStoreDep,
    PrincipalDep,
    ReadApplicationDep,
    ReadSessionDep,
    SessionDep,
)
from app.api.exact import exact
from app.api.fields import Channel, EventTypeName, Moment
from app.api.paging import ListOut, PagingDep
from app.api.poller.history import Polled, PollerHistory, PollQuery
from app.api.poller.models import (
    PollerIn,
    PollerOut,
    PollerPatch,
    PollerV2CommitIn,
    PollerV2PollOut,
    PollingEndpointOut,
    PollingEndpointSeekIn,
    PollingEndpointSeekOut,
    StartingPosition,
)
from app.api.poller.service import PollerService
from app.api.strict import StrictRoute
from app.api.turns import poll_turn

router = APIRouter(prefix="/app/{app_id}", route_class=StrictRoute)

_TAG: Final = "Poller"
_POLLING: Final = "Message"
_IN_TURN: Final = [Depends(poll_turn, scope="function")]
# Half a day.
_LONGEST_LEASE_MS: Final = 43_200_000

SinkRef = Annotated[
    str, Path(alias="sink_id", description="The poller's id or uid.", max_length=256, pattern=REFERENCE)
]
ReaderName = Annotated[
    str,
    Path(
        alias="consumer_id",
        description="A name of yours for whoever reads; each has a position of its own.",
        min_length=1,
        max_length=256,
        pattern=r"^[a-zA-Z0-9\-_.:@+=~ ]+$",
        examples=["ledger"],
    ),
]
Limit = Annotated[int, Query(description="Most messages to return.", ge=1, le=250, examples=[50])]
Iterator = Annotated[str | None, Query(description="The `iterator` of the poll before.", max_length=256)]


def _writing(session: SessionDep) -> PollerService:
    return PollerService(session)


def _reading(session: ReadSessionDep) -> PollerService:
    return PollerService(session)


def _history(database: DatabaseDep, store: PayloadStoreDep) -> PollerHistory:
    return PollerHistory(database, store)


def _polled(caller: PrincipalDep, application: ApplicationRef, sink_id: SinkRef) -> Polled:
    return Polled(caller, application, sink_id)


def _query(
    limit: Limit = 50,
    iterator: Iterator = None,
    event_type: Annotated[
        EventTypeName | None, Query(description="Of what the poller shows, only this event type.")
    ] = None,
    channel: Annotated[Channel | None, Query(description="Of what the poller shows, only this channel.")] = None,
    after: Annotated[
        Moment | None, Query(description="Without an iterator: begin with messages that came at this time or later.")
    ] = None,
) -> PollQuery:
    return PollQuery(limit, iterator, event_type, channel, after)


PollersDep = Annotated[PollerService, Depends(_writing, scope="function")]
ReadPollersDep = Annotated[PollerService, Depends(_reading, scope="function")]
HistoryDep = Annotated[PollerHistory, Depends(_history)]
PolledDep = Annotated[Polled, Depends(_polled)]
QueryDep = Annotated[PollQuery, Depends(_query)]


@router.get("/poller", tags=[_TAG], operation_id="v1.poller.list", response_model_exclude_none=True)
async def list_pollers(app: ReadApplicationDep, pollers: ReadPollersDep, paging: PagingDep) -> ListOut[PollerOut]:
    """List the application's pollers."""
    return await pollers.page(app, paging)


@router.post("/poller", tags=[_TAG], status_code=201, operation_id="v1.poller.create", response_model_exclude_none=True)
async def create_poller(app: ApplicationDep, body: PollerIn, pollers: PollersDep) -> PollerOut:
    """Create a poller, by which messages of the application can be fetched, older ones too."""
    return await pollers.create(app, body)


@router.patch("/poller/{sink_id}", tags=[_TAG], operation_id="v1.poller.patch", response_model_exclude_none=True)
async def patch_poller(app: ApplicationDep, reference: SinkRef, body: PollerPatch, pollers: PollersDep) -> PollerOut:
    """Change those fields of a poller that the body holds."""
    return await pollers.patch(app, reference, body)


@router.delete("/poller/{sink_id}", tags=[_TAG], status_code=204, operation_id="v1.poller.delete")
async def delete_poller(app: ApplicationDep, reference: SinkRef, pollers: PollersDep) -> None:
    """Delete a poller, the positions of its readers and its tokens; the messages stay."""
    await pollers.delete(app, reference)


@router.get(
    "/poller/{sink_id}",
    tags=[_POLLING],
    operation_id="v1.message.poller.poll",
    dependencies=_IN_TURN,
    response_model=PollingEndpointOut,
)
async def poll(polled: PolledDep, query: QueryDep, history: HistoryDep) -> Response:
    """Fetch the messages that follow an iterator, oldest first; without one, the oldest that are kept."""
    return exact(await history.poll(polled, query))


@router.get(
    "/poller/{sink_id}/consumer/{consumer_id}",
    tags=[_POLLING],
    operation_id="v1.message.poller.consumer-poll",
    dependencies=_IN_TURN,
    response_model=PollingEndpointOut,
)
async def poll_as_reader(
    polled: PolledDep, name: ReaderName, history: HistoryDep, limit: Limit = 50, iterator: Iterator = None
) -> Response:
    """Fetch the messages that follow a position that is kept for the caller, who confirms a page by its iterator."""
    return exact(await history.poll_as(polled, name, PollQuery(limit, iterator)))


@router.post(
    "/poller/{sink_id}/consumer/{consumer_id}/seek",
    tags=[_POLLING],
    operation_id="v1.message.poller.consumer-seek",
)
async def seek(
    caller: PrincipalDep,
    app: ApplicationDep,
    sink_id: SinkRef,
    name: ReaderName,
    body: PollingEndpointSeekIn,
    pollers: PollersDep,
) -> PollingEndpointSeekOut:
    """Set the position that is kept for a caller to a time."""
    return await pollers.seek(caller, app, sink_id, name, body)


@router.get(
    "/polling-endpoint/{sink_id}/consumer/{consumer_id}",
    tags=[_POLLING],
    operation_id="v1.message.pollerv2.consumer-poll",
    dependencies=_IN_TURN,
    response_model=PollerV2PollOut,
)
async def lease(
    polled: PolledDep,
    name: ReaderName,
    history: HistoryDep,
    limit: Limit = 50,
    lease_duration_ms: Annotated[
        int,
        Query(
            description="Milliseconds after which they are handed out again unless they were committed.",
            ge=0,
            le=_LONGEST_LEASE_MS,
        ),
    ] = 30_000,
    starting_position: Annotated[
        StartingPosition, Query(description="Where a reader begins that has not polled before.")
    ] = StartingPosition.EARLIEST,
) -> Response:
    """Lease the messages that follow the last one that was committed."""
    return exact(await history.lease(polled, name, limit, lease_duration_ms / 1000, starting_position))


@router.post(
    "/polling-endpoint/{sink_id}/consumer/{consumer_id}/commit",
    tags=[_POLLING],
    status_code=204,
    operation_id="v1.message.pollerv2.consumer-commit",
)
async def acknowledge(
    caller: PrincipalDep,
    app: ApplicationDep,
    sink_id: SinkRef,
    name: ReaderName,
    body: PollerV2CommitIn,
    pollers: PollersDep,
) -> None:
    """Say that a message and all before it are dealt with."""
    await pollers.acknowledge(caller, app, sink_id, name, body)
