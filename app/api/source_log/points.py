"""Logs of sources over HTTP."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends

from app.api.deps import OrganizationDep, ReadSessionDep, SourceRef
from app.api.paging import ListOut, PagingDep
from app.api.source_log.models import IngestLogOut
from app.api.source_log.service import SourceLogService
from app.api.strict import StrictRoute

router: Final = APIRouter(prefix="/source/{source_id}/log", tags=["Ingest Logs"], route_class=StrictRoute)


def _reading(session: ReadSessionDep) -> SourceLogService:
    return SourceLogService(session)


@router.get("", operation_id="v1.ingest.log.list")
async def list_source_logs(
    caller: OrganizationDep,
    reference: SourceRef,
    logs: Annotated[SourceLogService, Depends(_reading, scope="function")],
    paging: PagingDep,
) -> ListOut[IngestLogOut]:
    """List the requests that a source rejected in the last 30 days, with the reasons."""
    return await logs.page(caller.organization_id, reference, paging)
