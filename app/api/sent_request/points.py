"""Sent requests over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends

from app import scopes
from app.api.deps import (
    ApplicationDep,
    AttemptRef,
    MessageRef,
    PayloadStoreDep,
    PrincipalDep,
    SealerDep,
    SessionDep,
    SettingsDep,
)
from app.api.sent_request.models import SentRequestOut
from app.api.sent_request.service import SentRequestService
from app.api.strict import StrictRoute

router = APIRouter(prefix="/app/{app_id}", tags=["Message Attempt"], route_class=StrictRoute)


def _sent_requests(
    session: SessionDep, store: PayloadStoreDep, sealer: SealerDep, settings: SettingsDep
) -> SentRequestService:
    return SentRequestService(session, store, sealer, whitelabel=settings.whitelabel_headers)


@router.get(
    "/msg/{msg_id}/attempt/{attempt_id}/request",
    operation_id="v1.message-attempt.get-request",
    response_model_exclude_none=True,
)
async def get_sent_request(
    caller: PrincipalDep,
    app: ApplicationDep,
    message: MessageRef,
    attempt: AttemptRef,
    sent: Annotated[SentRequestService, Depends(_sent_requests, scope="function")],
) -> SentRequestOut:
    """Get what was sent with an attempt, worked out anew, and a command that sends it again."""
    return await sent.get(app, message, attempt, with_signature=scopes.may_read_secrets(caller.scopes))
