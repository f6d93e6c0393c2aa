"""Hop 1: messages over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from app.api.deps import (
    ApplicationDep,
    ApplicationRef,
    DatabaseDep,
    MessageRef,
    OrganizationDep,
    PayloadStoreDep,
    PublisherDep,
    ReadApplicationDep,
    ReadSessionDep,
    SessionDep,
    actor_of,
)
from app.api.exact import exact
from app.api.lean import LeanRoute
from app.api.message.history import MessageHistory
from app.api.message.introduction import Introductions
from app.api.message.models import MessageIn, MessageOut, MessagePrecheckIn, MessagePrecheckOut
from app.api.message.precheck import Precheck
from app.api.paging import ListOut
from app.api.strict import StrictRoute
from app.api.timeline import TimelineDep
from app.db.audit.model import Actor

publishing = APIRouter(tags=["Message"], route_class=LeanRoute)
router = APIRouter(tags=["Message"], route_class=StrictRoute)


def _writing(session: SessionDep, store: PayloadStoreDep) -> MessageHistory:
    return MessageHistory(session, store)


def _reading(session: ReadSessionDep, store: PayloadStoreDep) -> MessageHistory:
    return MessageHistory(session, store)


async def _introductions(request: Request) -> Introductions:
    found: Introductions = request.app.state.introductions
    return found


async def _actor(request: Request) -> Actor:
    return actor_of(request)


async def _precheck(database: DatabaseDep) -> Precheck:
    return Precheck(database.pool)


PrecheckDep = Annotated[Precheck, Depends(_precheck)]
IntroductionsDep = Annotated[Introductions, Depends(_introductions)]
# Of a caller who was asked for before.
ActorDep = Annotated[Actor, Depends(_actor)]
HistoryDep = Annotated[MessageHistory, Depends(_writing, scope="function")]
ReadHistoryDep = Annotated[MessageHistory, Depends(_reading, scope="function")]
WithContent = Annotated[bool, Query(description="Whether the answer holds the payload.")]


@publishing.post("/app/{app_id}/msg", status_code=202, operation_id="v1.message.create", response_model=MessageOut)
async def create_message(
    app_id: ApplicationRef,
    body: MessageIn,
    caller: PublisherDep,
    introductions: IntroductionsDep,
    actor: ActorDep,
    with_content: WithContent = True,
    idempotency_key: Annotated[
        str | None, Header(description="The same request with the same key is carried out once.")
    ] = None,
) -> Response:
    """Publish a message to every endpoint of the application that subscribed to its event type."""
    return exact(await introductions.publish(actor, caller, app_id, body, idempotency_key, with_content), 202)


@router.post("/app/{app_id}/msg/precheck/active", operation_id="v1.message.precheck")
async def precheck_message(
    app_id: ApplicationRef, caller: OrganizationDep, body: MessagePrecheckIn, precheck: PrecheckDep
) -> MessagePrecheckOut:
    """Ask whether any endpoint would get a message, without publishing it."""
    return await precheck.ask(caller.organization_id, app_id, body)


@router.get("/app/{app_id}/msg", operation_id="v1.message.list", response_model=ListOut[MessageOut])
async def list_messages(app: ReadApplicationDep, messages: ReadHistoryDep, timeline: TimelineDep) -> Response:
    """List the application's messages, newest first."""
    return exact(await messages.page(app, timeline))


@router.get("/app/{app_id}/msg/{msg_id}", operation_id="v1.message.get", response_model=MessageOut)
async def get_message(
    app: ReadApplicationDep, msg_id: MessageRef, messages: ReadHistoryDep, with_content: WithContent = True
) -> Response:
    """Get a message."""
    return exact(await messages.get(app, msg_id, with_content))


@router.delete("/app/{app_id}/msg/{msg_id}/content", status_code=204, operation_id="v1.message.expunge-content")
async def expunge_message(
    _caller: OrganizationDep, app: ApplicationDep, msg_id: MessageRef, messages: HistoryDep
) -> None:
    """Forget a message's payload for good; what was still to be delivered of it is canceled when it is due."""
    await messages.expunge(app, msg_id)
