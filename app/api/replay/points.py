"""Replays over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends

from app.api.deps import ApplicationDep, EndpointRef, SessionDep
from app.api.replay.models import BulkReplayIn, CancelMsgsIn, RecoverIn, RecoverOut, ReplayIn, ReplayOut
from app.api.replay.service import ReplayService
from app.api.strict import StrictRoute

router = APIRouter(prefix="/app/{app_id}/endpoint/{endpoint_id}", tags=["Endpoint"], route_class=StrictRoute)


def _writing(session: SessionDep) -> ReplayService:
    return ReplayService(session)


ReplaysDep = Annotated[ReplayService, Depends(_writing, scope="function")]


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
