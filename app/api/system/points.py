"""The system over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends

from app.api.deps import DatabaseDep, OrganizationDep, SettingsDep
from app.api.strict import StrictRoute
from app.api.system.models import SystemOut
from app.api.system.service import SystemService

router = APIRouter(prefix="/system", tags=["System"], route_class=StrictRoute)


def _system(database: DatabaseDep, settings: SettingsDep) -> SystemService:
    return SystemService(database.pool, settings)


SystemDep = Annotated[SystemService, Depends(_system)]


@router.get("", operation_id="v1.system.get")
async def get_system(caller: OrganizationDep, system: SystemDep) -> SystemOut:
    """Get how the installation does: its servers, workers, chores and schema; for its operator its queue and ledger."""
    return await system.look(caller.organization_id)
