"""Attempts over HTTP."""

from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends, Query, Response

from app.api.attempt.models import (
    CountOut,
    EmptyOut,
    EndpointMessageOut,
    MessageAttemptHeadersOut,
    MessageAttemptOut,
    MessageEndpointOut,
    MessageStatus,
    StatusCodeClass,
)
from app.api.attempt.service import AttemptService
from app.api.deps import (
    REFERENCE,
    ApplicationDep,
    AttemptRef,
    DoorbellDep,
    EndpointRef,
    MessageRef,
    OrganizationDep,
    PayloadStoreDep,
    ReadApplicationDep,
    ReadSessionDep,
    SealerDep,
    SessionDep,
    SettingsDep,
)
from app.api.exact import exact
from app.api.paging import LimitDep, ListOut, PagingDep
from app.api.strict import StrictRoute
from app.api.timeline import TimelineDep, WholeTimelineDep
from app.doorbell import Doorbell

router = APIRouter(prefix="/app/{app_id}", tags=["Message Attempt"], route_class=StrictRoute)


def _writing(session: SessionDep, store: PayloadStoreDep) -> AttemptService:
    return AttemptService(session, store)


def _reading(session: ReadSessionDep, store: PayloadStoreDep) -> AttemptService:
    return AttemptService(session, store)


AttemptsDep = Annotated[AttemptService, Depends(_writing, scope="function")]
ReadAttemptsDep = Annotated[AttemptService, Depends(_reading, scope="function")]
Status = Annotated[MessageStatus | None, Query(description="Only what has this status.", examples=[2])]
CodeClass = Annotated[
    StatusCodeClass | None, Query(description="Only what was answered with such a status code.", examples=[500])
]
ExpandedStatuses = Annotated[
    bool,
    Query(description="Whether the caller knows status 4, canceled; else it is shown as 0, success.", examples=[True]),
]


@router.get("/attempt", operation_id="v1.message-attempt.list-recent", response_model=ListOut[MessageAttemptOut])
async def list_recent_attempts(
    app: ReadApplicationDep, attempts: ReadAttemptsDep, limit: LimitDep, status: Status = None
) -> Response:
    """List what was tried within the last hour at any endpoint of the application, newest first, without contents."""
    return exact(await attempts.recent(app, status, limit))


@router.get(
    "/attempt/endpoint/{endpoint_id}",
    operation_id="v1.message-attempt.list-by-endpoint",
    response_model=ListOut[MessageAttemptOut],
)
async def list_attempts_by_endpoint(
    app: ReadApplicationDep,
    endpoint: EndpointRef,
    attempts: ReadAttemptsDep,
    timeline: TimelineDep,
    status: Status = None,
    status_code_class: CodeClass = None,
    expanded_statuses: ExpandedStatuses = False,
    with_msg: Annotated[
        bool, Query(description="Whether to show the messages, too, without their payloads.", examples=[True])
    ] = False,
) -> Response:
    """List what was tried at an endpoint, newest first."""
    page = await attempts.page_by_endpoint(app, endpoint, timeline, status, status_code_class, with_message=with_msg)
    return exact(page)


@router.get("/attempt/endpoint/{endpoint_id}/count", operation_id="v1.message-attempt.count-by-endpoint")
async def count_attempts_by_endpoint(
    app: ReadApplicationDep,
    endpoint: EndpointRef,
    attempts: ReadAttemptsDep,
    timeline: WholeTimelineDep,
    status: Status = None,
    status_code_class: CodeClass = None,
) -> CountOut:
    """Count what was tried at an endpoint."""
    return await attempts.count_by_endpoint(app, endpoint, timeline, status, status_code_class)


@router.get("/attempt/msg/{msg_id}", operation_id="v1.message-attempt.list-by-msg", response_model_exclude_none=True)
@router.get("/msg/{msg_id}/attempt", include_in_schema=False, response_model_exclude_none=True)
async def list_attempts_by_message(
    app: ReadApplicationDep,
    message: MessageRef,
    attempts: ReadAttemptsDep,
    timeline: TimelineDep,
    status: Status = None,
    status_code_class: CodeClass = None,
    endpoint_id: Annotated[
        str | None,
        Query(
            description="Only at this endpoint.",
            min_length=1,
            max_length=256,
            pattern=REFERENCE,
            examples=["ep_1srOrx2ZWZBpBUvZwXKQmoEYga2"],
        ),
    ] = None,
    expanded_statuses: ExpandedStatuses = False,
) -> ListOut[MessageAttemptOut]:
    """List what was tried of a message, newest first."""
    return await attempts.page_by_message(app, message, endpoint_id, timeline, status, status_code_class)


