"""Event types over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from app.api.deps import OrganizationDep, PrincipalDep, ReadSessionDep, SessionDep
from app.api.event_type.models import (
    EventTypeIn,
    EventTypeOut,
    EventTypePatch,
    EventTypeUpdate,
    RetryScheduleInOut,
    SearchText,
)
from app.api.event_type.service import Asked, EventTypeService
from app.api.fields import EventTypeName
from app.api.paging import ListOut, PagingDep
from app.api.strict import StrictRoute

router = APIRouter(prefix="/event-type", tags=["Event Type"], route_class=StrictRoute)


def _writing(session: SessionDep) -> EventTypeService:
    return EventTypeService(session)


def _reading(session: ReadSessionDep) -> EventTypeService:
    return EventTypeService(session)


EventTypesDep = Annotated[EventTypeService, Depends(_writing, scope="function")]
ReadEventTypesDep = Annotated[EventTypeService, Depends(_reading, scope="function")]
Name = Annotated[EventTypeName, Path(alias="event_type_name", description="The event type's name.")]


@router.get("", operation_id="v1.event-type.list", response_model_exclude_none=True)
async def list_event_types(
    caller: PrincipalDep,
    event_types: ReadEventTypesDep,
    paging: PagingDep,
    include_archived: Annotated[bool, Query(description="Whether archived ones are listed too.")] = False,
    with_content: Annotated[bool, Query(description="Whether the items hold their schemas.")] = False,
    search: Annotated[
        SearchText,
        Query(
            description="Only those in whose name, description or group this text stands. Not in the Svix API.",
            examples=["invoice"],
        ),
    ] = "",
) -> ListOut[EventTypeOut]:
    """List the organization's event types by name; a portal sees those that its feature flags unlock."""
    asked = Asked(search, include_archived=include_archived, with_content=with_content)
    return await event_types.page(caller, paging, asked)


@router.post("", status_code=201, operation_id="v1.event-type.create", response_model_exclude_none=True)
async def create_event_type(caller: OrganizationDep, body: EventTypeIn, event_types: EventTypesDep) -> EventTypeOut:
    """Create an event type, or bring an archived one back."""
    return await event_types.create(caller.organization_id, body)


@router.get("/{event_type_name}", operation_id="v1.event-type.get", response_model_exclude_none=True)
async def get_event_type(caller: PrincipalDep, name: Name, event_types: EventTypesDep) -> EventTypeOut:
    """Get an event type, with its schemas; a portal gets those that its feature flags unlock."""
    return await event_types.get(caller, name)


@router.put(
    "/{event_type_name}",
    operation_id="v1.event-type.update",
    response_model_exclude_none=True,
    responses={201: {"model": EventTypeOut, "description": "Created"}},
)
async def update_event_type(
    caller: OrganizationDep, name: Name, body: EventTypeUpdate, event_types: EventTypesDep, response: Response
) -> EventTypeOut:
    """Replace an event type, or create it."""
    event_type, created = await event_types.put(caller.organization_id, name, body)
    response.status_code = 201 if created else 200
    return event_type


@router.patch("/{event_type_name}", operation_id="v1.event-type.patch", response_model_exclude_none=True)
async def patch_event_type(
    caller: OrganizationDep, name: Name, body: EventTypePatch, event_types: EventTypesDep
) -> EventTypeOut:
    """Change those fields of an event type that the body holds."""
    return await event_types.patch(caller.organization_id, name, body)


@router.delete("/{event_type_name}", status_code=204, operation_id="v1.event-type.delete")
async def delete_event_type(
    caller: OrganizationDep,
    name: Name,
    event_types: EventTypesDep,
    expunge: Annotated[bool, Query(description="Delete it for good instead of archiving it.")] = False,
) -> None:
    """Archive an event type: endpoints stay subscribed to it, and nothing new can subscribe."""
    await event_types.delete(caller.organization_id, name, expunge=expunge)


@router.get(
    "/{event_type_name}/retry-schedule",
    operation_id="v1.event-type.get-retry-schedule",
    response_model_exclude_none=True,
)
async def get_retry_schedule(caller: OrganizationDep, name: Name, event_types: EventTypesDep) -> RetryScheduleInOut:
    """Get when messages of an event type are tried again; nothing if as the installation's settings say."""
    return await event_types.retry_schedule(caller.organization_id, name)


@router.put(
    "/{event_type_name}/retry-schedule",
    operation_id="v1.event-type.set-retry-schedule",
    response_model_exclude_none=True,
)
async def set_retry_schedule(
    caller: OrganizationDep, name: Name, body: RetryScheduleInOut, event_types: EventTypesDep
) -> RetryScheduleInOut:
    """Set when messages of an event type are tried again; null restores the installation's schedule."""
    return await event_types.set_retry_schedule(caller.organization_id, name, body)
