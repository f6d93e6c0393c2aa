"""Replays over HTTP."""

from datetime import timedelta
from typing import Annotated, Final, assert_never

from fastapi import APIRouter, Depends, Path, Query

from app import clock
from app.api.attempt.models import StatusCodeClass
from app.api.background_task.models import TASK_ID, TASK_ID_PATTERN
from app.api.deps import ApplicationDep, DatabaseDep, EndpointRef, ReadApplicationDep, ReadSessionDep, SessionDep
from app.api.fields import Moment
from app.api.paging import ListOut, PagingDep
from app.api.replay.models import (
    BulkReplayIn,
    CancelMsgsIn,
    EndpointReplayOut,
    RecoverIn,
    RecoverOut,
    ReplayedStatus,
    ReplayEstimateOut,
    ReplayIn,
    ReplayOperation,
    ReplayOut,
)
from app.api.replay.service import ReplayEstimateService, ReplayProgressService, ReplayService
from app.api.strict import StrictRoute
from app.api.timeline import ChannelFilter, EventTypesDep, TagFilter

router = APIRouter(prefix="/app/{app_id}/endpoint/{endpoint_id}", tags=["Endpoint"], route_class=StrictRoute)

# As much as can be recovered.
_BACK: Final = timedelta(days=14)


def _writing(session: SessionDep) -> ReplayService:
    return ReplayService(session)


def _reading(session: ReadSessionDep) -> ReplayProgressService:
    return ReplayProgressService(session)


def _current(session: SessionDep) -> ReplayProgressService:
    """On the write server: whoever has just started a task finds it."""
    return ReplayProgressService(session)


def _counting(session: ReadSessionDep, database: DatabaseDep) -> ReplayEstimateService:
    return ReplayEstimateService(session, database.pool)


def _asked(
    operation: Annotated[ReplayOperation, Query(description="What would be asked for.", examples=["recover"])],
    event_types: EventTypesDep,
    since: Annotated[
        Moment | None,
        Query(
            description="As of that operation; 14 days before `until` if left out.", examples=["2026-01-31T08:00:00Z"]
        ),
    ] = None,
    until: Annotated[
        Moment | None, Query(description="As of that operation.", examples=["2026-01-31T20:00:00Z"])
    ] = None,
    created_before: Annotated[
        Moment | None, Query(description="As of `cancel-msgs`; now if left out.", examples=["2026-01-31T08:00:00Z"])
    ] = None,
    channel: ChannelFilter = None,
    tag: TagFilter = None,
    status: Annotated[ReplayedStatus, Query(description="As of `bulk-replay`.", examples=[2])] = None,
    status_code_class: Annotated[
        StatusCodeClass | None, Query(description="As of `bulk-replay`.", examples=[500])
    ] = None,
) -> RecoverIn | ReplayIn | CancelMsgsIn:
    """What that operation's body would be."""
    since = since or (until or clock.now()) - _BACK
    match operation:
        case ReplayOperation.CANCEL_MSGS:
            return CancelMsgsIn(created_before=created_before or clock.now())
        case ReplayOperation.RECOVER:
            return RecoverIn(since=since, until=until)
        case ReplayOperation.REPLAY_MISSING:
            return ReplayIn(since=since, until=until)
        case ReplayOperation.BULK_REPLAY:
            return BulkReplayIn(
                since=since,
                until=until,
                event_types=None if event_types is None else list(event_types),
                channel=channel,
                tag=tag,
                status=status,
                status_code_class=status_code_class,
            )
        case _:
            assert_never(operation)


ReplaysDep = Annotated[ReplayService, Depends(_writing, scope="function")]
TaskRef = Annotated[str, Path(description="The task's id.", pattern=TASK_ID_PATTERN, examples=[TASK_ID])]


@router.post("/recover", status_code=202, operation_id="v1.endpoint.recover")
async def recover_endpoint(
    app: ApplicationDep, reference: EndpointRef, body: RecoverIn, replays: ReplaysDep
) -> RecoverOut:
    """Have an endpoint's failed deliveries tried once more."""
    return await replays.recover(app, reference, body)


@router.post("/replay-missing", status_code=202, operation_id="v1.endpoint.replay-missing")
async def replay_missing(app: ApplicationDep, reference: EndpointRef, body: ReplayIn, replays: ReplaysDep) -> ReplayOut:
    """Send an endpoint the messages that it subscribes to and that were never tried there."""
    return await replays.replay_missing(app, reference, body)


@router.post("/bulk-replay", status_code=202, operation_id="v1.endpoint.bulk-replay")
async def bulk_replay(
    app: ApplicationDep, reference: EndpointRef, body: BulkReplayIn, replays: ReplaysDep
) -> ReplayOut:
    """Send an endpoint again what it was sent, delivered or not."""
    return await replays.bulk_replay(app, reference, body)


@router.post("/cancel-msgs", status_code=204, operation_id="v1.endpoint.cancel-msgs")
async def cancel_messages(app: ApplicationDep, reference: EndpointRef, body: CancelMsgsIn, replays: ReplaysDep) -> None:
    """Cancel an endpoint's pending deliveries of messages before a time; it may go on for a moment."""
    await replays.cancel(app, reference, body)


@router.get("/replay/estimate", operation_id="v1.endpoint.estimate-replay", response_model_exclude_none=True)
async def estimate_replay(
    app: ReadApplicationDep,
    reference: EndpointRef,
    asked: Annotated[RecoverIn | ReplayIn | CancelMsgsIn, Depends(_asked)],
    estimates: Annotated[ReplayEstimateService, Depends(_counting, scope="function")],
) -> ReplayEstimateOut:
    """Count what a recovery, a replay or a canceling would do now; nothing is done."""
    return await estimates.estimate(app, reference, asked)


@router.get("/replay", operation_id="v1.endpoint.list-replays", response_model_exclude_none=True)
async def list_replays(
    app: ReadApplicationDep,
    reference: EndpointRef,
    progress: Annotated[ReplayProgressService, Depends(_reading, scope="function")],
    paging: PagingDep,
) -> ListOut[EndpointReplayOut]:
    """List an endpoint's recoveries, replays and cancelings, newest first, and how far they are."""
    return await progress.page(app, reference, paging)


@router.get("/replay/{task_id}", operation_id="v1.endpoint.get-replay", response_model_exclude_none=True)
async def get_replay(
    app: ApplicationDep,
    reference: EndpointRef,
    task_id: TaskRef,
    progress: Annotated[ReplayProgressService, Depends(_current, scope="function")],
) -> EndpointReplayOut:
    """Get how far one of an endpoint's recoveries, replays or cancelings is."""
    return await progress.get(app, reference, task_id)
