"""Hop 1: messages over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from app.api.deps import ApplicationRef, MessageServiceDep, OrganizationDep
from app.api.exact import exact
from app.api.lean import LeanRoute
from app.api.message.models import MessageIn, MessageOut

publishing = APIRouter(tags=["Message"], route_class=LeanRoute)


@publishing.post("/app/{app_id}/msg", status_code=202, operation_id="v1.message.create", response_model=MessageOut)
async def create_message(
    app_id: ApplicationRef,
    body: MessageIn,
    caller: OrganizationDep,
    messages: MessageServiceDep,
    with_content: Annotated[bool, Query(description="Whether the answer holds the payload.")] = True,
    idempotency_key: Annotated[str | None, Header(max_length=512)] = None,
) -> Response:
    """Publish a message to every endpoint of the application that subscribed to its event type."""
    return exact(await messages.publish(caller, app_id, body, idempotency_key, with_content), 202)
