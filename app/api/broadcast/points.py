"""Broadcasts over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from app.api.broadcast.models import MessageBroadcastIn, MessageBroadcastOut
from app.api.broadcast.service import BroadcastService
from app.api.deps import OrganizationDep, SessionDep
from app.api.message.models import payload_of
from app.api.strict import StrictRoute

router = APIRouter(tags=["Broadcast"], route_class=StrictRoute)


def _service(session: SessionDep) -> BroadcastService:
    return BroadcastService(session)


BroadcastsDep = Annotated[BroadcastService, Depends(_service, scope="function")]


@router.post("/msg/broadcast", status_code=202, operation_id="v1.message.broadcast")
async def create_broadcast(
    caller: OrganizationDep, body: MessageBroadcastIn, request: Request, broadcasts: BroadcastsDep
) -> MessageBroadcastOut:
    """Publish a message to every application of the organization, by a background task."""
    return await broadcasts.start(caller.organization_id, body, payload_of(await request.body()))
