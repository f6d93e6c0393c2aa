"""The audit log over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from app.api.audit_log.models import AuditEntryOut
from app.api.audit_log.service import AuditFilter, AuditLogService
from app.api.deps import OrganizationDep, ReadSessionDep
from app.api.fields import Moment, Text
from app.api.paging import ListOut, PagingDep

router = APIRouter(prefix="/audit-log", tags=["Audit Log"])

Word = Annotated[Text, Query(min_length=1, max_length=256)]


def _service(session: ReadSessionDep) -> AuditLogService:
    return AuditLogService(session)


def _filter(
    app_id: Annotated[Word | None, Query(description="Only what happened in this application (its id).")] = None,
    operation: Annotated[
        Word | None, Query(description="Only this operation.", examples=["v1.endpoint.delete"])
    ] = None,
    actor: Annotated[
        Word | None,
        Query(description="Only what this one did (`actor.id`).", examples=["key_1srOrx2ZWZBpBUvZwXKQmoEYga2"]),
    ] = None,
    target: Annotated[
        Word | None, Query(description="Only what was done to this one.", examples=["ep_1srOrx2ZWZBpBUvZwXKQmoEYga2"])
    ] = None,
    after: Annotated[Moment | None, Query(description="Only what happened at or after this time.")] = None,
    before: Annotated[Moment | None, Query(description="Only what happened before this time.")] = None,
) -> AuditFilter:
    return AuditFilter(app_id, operation, actor, target, after, before)


@router.get("", operation_id="v1.audit-log.list", response_model_exclude_none=True)
async def list_audit_entries(
    caller: OrganizationDep,
    entries: Annotated[AuditLogService, Depends(_service, scope="function")],
    wanted: Annotated[AuditFilter, Depends(_filter)],
    paging: PagingDep,
) -> ListOut[AuditEntryOut]:
    """List who changed what, newest first."""
    return await entries.page(caller.organization_id, wanted, paging)
