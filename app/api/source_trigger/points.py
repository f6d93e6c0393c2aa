"""Triggers of sources over HTTP."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request

from app.api.deps import OrganizationDep, PublicUrlDep, SealerDep, SessionDep, SourceRef
from app.api.source_trigger.models import IngestSourceTriggerIn, IngestSourceTriggerOut
from app.api.source_trigger.service import SourceTriggerService
from app.api.strict import StrictRoute

router: Final = APIRouter(prefix="/source/{source_id}/trigger", tags=["Ingest Source"], route_class=StrictRoute)


async def _triggers(
    request: Request, session: SessionDep, sealer: SealerDep, base_url: PublicUrlDep
) -> SourceTriggerService:
    return SourceTriggerService(session, sealer, request.app.state.inbound, base_url)


@router.post("", operation_id="v1.ingest.source.trigger", response_model_exclude_none=True)
async def trigger_source(
    caller: OrganizationDep,
    reference: SourceRef,
    body: IngestSourceTriggerIn,
    triggers: Annotated[SourceTriggerService, Depends(_triggers, scope="function")],
) -> IngestSourceTriggerOut:
    """Have a sample of what the provider sends arrive at a source, signed, as if the provider had sent it."""
    return await triggers.trigger(caller.organization_id, reference, body)