@router.get("/msg/{msg_id}/endpoint/{endpoint_id}/attempt", include_in_schema=False, response_model_exclude_none=True)
async def list_attempts_of_delivery(
    app: ReadApplicationDep,
    message: MessageRef,
    endpoint: EndpointRef,
    attempts: ReadAttemptsDep,
    timeline: TimelineDep,
    status: Status = None,
    status_code_class: CodeClass = None,
) -> ListOut[MessageAttemptOut]:
    """List what was tried of a message at an endpoint, newest first."""
    return await attempts.page_by_message(app, message, endpoint, timeline, status, status_code_class)


@router.get(
    "/endpoint/{endpoint_id}/msg",
    operation_id="v1.message-attempt.list-attempted-messages",
    response_model=ListOut[EndpointMessageOut],
)
async def list_attempted_messages(
    app: ReadApplicationDep,
    endpoint: EndpointRef,
    attempts: ReadAttemptsDep,
    timeline: TimelineDep,
    status: Status = None,
    expanded_statuses: ExpandedStatuses = False,
) -> Response:
    """List messages that were tried at an endpoint or are due there, and how far they are."""
    return exact(await attempts.messages_of(app, endpoint, timeline, status, with_canceled=expanded_statuses))


@router.get(
    "/msg/{msg_id}/endpoint",
    operation_id="v1.message-attempt.list-attempted-destinations",
    response_model_exclude_none=True,
)
async def list_attempted_destinations(
    app: ReadApplicationDep,
    message: MessageRef,
    attempts: ReadAttemptsDep,
    paging: PagingDep,
    expanded_statuses: ExpandedStatuses = False,
) -> ListOut[MessageEndpointOut]:
    """List endpoints at which a message was tried or is due, oldest first, and how far it is there."""
    return await attempts.endpoints_of(app, message, paging, with_canceled=expanded_statuses)


@router.get(
    "/msg/{msg_id}/attempt/{attempt_id}", operation_id="v1.message-attempt.get", response_model_exclude_none=True
)
async def get_attempt(
    app: ApplicationDep,
    message: MessageRef,
    attempt: AttemptRef,
    attempts: AttemptsDep,
    expanded_statuses: ExpandedStatuses = False,
) -> MessageAttemptOut:
    """Get an attempt."""
    return await attempts.get(app, message, attempt)


@router.get(
    "/msg/{msg_id}/attempt/{attempt_id}/headers",
    operation_id="v1.message-attempt.get-headers",
    response_model_exclude_none=True,
)
async def get_attempt_headers(
    app: ApplicationDep,
    message: MessageRef,
    attempt: AttemptRef,
    attempts: AttemptsDep,
    sealer: SealerDep,
    settings: SettingsDep,
) -> MessageAttemptHeadersOut:
    """Get the headers of an attempt, worked out anew; of those that are secret the names."""
    return await attempts.headers(app, message, attempt, sealer, whitelabel=settings.whitelabel_headers)


@router.delete(
    "/msg/{msg_id}/attempt/{attempt_id}/content", status_code=204, operation_id="v1.message-attempt.expunge-content"
)
async def expunge_attempt_content(
    _caller: OrganizationDep, app: ApplicationDep, message: MessageRef, attempt: AttemptRef, attempts: AttemptsDep
) -> None:
    """Forget what the receiver answered, for good."""
    await attempts.expunge(app, message, attempt)


@router.post("/msg/{msg_id}/endpoint/{endpoint_id}/resend", status_code=202, operation_id="v1.message-attempt.resend")
async def resend_message(
    app: ApplicationDep,
    message: MessageRef,
    endpoint: EndpointRef,
    attempts: AttemptsDep,
    doorbell: DoorbellDep,
    background: BackgroundTasks,
) -> EmptyOut:
    """Have a message tried at an endpoint once more, now."""
    shard = await attempts.resend(app, message, endpoint)
    # Background tasks begin once the response is out, and so after the commit.
    background.add_task(_ring, doorbell, shard)
    return EmptyOut()


async def _ring(doorbell: Doorbell, shard: int) -> None:
    """On the event loop: FastAPI would call a plain function in a thread."""
    doorbell.ring([shard])
